"""The tasks of a run, as the queue of news tells of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler.device.job import Result, State
from compiler.fleet.crew import Crew
from compiler.fleet.tasks import Tasks
from compiler.fleet.work import Hear, Told
from compiler.model.step import StepName
from tests.fleet.fakes import DRIVER, OPTIONS, FakeJobs


class _Never(Executor):
    """Takes everything and does nothing."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        del fn, args, kwargs
        return Future()


def test_a_router_that_is_overdue_is_noticed_while_others_keep_telling(tmp_path: Path) -> None:
    hears: list[Hear] = []
    crew = Crew(_Never(), 2, 1, lambda: None, lambda _, hear: hears.append(hear))
    options = replace(OPTIONS, deadline=0.0, confirm_timeout=0)
    tasks = Tasks(crew, DRIVER, options, grace=0.0)
    tasks.push((FakeJobs(tmp_path, ["silent"]).job("silent"),))
    news = []
    for _ in range(20):
        hears[0](Told("another", None, "attempt"))
        news += list(tasks.next())
    results = [found for found in news if isinstance(found, Result)]
    assert [(found.host, found.state) for found in results] == [("silent", State.UNCLEAR)]
    assert tasks.busy == 0


def test_what_a_router_told_comes_before_how_it_ended(tmp_path: Path) -> None:
    """Steps wake nobody up; they are heard at the latest with the result."""
    hears: list[Hear] = []
    given: list[Future[Any]] = []

    class Later(_Never):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            given.append(super().submit(fn, *args, **kwargs))
            return given[-1]

    tasks = Tasks(
        Crew(Later(), 2, 1, lambda: None, lambda _, hear: hears.append(hear)), DRIVER, OPTIONS, 60.0
    )
    tasks.push((FakeJobs(tmp_path, ["r1"]).job("r1"),))
    told = [Told("r1", step, "attempt") for step in (None, StepName.FACTS, StepName.APPLY)]
    for each in told:
        hears[0](each)
    given[0].set_result((Result("r1", State.CHANGED),))
    assert list(tasks.next()) == [*told, Result("r1", State.CHANGED)]


def test_steps_are_told_while_nothing_else_happens(tmp_path: Path) -> None:
    hears: list[Hear] = []
    crew = Crew(_Never(), 2, 1, lambda: None, lambda _, hear: hears.append(hear))
    tasks = Tasks(crew, DRIVER, OPTIONS, grace=60.0)
    tasks.push((FakeJobs(tmp_path, ["r1"]).job("r1"),))
    told = Told("r1", StepName.FACTS, "attempt")
    hears[0](told)
    assert list(tasks.next()) == [told]
