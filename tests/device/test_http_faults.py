"""Lines that break at every request of a push: fully new or fully old, and it is said which."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.device.http import transaction as http_transaction
from compiler.device.job import Progress, Result, State
from compiler.device.push import push
from compiler.embedded import DropLine, EmbeddedFleet, EmbeddedRouter
from compiler.model.finding import Code, Severity
from compiler.model.step import StepName
from tests.device.http_support import Web, codes, embedded
from tests.device.support import OPTIONS

#: Requests of one look (log-in, read, log-out); the visit that writes has one more.
LOOK = {"sealed": 5, "cgi": 6, "omada": 5, "jnap": 1, "hnap": 3}
#: Those that end a session, which comes after the write.
ENDS = frozenset({"sealed", "cgi", "omada"})
#: Requests of the last look: whether somebody else is there is not asked any more.
VERIFY = {**LOOK, "cgi": 5}
QUICK = replace(OPTIONS, confirm_timeout=20, step_timeout=2.0)
#: How much of the write came through, and how the line ended.
FAULTS = (
    DropLine(0, "in"),
    DropLine(60, "in"),
    DropLine(1, "out"),
    DropLine(30, "out", how="close"),
    DropLine(1, "out", how="silence"),
)
NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_transaction, "_AT_WORK", 0.05)


@pytest.fixture(scope="module")
def bastion(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add_bastion()


@pytest.fixture
def sane(bastion: EmbeddedRouter) -> Iterator[None]:
    yield
    bastion.clear()


def made(fleet: EmbeddedFleet, kind: str, bastion: EmbeddedRouter, folder: Path) -> Web:
    return embedded(fleet, kind, bastion, folder, f"f{next(NUMBERS)}")


def judge(web: Web, result: Result, before: dict[str, object]) -> None:
    """Hold what the result says against what the router has."""
    now = web.settings
    if result.state is State.CHANGED:
        assert now != before
        assert all(found.severity is Severity.WARNING for found in result.findings)
    else:
        assert result.state in (State.FAILED, State.ROLLED_BACK, State.UNREACHABLE, State.REFUSED)
        assert now == before
        assert any(found.severity is Severity.ERROR for found in result.findings)
    if result.state not in (State.UNREACHABLE, State.REFUSED):
        assert result.after is not None
    web.site.expire()
    again = web.push(options=QUICK)
    assert again.state is (State.UNCHANGED if now != before else State.CHANGED)


@pytest.mark.parametrize("kind", LOOK)
@pytest.mark.parametrize("direction", ["in", "out"])
def test_every_request_once(
    fleet: EmbeddedFleet, bastion: EmbeddedRouter, tmp_path: Path, kind: str, direction: str
) -> None:
    """``out``: the request is done, and its answer does not come through."""
    web = made(fleet, kind, bastion, tmp_path)
    before = web.settings
    fault = DropLine(0, "in") if direction == "in" else DropLine(1, "out")
    states = {}
    for number in range(1, LOOK[kind] + LOOK[kind] + 1 + VERIFY[kind] + 1):
        web.site.put(**before)
        first = web.site.state()["connections"]
        web.site.fault(replace(fault, connection=first + number))
        result = web.push(options=QUICK)
        states[number] = result.state
        judge(web, result, before)
    write = LOOK[kind] + LOOK[kind] + (0 if kind in ENDS else 1)
    if kind == "cgi" and direction == "in":
        # our own session that could not be ended counts as somebody's
        assert states.pop(LOOK[kind]) is State.REFUSED
    # a log-out that breaks off hinders nothing else
    early = {state for number, state in states.items() if number < write}
    assert early <= {State.UNREACHABLE, State.CHANGED}
    # with TLS, no request goes out before an answer came
    arrives = direction == "out" and kind != "omada"
    assert states[write] is (State.CHANGED if arrives else State.FAILED)
    assert {state for number, state in states.items() if number > write} == {State.CHANGED}


@pytest.mark.parametrize("kind", sorted(LOOK.keys() - {"omada"}))
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_write_breaks_off(
    fleet: EmbeddedFleet, bastion: EmbeddedRouter, tmp_path: Path, kind: str, fault: DropLine
) -> None:
    web = made(fleet, kind, bastion, tmp_path)
    before = web.settings

    def break_off(progress: Progress) -> None:
        if progress.step is StepName.APPLY:
            web.site.fault(fault)  # the next connection

    result = web.push(options=QUICK, listen=break_off)
    judge(web, result, before)
    assert result.state is (State.FAILED if fault.direction == "in" else State.CHANGED)
    assert set(codes(result)) <= {Code.S801, Code.S806, Code.S807}
    assert codes(result)


@pytest.mark.parametrize("kind", sorted(LOOK.keys() - {"sealed"}))
@pytest.mark.parametrize("step", [StepName.STAGE, StepName.APPLY, StepName.VERIFY])
@pytest.mark.usefixtures("sane")
def test_the_bastion_reboots(
    fleet: EmbeddedFleet, tmp_path: Path, kind: str, step: StepName
) -> None:
    """Every line drops, and new ones come about after a while."""
    bastion = fleet.add_bastion(f"rebooting-{next(NUMBERS)}")
    web = made(fleet, kind, bastion, tmp_path)
    before = web.settings

    def reboot(progress: Progress) -> None:
        if progress.step is step and not rebooted:
            rebooted.append(True)
            bastion.reboot(0.5, wait=False)

    rebooted: list[bool] = []
    job = web.job()
    result = push(job, QUICK, reboot)
    now = web.settings
    assert (now != before) is (result.state is State.CHANGED)
    assert result.state in (State.CHANGED, State.FAILED, State.UNREACHABLE)
    bastion.run("true")
    assert bastion.run("ls /tmp | grep passthru-").stdout == ""
