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
