"""The tier in the virtual machine, once: all protocols, two clients each, four rulesets.

1. everything passes: every tunnel comes up;
2. everything is blocked, landing on running tunnels: each dies, and none comes up again;
3. only L2TP is blocked: all others come up again, so it was the rules that held them, and L2TP
   inside of IPsec is among them;
4. PPTP passes, but its NAT helper has been taken out of the rules: control connects, data is lost.

One test, because a module's fixture is made anew in each process that runs some of its tests.
"""

from __future__ import annotations

import pytest

from compiler.prove import vpn
from compiler.prove.vpn import PROTOCOLS, Outcome, Phase, Where
from tests.prove.vpn.support import BLOCK, PASS, Key, by_key, device, differences, ruleset, without

_CLIENTS = (1, 2)
_DEAD_WITHIN = 5


def test_every_tunnel_in_the_machine() -> None:
    lacks = vpn.missing()
    if lacks:
        pytest.skip("; ".join(lacks))
    assigned = ruleset("no helper", PASS, ("pptp",))
    rulesets = (
        ruleset("pass", PASS),
        ruleset("block", BLOCK),
        ruleset("no l2tp", {**PASS, "l2tp": "block"}),
        without(assigned, lambda line: "ct helper set" in line),
    )
    found = by_key(vpn.run(rulesets, device()))
    assert not differences(found, _expected())
    for client in _CLIENTS:
        helperless = found["no helper", "pptp", client, Phase.NEW]
        assert helperless.says == "control connects, data is lost"
        for protocol in ("ikev1-esp", "ikev2-esp"):
            _, esp = found["pass", protocol, client, Phase.NEW].flows
            assert esp.sent, "ESP was not raw"
            assert esp.back, "ESP was not raw"
    cut = [one for one in found.values() if one.outcome is Outcome.CUT]
    assert max(one.seconds for one in cut) < _DEAD_WITHIN


def _expected() -> dict[Key, Outcome]:
    expected: dict[Key, Outcome] = {}
    for client in _CLIENTS:
        for protocol in PROTOCOLS[Where.MACHINE]:
            again = Outcome.BLOCKED if protocol == "l2tp" else Outcome.PASSED
            expected["pass", protocol, client, Phase.NEW] = Outcome.PASSED
            expected["block", protocol, client, Phase.RUNNING] = Outcome.CUT
            expected["block", protocol, client, Phase.NEW] = Outcome.BLOCKED
            expected["no l2tp", protocol, client, Phase.NEW] = again
        # Its data are announced by the first connection; that one goes on without the helper.
        expected["no helper", "pptp", client, Phase.RUNNING] = Outcome.PASSED
        expected["no helper", "pptp", client, Phase.NEW] = Outcome.PARTLY
    return expected
