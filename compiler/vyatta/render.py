"""Print the bundle: our commands, and the script that commits them on the router."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from compiler.model.protocol import TCP, UDP, Family
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, File, Guard, Procedure
from compiler.rules import block
from compiler.source.boothook import hook, unhook
from compiler.source.printing import environment
from compiler.vyatta.dialect import EDGEOS, HELPER, MARK, OWN, Dialect
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
#: Only the parts that can hold something of ours are read: the rest holds keys and passwords.
READ = """\
config=$(vbash -s << 'EOF'
source /opt/vyatta/etc/functions/script-template
run show configuration commands
EOF
) && [ -n "$config" ] || exit 1
echo '# passthru: the parts of the config that can hold something of ours'
printf '%s\\n' "$config" | tr -d '\\r' |
	grep -e '^set firewall ' -e '^set nat ' -e '^set service nat ' \\
		-e '^set system conntrack ' -e '^set interfaces .* firewall '
"""
_SAYS = {
    StepName.CHECK: "see that our rule numbers are free and the rulesets are there",
    StepName.ARM: "save the config aside",
    StepName.APPLY: "commit our commands at once, cut blocked tunnels; unless pushed, save",
    StepName.VERIFY: "see that the config holds each of our commands",
    StepName.CONFIRM: "save the config",
    StepName.ROLLBACK: "load the config that was saved aside",
}
#: The boot config is the old one until a push is confirmed; the hook is for the case that somebody
#: else saved meanwhile. EdgeOS runs every file of the folder; VyOS has one script.
_DURABLE = "/config/passthru"
_EDGEOS_HOOK = "/config/scripts/post-config.d/passthru-deadman"
_VYOS_HOOK = "/config/scripts/vyos-postconfig-bootup.script"


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
            cuts=cuts(settings),
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


def cuts(settings: VyattaSettings) -> list[tuple[str, int, int, int]]:
    """Give family, protocol, first and last port (0: no ports) of all that rules drop."""
    return sorted(set(_cuts(settings)))


def _cuts(settings: VyattaSettings) -> Iterator[tuple[str, int, int, int]]:
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


def procedure(dialect: Dialect) -> Procedure:
    """Give the steps; they run in vbash, which the routers have for scripts."""
    steps = [Step(name, says, _running(name)) for name, says in _SAYS.items()]
    script = _EDGEOS_HOOK if dialect.name == EDGEOS.name else _VYOS_HOOK
    return Procedure(
        "ssh",
        (
            Step(
                StepName.FACTS, "print the release, and whether the kernel assigns helpers", FACTS
            ),
            Step(StepName.READ, "print the config as commands", READ + _switch(dialect)),
            *steps,
        ),
        Guard("/tmp/passthru", _DURABLE, hook(script, _DURABLE), unhook(script)),  # noqa: S108
    )


def _switch(dialect: Dialect) -> str:
    """Say how the helper's switch stands where the config, which is whole, does not name it."""
    path = " ".join((*HELPER, "disable") if dialect.helper_off else HELPER)
    return f"printf '%s\\n' \"$config\" | grep -q '^set {path}' || echo 'delete {path}'\n"


def _running(step: StepName) -> str:
    """A push saves only what is confirmed."""
    if step is StepName.APPLY:
        return f'[ -n "${{PASSTHRU_KEEP-}}" ] && how=try || how=apply\nvbash ./{SCRIPT} "$how"\n'
    keep = f'[ -z "${{PASSTHRU_KEEP-}}" ] || cp ./{SCRIPT} "$PASSTHRU_KEEP/" || exit 1\n'
    return f"{keep if step is StepName.ARM else ''}vbash ./{SCRIPT} {step}\n"


@cache
def _environment() -> Environment:
    return environment("compiler.vyatta")
