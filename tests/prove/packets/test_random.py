"""Random routers and random policies: what compiles without a deviation is proven."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from compiler.model.judge import compare, probes
from compiler.model.target import Target
from compiler.prove.lab import missing
from targets.linux import TARGET
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import Situation, situation
from tests.conformance.passthru_conformance.strategies import policies, protocols
from tests.prove.support import OFFICE, SMALL, proof, told

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
CASES = [
    Case("gateway", "linux"),
    Case("strict", "linux", options={"forward": "drop"}),
    Case("overlay", "linux", options={"mode": "overlay"}),
]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    zones = draw(st.sampled_from([OFFICE, SMALL]))
    own: dict[str, Any] = draw(protocols())
    data = {"zones": zones, "protocols": own, "policy": draw(policies(zones, own))}
    found = situation(draw(st.sampled_from(CASES)), data)
    return found if found is not None and found.intent.decisions else reject()


def honest(target: Target[Any], found: Situation) -> bool:
    """Tell whether compiling has nothing to say about deviations."""
    table = target.settings(found.intent, found.device)
    asked = probes(found.intent, found.device)
    return not compare(found.intent, target.effects(table, found.device, asked))


@given(found=situations())
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_what_compiles_is_proven(found: Situation) -> None:
    result = proof(found)
    if honest(TARGET, found):
        assert not result.differences, told(result.differences)
    else:
        assert all(check.as_predicted for check in result.checks), told(result.differences)
