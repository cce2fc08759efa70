"""What holds for every target, every router and every policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, reject
from hypothesis import strategies as st

from compiler.build.registry import MEMBERS, installed
from compiler.errors import NativeError, TargetError
from compiler.model.effect import Verdict
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Intent
from compiler.model.judge import compare, probes, wants
from compiler.model.step import StepName
from compiler.model.target import Target
from compiler.toggles.family import ToggleSettings

from . import digest, strategies, tools
from .cases import Case
from .profile import law
from .situations import HOST, Situation, device_of

if TYPE_CHECKING:
    import pytest

ZONES = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "2001:db8:1::/64"]},
    "wan": {"devices": ["eth0"]},
}
#: Situations that are compiled in other processes.
_DIGESTED = 6
_REFUSALS = {Code.T404, Code.T405, Code.T406, Code.T408}


def target_of(case: Case) -> Target[Any]:
    return installed().get(case.target)


def solved(found: Situation) -> Any:
    """Solve; a target may refuse, if it says what and where."""
    try:
        return target_of(found.case).settings(found.intent, found.device)
    except TargetError as error:
        refused(error.findings)
        reject()


def refused(findings: Sequence[Finding]) -> None:
    """Hold a refusal against what a user needs of one: a fitting code and a place."""
    for finding in findings:
        assert finding.code in _REFUSALS, finding
        assert finding.place is not None, finding


def switches(settings: Any) -> dict[str, Any] | None:
    """Give managed switches by key; nothing for settings that own a whole place of their own."""
    toggles = getattr(settings, "toggles", settings)
    return toggles.as_dict() if isinstance(toggles, ToggleSettings) else None


def test_a_target_has_what_the_contract_asks_for(case: Case) -> None:
    target = target_of(case)
    assert target.name == case.target
    assert target.summary
    assert "\n" not in target.summary
    assert all(hasattr(target, member) for member in MEMBERS)
    assert all(name and text for name, text in target.options().items())
    errors = [f for f in target.check(device_of(case, ZONES)) if f.severity is Severity.ERROR]
    assert not errors, "the case is not a router that the target accepts; give it facts"


def test_typical_routers_are_sound_and_can_be_told_apart(case: Case) -> None:
    target = target_of(case)
    examples = target.examples()
    assert examples
    assert len({each.name for each in examples}) == len(examples)
    kinds = [(dict(each.facts), dict(each.options)) for each in examples]
    assert all(kinds.count(kind) == 1 for kind in kinds), "two examples are the same router"
    known = target.options()
    for each in examples:
        assert each.target == case.target
        assert not [f for f in target.check(each) if f.severity is Severity.ERROR], each.name
        named = {*each.options, *(f"facts.{fact}" for fact in each.facts)}
        assert named <= {*known, "observed"}, "an example says what the target does not read"


@law()
@given(data=st.data())
def test_what_is_printed_reads_back_as_the_same_settings(case: Case, data: st.DataObject) -> None:
    found = data.draw(strategies.situations(case))
    target, settings = target_of(case), solved(found)
    text = target.render(settings, found.device).native_text
    assert target.parse(text, found.device) == settings


@law()
@given(data=st.data())
def test_settings_are_values_and_know_no_router_by_name(case: Case, data: st.DataObject) -> None:
    """A fleet is mostly copies of a few routers; equal ones are compiled once."""
    found = data.draw(strategies.situations(case))
    target, one = target_of(case), solved(found)
    device = replace(found.device, name="other")
    other = target.settings(replace(found.intent, device="other"), device)
    assert one == other
    assert hash(one) == hash(other)
    assert target.render(one, found.device) == target.render(other, device)


def test_another_process_prints_the_same_bytes(request: pytest.FixtureRequest) -> None:
    cases = _chosen_cases(request)
    drawn: list[Any] = []

    @law()
    @given(strategies.data())
    def draw(data: Any) -> None:
        drawn.append(data)

    draw()
    packed = [digest.packed(case) for case in cases]
    work = json.dumps({"cases": packed, "data": drawn[-_DIGESTED:]})
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here.parent), *sys.path])

    def printed(seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", f"{here.name}.digest"],
            input=work,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        ).stdout

    with ThreadPoolExecutor() as pool:
        one, other = pool.map(printed, ("1", "2"))
    assert one == other
    assert len(one.splitlines()) >= len(cases)


def _chosen_cases(request: pytest.FixtureRequest) -> tuple[Case, ...]:
    from .conftest import chosen  # noqa: PLC0415 - pytest imports conftest first

    return chosen(request.config)


@law()
@given(data=st.data())
def test_no_packet_gets_what_the_policy_does_not_want_without_being_told(
    case: Case, data: st.DataObject
) -> None:
    """Ask other packets than the judge's own; what differs must be among the deviations."""
    found = data.draw(strategies.situations(case))
    if not found.intent.decisions:
        return
    target, settings = target_of(case), solved(found)
    asked = probes(found.intent, found.device)
    effects = target.effects(settings, found.device, asked)
    assert tuple(effect.probe for effect in effects) == asked
    assert all(effect.because for effect in effects)
    deviations = compare(found.intent, effects)
    told = {
        (deviation.protocol, effect.probe.flow.id, wants(found.intent, effect.probe)[0])
        for deviation in deviations
        for effect in deviation.effects
    }
    packets = data.draw(st.lists(strategies.packets(found), min_size=1, max_size=12))
    for effect in target.effects(settings, found.device, packets):
        wanted, decision = wants(found.intent, effect.probe)
        met = wanted is Action.KEEP or (
            effect.verdict.blocks if wanted is Action.BLOCK else effect.verdict is Verdict.PASS
        )
        protocol = decision.protocol if decision else ""
        assert met or (protocol, effect.probe.flow.id, wanted) in told, effect


