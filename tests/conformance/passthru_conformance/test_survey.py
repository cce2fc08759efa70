"""What holds for targets that also read foreign configs (the optional member ``survey``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from compiler.build.registry import installed
from compiler.errors import NativeError, TargetError
from compiler.model.effect import Verdict
from compiler.model.finding import Code, Severity
from compiler.model.judge import probes
from compiler.model.survey import Surveys

from . import strategies
from .profile import law
from .situations import situation
from .test_laws import ZONES

if TYPE_CHECKING:
    from .cases import Case

#: Texts that no router prints as its config.
_NONSENSE = (
    "", "\n", "\x00", "{", "[]", "<!DOCTYPE html><html><body>Login</body></html>",
    "Permission denied.\n", "\udcff\udcfe", "x" * 2000,
)  # fmt: skip


def surveys_of(case: Case) -> Surveys:
    target: Any = installed().get(case.target)
    assert isinstance(target, Surveys)
    return target


@pytest.mark.parametrize("text", _NONSENSE, ids=range(len(_NONSENSE)))
def test_a_text_that_is_no_config_is_refused(surveyed: Case, text: str) -> None:
    target = surveys_of(surveyed)
    with pytest.raises(NativeError) as caught:
        target.survey(text, None)
    assert {found.code for found in caught.value.findings} == {Code.T407}


@law()
@given(data=st.data())
def test_what_our_rules_block_no_survey_calls_open(plain: Case, data: st.DataObject) -> None:
    """1. compile a situation, 2. survey the native text, 3. compare with the target's effects.

    What ours passes, the rest of a config may still stop, and the text is only our part of it.
    """
    reader = surveys_of(plain)
    target: Any = installed().get(plain.target)
    own = data.draw(strategies.protocols())
    policy = data.draw(strategies.policies(ZONES, own))
    found = situation(plain, {"zones": ZONES, "protocols": own, "policy": policy})
    if found is None:
        reject()
    try:
        settings = target.settings(found.intent, found.device)
    except TargetError:
        reject()
    native = target.render(settings, found.device).native_text
    try:
        survey = reader.survey(native, found.device)
    except NativeError:
        return  # our own part of a config is not always a whole one
    assert all(finding.severity is not Severity.ERROR for finding in survey.findings)
    asked = probes(found.intent, found.device)[:12]
    said = target.effects(settings, found.device, asked)
    given_ = survey.effects(asked)
    assert [effect.probe for effect in given_] == list(asked)
    for one, other in zip(said, given_, strict=True):
        assert other.because
        assert not (one.verdict.blocks and other.verdict is Verdict.PASS), (one, other)
