"""Print the bundle: our commands, and the script that commits them on the router."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from compiler.model.protocol import TCP, UDP, Family
from compiler.model.target import Bundle, File, Procedure, Step, StepName
from compiler.rules import block
from compiler.source.printing import environment
from compiler.vyatta.dialect import MARK, OWN, Dialect
from compiler.vyatta.read import Path
from compiler.vyatta.settings import VyattaSettings
from compiler.vyatta.text import native

if TYPE_CHECKING:
    from jinja2 import Environment

NATIVE = "passthru.set"
SCRIPT = "apply.sh"
#: More ports than this are cut by cutting everything of their protocol.
_MOST_PORTS = 64
_NUMBERS = {"tcp": TCP, "udp": UDP}

FACTS = """\
vbash -s << 'EOF' | sed -n 's/^Version:[^0-9]*\\([0-9][0-9.]*\\).*/release=\\1/p'
source /opt/vyatta/etc/functions/script-template
run show version
EOF
case $(cat /proc/sys/net/netfilter/nf_conntrack_helper 2> /dev/null) in
1) echo auto_helper=true ;;
0) echo auto_helper=false ;;
esac
"""
READ = """\
vbash -s << 'EOF'
source /opt/vyatta/etc/functions/script-template
run show configuration commands
EOF
"""
_SAYS = {
    StepName.CHECK: "see that our rule numbers are free and the rulesets are there",
    StepName.APPLY: "save the config aside, commit our commands at once, save, cut blocked tunnels",
    StepName.VERIFY: "see that the config holds each of our commands",
    StepName.ROLLBACK: "load the config that was saved aside",
}


def bundle(settings: VyattaSettings, dialect: Dialect) -> Bundle:
    """Print the bundle."""
    files = (
        File(SCRIPT, script(settings).encode(), 0o755),
        File(NATIVE, native(settings, dialect).encode()),
    )
    return Bundle(files, NATIVE)


def script(settings: VyattaSettings) -> str:
    """Print apply.sh."""
    return (
        _environment()
        .get_template("apply.sh.j2")
        .render(
            native=NATIVE,
            begin=block.BEGIN,
            own=OWN,
            mark=MARK,
            cuts=sorted(set(_cuts(settings))),
            needs_rulesets=sorted(_foreign_rulesets(settings)),
        )
    )


def _foreign_rulesets(settings: VyattaSettings) -> set[str]:
    return {
        path[2]
        for path in settings.paths
        if path[:2] in (("firewall", "name"), ("firewall", "ipv6-name"))
        and not path[2].startswith(OWN)
    }


def _cuts(settings: VyattaSettings) -> Iterator[tuple[str, int, int, int]]:
    """Give family, protocol, first and last port (0: no ports) of all that rules drop."""
    rules: dict[Path, dict[Path, str]] = {}
    for path in settings.paths:
        if "rule" in path[:-2]:
            end = path.index("rule") + 2
            rules.setdefault(path[:end], {})[path[end:-1]] = path[-1]
    for rule, leaves in rules.items():
        if leaves.get(("action",)) not in ("drop", "reject"):
            continue
        family = Family.IPV6 if "ipv6" in rule[1] else Family.IPV4
        name = leaves.get(("protocol",), "")
        number = int(name) if name.isdecimal() else _NUMBERS.get(name, 0)
        for ports in leaves.get(("destination", "port"), "0").split(","):
            first, _, last = ports.partition("-")
            few = int(last or first) - int(first) < _MOST_PORTS
            yield str(family), number, int(first) if few else 0, int(last or first) if few else 0


def procedure() -> Procedure:
    """Give the steps; they run in vbash, which the routers have for scripts."""
    steps = (Step(name, says, f"vbash ./{SCRIPT} {name}\n") for name, says in _SAYS.items())
    return Procedure(
        "ssh",
        (
            Step(
                StepName.FACTS, "print the release, and whether the kernel assigns helpers", FACTS
            ),
            Step(StepName.READ, "print the config as commands", READ),
            *steps,
        ),
    )


@cache
def _environment() -> Environment:
    return environment("compiler.vyatta")