@law()
@given(data=st.data())
def test_an_intent_without_decisions_leaves_no_trace(case: Case, data: st.DataObject) -> None:
    device = device_of(case, data.draw(strategies.zones()))
    target = target_of(case)
    empty = target.settings(Intent(HOST), device)
    assert target.parse(target.render(empty, device).native_text, device) == empty
    for text in case.foreign:
        assert target.merge(empty, text, device) == text


@law()
@given(data=st.data())
def test_putting_settings_in_twice_changes_nothing(case: Case, data: st.DataObject) -> None:
    found = data.draw(strategies.situations(case))
    target, settings = target_of(case), solved(found)
    own = target.render(settings, found.device).native_text
    assert target.merge(settings, own, found.device) == own
    for text in case.foreign:
        merged = target.merge(settings, text, found.device)
        assert target.merge(settings, merged, found.device) == merged


@law()
@given(data=st.data())
def test_a_merged_text_reads_back_as_the_settings_laid_over_it(
    case: Case, data: st.DataObject
) -> None:
    found = data.draw(strategies.situations(case))
    target, settings = target_of(case), solved(found)
    managed = switches(settings)
    for text in case.foreign:
        after = target.parse(target.merge(settings, text, found.device), found.device)
        if managed is None:
            assert after == settings
        else:
            before = switches(target.parse(text, found.device)) or {}
            assert switches(after) == {**before, **managed}


@law()
@given(data=st.data())
def test_taking_settings_out_again_gives_every_byte_back(case: Case, data: st.DataObject) -> None:
    found = data.draw(strategies.situations(case))
    target, settings = target_of(case), solved(found)
    for text in case.foreign:
        former = target.parse(text, found.device)
        merged = target.merge(settings, text, found.device)
        assert target.merge(former, merged, found.device) == text


@law()
@given(data=st.data())
def test_a_new_policy_leaves_nothing_of_the_old_one(case: Case, data: st.DataObject) -> None:
    old = data.draw(strategies.situations(case))
    new = data.draw(strategies.situations(case, old.zones))
    target = target_of(case)
    own = target.render(solved(old), old.device).native_text
    settings = solved(new)
    bundle = target.render(settings, new.device)
    assert target.merge(settings, own, new.device) == bundle.native_text


def test_an_empty_text_is_refused_or_means_nothing(case: Case) -> None:
    target, device = target_of(case), device_of(case, ZONES)
    try:
        found = target.parse("", device)
    except NativeError as error:
        codes = {finding.code for finding in error.findings}
    else:
        codes = {Code.T407}
        assert found == target.settings(Intent(HOST), device)
    assert codes == {Code.T407}


def some(case: Case) -> list[Situation]:
    """Draw situations to be judged all at once, where a tool is slow to start."""
    found: list[Situation] = []

    @law()
    @given(strategies.situations(case))
    def draw(one: Situation) -> None:
        solved(one)
        found.append(one)

    draw()
    return found


@tools.needs_shell
def test_a_bundle_is_tidy_and_its_scripts_are_scripts(case: Case) -> None:
    target = target_of(case)
    bundles = [target.render(solved(found), found.device) for found in some(case)]
    for bundle in bundles:
        paths = [file.path for file in bundle.files]
        assert paths == sorted(set(paths))
        assert bundle.native in paths
        for file in bundle.files:
            assert all(part.strip(".") for part in file.path.split("/")), file.path
            assert file.mode in (0o644, 0o755, 0o600, 0o700)
            assert bool(file.mode & 0o100) == tools.is_script(file), file.path
            assert not file.content or file.content.endswith(b"\n"), file.path
    tools.check_files(bundles)


@tools.needs_shell
def test_a_procedure_is_in_order_and_a_router_can_run_it(case: Case) -> None:
    scripts: list[str] = []
    for found in some(case):
        target, settings = target_of(case), solved(found)
        paths = {file.path for file in target.render(settings, found.device).files}
        procedure = target.procedure(settings, found.device)
        names = [step.name for step in procedure.steps]
        assert names == sorted(set(names), key=list(StepName).index)
        assert procedure.transport in ("ssh", "http", "file")
        assert all(step.says for step in procedure.steps)
        assert all(bool(step.script) != bool(step.request) for step in procedure.steps)
        assert all(step.request in paths for step in procedure.steps if step.request)
        scripts += [step.script for step in procedure.steps if step.script]
    tools.check_shell(scripts)


def test_a_kernel_loads_what_is_printed_and_lists_the_same_settings(case: Case) -> None:
    if not case.nft_table:
        return  # a family without nft; its own tools are in its own tests
    tools.require_kernel()
    found = some(case)
    target = target_of(case)
    settings = [solved(one) for one in found]
    texts = [
        target.render(one, it.device).native_text for one, it in zip(settings, found, strict=True)
    ]
    listed = tools.loaded(texts, case.nft_table)
    for text, one, it in zip(listed, settings, found, strict=True):
        assert target.parse(text, it.device) == one
