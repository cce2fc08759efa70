"""The tier without the virtual machine: OpenVPN and wireguard-go in namespaces of this kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.prove import vpn
from compiler.prove.vpn import PROTOCOLS, Outcome, Phase, VpnError, Where
from tests.prove.vpn.support import BLOCK, PASS, Key, by_key, device, differences, ruleset, without

_CLIENTS = (1, 2)
_ENDED_WITHIN = 60
_PLACES = [Path("/etc/passthru"), Path("/run/passthru"), Path("/etc/sysctl.d/90-passthru.conf")]
_BEFORE = [path.exists() for path in _PLACES]


@pytest.fixture(autouse=True)
def possible() -> None:
    lacks = vpn.missing(where=Where.NAMESPACES)
    if lacks:
        pytest.skip("; ".join(lacks))


def test_every_tunnel_in_namespaces() -> None:
    """They pass, die under a block, stay out, come back, and go on when rules of others land.

    Without masquerading the server has no way to the client: nothing comes back.
    """
    before = _children(os.getpid())
    masquerading = ruleset("no masquerade", PASS, ("wireguard-go",))
    rulesets = (
        ruleset("pass", PASS),
        ruleset("block", BLOCK),
        ruleset("again", PASS),
        ruleset("others", {**PASS, "pptp": "block", "ipsec": "block"}),
        without(masquerading, lambda line: line.endswith(" masquerade\n")),
    )
    found = by_key(vpn.run(rulesets, device(), where=Where.NAMESPACES))
    assert not differences(found, _expected())
    assert [path.exists() for path in _PLACES] == _BEFORE, "something is left on this machine"
    assert sorted(_children(os.getpid())) == sorted(before)


def _expected() -> dict[Key, Outcome]:
    expected: dict[Key, Outcome] = {}
    for client in _CLIENTS:
        for protocol in PROTOCOLS[Where.NAMESPACES]:
            expected["pass", protocol, client, Phase.NEW] = Outcome.PASSED
            expected["block", protocol, client, Phase.RUNNING] = Outcome.CUT
            expected["block", protocol, client, Phase.NEW] = Outcome.BLOCKED
            expected["again", protocol, client, Phase.NEW] = Outcome.PASSED
            expected["others", protocol, client, Phase.RUNNING] = Outcome.PASSED
            expected["others", protocol, client, Phase.NEW] = Outcome.PASSED
        # A connection that runs keeps the address that it was given.
        expected["no masquerade", "wireguard-go", client, Phase.RUNNING] = Outcome.PASSED
        expected["no masquerade", "wireguard-go", client, Phase.NEW] = Outcome.BLOCKED
    return expected


def test_rules_that_do_not_load_are_said_with_what_nft_says() -> None:
    bad = without(ruleset("torn", PASS), lambda line: line == "}\n")
    with pytest.raises(VpnError) as failed:
        vpn.run((bad,), device(), ("wireguard-go",), Where.NAMESPACES)
    (finding,) = failed.value.findings
    assert finding.code.name == "E852"
    assert "'torn'" in finding.message + finding.hint
    assert "nft refuses the rules" in finding.message + finding.hint


_KILLED = """
import sys
from compiler.prove import vpn
from tests.prove.vpn.support import PASS, device, ruleset
tell = lambda text: print(text, flush=True)
vpn.run((ruleset("pass", PASS),) * 9, device(), where=vpn.Where(sys.argv[1]), tell=tell)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("where", Where)
def test_a_run_that_is_killed_leaves_no_process(number: signal.Signals, where: Where) -> None:
    if vpn.missing(where=where):
        pytest.skip("; ".join(vpn.missing(where=where)))
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, where],
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        assert run.stdout is not None
        first = run.stdout.readline() if where is Where.NAMESPACES else _child_of(run.pid)
        assert first, "it has not started"
        below = _below(run.pid)
        assert below
        run.send_signal(number)
        run.wait(_ENDED_WITHIN)
    _wait_for(lambda: not any(_alive(process) for process in below))


def _child_of(process: int) -> bool:
    return _wait_for(lambda: any("qemu" in _name(child) for child in _children(process)))


def _wait_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + _ENDED_WITHIN
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
    return True


def _children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text("ascii").split()]
    return found


def _below(process: int) -> list[int]:
    found: list[int] = []
    for child in _children(process):
        found += [child, *_below(child)]
    return found


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text("ascii")
    except OSError:
        return ""


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
