"""Effects against the kernel: what this target says of a packet is what the packet experiences."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from compiler.model.effect import Verdict
from compiler.model.intent import Intent
from compiler.model.judge import compare, probes
from compiler.prove.lab.network import Lab
from targets.linux import TARGET
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import Situation, situation
from tests.conformance.passthru_conformance.strategies import packets, policies, protocols
from tests.targets.linux.experience import pass_through, rounds, survive, trips
from tests.targets.linux.support import ZONES, load

pytestmark = pytest.mark.kernel
_MOST = 60
CASES = [Case("gateway", "linux"), Case("strict", "linux", options={"forward": "drop"})]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    own: dict[str, Any] = draw(protocols())
    policy = draw(policies(ZONES, own))
    found = situation(
        draw(st.sampled_from(CASES)), {"zones": ZONES, "protocols": own, "policy": policy}
    )
    return found if found is not None and found.intent.decisions else reject()


@given(data=st.data())
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_kernel_agrees(built_lab: Lab, data: st.DataObject) -> None:
    """1. compile, 2. load, 3. send the judge's packets and others, 4. compare both answers."""
    lab, found = built_lab, data.draw(situations())
    lab.clear()
    table = TARGET.settings(found.intent, found.device)
    load(lab, table)
    asked = [*probes(found.intent, found.device)[:_MOST]]
    asked += data.draw(st.lists(packets(found), max_size=10))
    sent = list(trips(lab, dict.fromkeys(asked)))
    effects = TARGET.effects(table, found.device, [trip.probe for trip in sent])
    assert not compare(found.intent, [e for e in effects if not e.probe.flow.carried])
    real = pass_through(lab, sent)
    for effect in effects:
        assert real[effect.probe] == (effect.verdict is Verdict.PASS), effect


@given(data=st.data())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_kernel_cuts_what_effects_say_is_cut(built_lab: Lab, data: st.DataObject) -> None:
    """1. open connections, 2. load the table, 3. what it drops is dead both ways, others live."""
    lab, found = built_lab, data.draw(situations())
    asked = [p for p in probes(found.intent, found.device) if p.direction == "out"][:_MOST]
    sent = [trip for trip in trips(lab, asked) if not trip.probe.flow.carried]
    table = TARGET.settings(found.intent, found.device)
    nothing = TARGET.settings(Intent("router"), found.device)
    gateway = TARGET.render(nothing, found.device).native_text.replace(
        "policy drop", "policy accept"
    )
    for some in rounds(sent):
        lab.clear()
        lab.load(gateway)
        lived = survive(lab, some, lambda: load(lab, table))
        effects = TARGET.effects(table, found.device, [trip.probe for trip in some])
        for effect in effects:
            if effect.verdict is Verdict.PASS:
                assert lived[effect.probe] == (True, True), effect
            elif effect.cuts_running:
                assert lived[effect.probe] == (False, False), effect
