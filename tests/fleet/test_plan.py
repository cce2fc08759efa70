"""Plan files: bound to policy, bundles and states; meddled with, cut, old, of somebody else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.device.job import Change, Result, State
from compiler.errors import PlanError
from compiler.fleet.journal import Entry
from compiler.fleet.plan import PlanBuilder, bind, read_plan
from tests.fleet.fakes import FakeJobs, observed

SHA = "b" * 64
POLICY = "a" * 64
CHANGES = (Change("pptp", "1", None),)


def plan_text() -> str:
    entries = {host: Entry(host, "fake", SHA) for host in ("r1", "r2", "r3")}
    builder = PlanBuilder(POLICY, "me@here", entries)
    builder.add(Result("r1", State.WOULD_CHANGE, changes=CHANGES, before=observed("one")))
    builder.add(Result("r2", State.WOULD_CHANGE, changes=CHANGES, before=observed("two")))
    builder.add(Result("r3", State.UNREACHABLE))
    return builder.text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(plan_text())
    return path


def site(policy: str = POLICY, **bundles: str) -> FakeJobs:
    return FakeJobs(Path(), list(bundles), policy_sha256=policy, bundles=bundles)


def test_a_plan_comes_back_and_says_equal_differences_once(file: Path) -> None:
    plan = read_plan(file)
    assert plan.hosts["r1"]["state_sha256"] == observed("one").sha256
    assert plan.missing == {"r3": "unreachable"}
    assert len(json.loads(file.read_text())["diffs"]) == 1


def test_a_plan_fits_the_site_it_was_made_for(file: Path) -> None:
    jobs, warnings = bind(read_plan(file), site(r1=SHA, r2=SHA, r3=SHA), limited=False)
    assert [entry.host for entry in jobs.entries] == ["r1", "r2"]
    assert ["unreachable" in warning.message for warning in warnings] == [True]


def test_a_router_that_is_new_since_is_left_out_and_said(file: Path) -> None:
    jobs, warnings = bind(read_plan(file), site(r1=SHA, r2=SHA, r9=SHA), limited=False)
    assert [entry.host for entry in jobs.entries] == ["r1", "r2"]
    assert [warning.host for warning in warnings] == ["r9"]


def test_another_policy_or_other_variables_are_refused(file: Path) -> None:
    plan = read_plan(file)
    with pytest.raises(PlanError, match="another policy"):
        bind(plan, site("c" * 64, r1=SHA, r2=SHA), limited=False)
    with pytest.raises(PlanError, match="compiled otherwise"):
        bind(plan, site(r1=SHA, r2="c" * 64), limited=False)
    with pytest.raises(PlanError, match="no longer in the site"):
        bind(plan, site(r1=SHA), limited=False)


def test_with_a_limit_only_those_within_are_pushed_to(file: Path) -> None:
    jobs, warnings = bind(read_plan(file), site(r1=SHA), limited=True)
    assert [entry.host for entry in jobs.entries] == ["r1"]
    assert warnings == []


def test_jobs_of_a_plan_expect_the_state_it_saw(file: Path) -> None:
    jobs, _ = bind(read_plan(file), site(r1=SHA, r2=SHA), limited=False)

    assert jobs.job("r2").expects == observed("two").sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (plan_text()[:-30], "not JSON"),
        ("[]", "is not a plan"),
        ('{"schema": "passthru/manifest/v1"}', "is not a plan"),
        ('{"schema": 5}', "is not a plan"),
        (plan_text().replace("plan/v1", "plan/v2"), "another version"),
        (plan_text().replace('"r1"', '"r9"'), "was changed"),
        (plan_text().replace('"missing"', '"absent"'), "schema"),
        (plan_text().replace("unreachable", "changed"), "was changed"),
    ],
)
def test_a_file_that_is_no_whole_plan_is_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(PlanError, match=message):
        read_plan(file)


def test_a_plan_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(PlanError, match="cannot be read"):
            read_plan(path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="not JSON"):
        read_plan(tmp_path / "bytes")


@given(st.data())
def test_any_single_change_is_noticed(data: st.DataObject) -> None:
    """Whatever value somebody changes, removes or adds: the plan is refused, never misread."""
    plan = json.loads(plan_text())
    path: Any = plan
    while True:
        key = data.draw(
            st.sampled_from(sorted(path) if isinstance(path, dict) else range(len(path)))
        )
        inner = path[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        path = inner
    value: Any = data.draw(st.sampled_from(["", "f" * 64, None, 5, [], {"a": 1}]))
    if value == path[key]:
        return
    path[key] = value
    with tempfile.NamedTemporaryFile("w", suffix=".json") as stream:
        json.dump(plan, stream)
        stream.flush()
        with pytest.raises(PlanError):
            read_plan(Path(stream.name))
