"""The table that the linux target compiles: its own effects and the evaluator must agree.

1. compile a random situation, 2. let nft list it as JSON in a namespace, 3. walk the probes of the
judge, 4. compare with the target's effects.
"""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from compiler.evaluate import Packet, Ruleset, Verdict, load_nft
from compiler.model.device import Address
from compiler.model.effect import Direction, Effect, HelperState, Probe
from compiler.model.judge import probes
from compiler.prove.lab.network import Lab
from targets.linux import TARGET
from targets.linux.effects import sample_payload
from tests.conformance.passthru_conformance import strategies
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import Situation, situation
from tests.evaluate.court import router_addresses
from tests.targets.linux.support import ZONES

pytestmark = pytest.mark.kernel
_CASES = [Case("gateway", "linux"), Case("strict", "linux", options={"forward": "drop"})]
#: Addresses that no policy of the strategies and no zone names.
_UNNAMED = {
    "ipv4": ("100.64.77.1", "100.64.77.2"),
    "ipv6": ("2001:db8:7777::1", "2001:db8:7777::2"),
}


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    own = draw(strategies.protocols())
    policy = draw(strategies.policies(ZONES, own))
    data = {"zones": ZONES, "protocols": own, "policy": policy}
    found = situation(draw(st.sampled_from(_CASES)), data)
    return found if found is not None and found.intent.decisions else reject()


@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_the_evaluator_agrees_with_the_effects(lab: Lab, data: st.DataObject) -> None:
    found = data.draw(situations())
    lab.clear()
    table = TARGET.settings(found.intent, found.device)
    lab.load(TARGET.render(table, found.device).native_text)
    ruleset = load_nft(lab.router.run("nft", "-j", "list", "ruleset"))
    lab.clear()
    asked = [p for p in probes(found.intent, found.device) if _is_plain(p)][:80]
    asked += data.draw(st.lists(strategies.packets(found).filter(_is_plain), max_size=10))
    router = router_addresses(lab)
    for effect in TARGET.effects(table, found.device, asked):
        _compare(ruleset, effect, router)


def _is_plain(probe: Probe) -> bool:
    """Leave out what another packet must announce, or what comes in through NAT."""
    return probe.direction is Direction.OUT and not probe.flow.carried


def _compare(ruleset: Ruleset, effect: Effect, router: frozenset[Address]) -> None:
    probe = effect.probe
    unnamed = _UNNAMED[probe.family]
    opening = Packet(
        probe.source_address or ip_address(unnamed[0]),
        probe.destination_address or ip_address(unnamed[1]),
        probe.flow.layer4,
        str(ZONES[probe.source]["devices"][0]),
        str(ZONES[probe.destination]["devices"][0]),
        40000 if probe.port else 0,
        probe.port,
        sample_payload(probe.flow.signature),
        router=router,
    )
    outcome = ruleset.forward(opening)
    if probe.flow.helper and outcome.verdict is Verdict.PASS:
        assert (effect.helper is HelperState.ASSIGNED) == bool(outcome.helper), (effect, outcome)
    if outcome.verdict is Verdict.PASS:
        outcome = ruleset.forward(_reply(opening))
    if outcome.verdict is Verdict.UNKNOWN:
        # The table remembers in a set which ends spoke a blocked IKE version; packets fill it.
        assert "the elements of @held_" in outcome.reason, (effect, outcome.reason)
        assert effect.verdict in outcome.possible
        return
    assert (effect.verdict is Verdict.PASS) == (outcome.verdict is Verdict.PASS), (effect, outcome)


def _reply(opening: Packet) -> Packet:
    """Give the answer, its addresses already translated back."""
    return Packet(
        opening.destination,
        opening.source,
        opening.layer4,
        opening.oif,
        opening.iif,
        opening.destination_port,
        opening.source_port,
        opening.payload,
        state="established",
        reply=True,
        router=opening.router,
    )
