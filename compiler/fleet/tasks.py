"""The tasks that an executor is working on, and everything that is heard of them, in its order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any

from compiler.device.job import Job, Options, Result, State
from compiler.errors import UsageError
from compiler.fleet.crew import Crew
from compiler.fleet.work import Batch, Driver, Health, Look, Teller, Told, look, push_batch
from compiler.model.finding import Code, Finding, Severity

#: How long to sleep at most, in seconds. A signal that comes just before the sleep does not end it,
#: and Python calls its handler only afterwards. Steps end no sleep: of a fleet's routers some begin
#: one at any time, and each waking takes the one interpreter from all who push.
_HEARTBEAT = 0.1
#: How often to look for tasks of which nothing is heard any more, in seconds.
_ROUND = 0.5


class Signal(Enum):
    """What comes from outside."""

    INTERRUPT = "interrupt"


#: What :meth:`Tasks.next` gives.
News = Told | Result | Health | Signal


@dataclass(slots=True)
class _Task:
    """What was given to the executor, and when it was last heard of."""

    hosts: tuple[str, ...]
    is_look: bool = False
    heard: float = field(default_factory=time.monotonic)
    attempts: dict[str, set[str]] = field(default_factory=dict)


class Tasks:
    """Gives work to the executor and waits for news. Used by one thread; heard by all."""

    def __init__(self, crew: Crew, driver: Driver, options: Options, grace: float) -> None:
        """``grace`` is how long to wait for a job beyond all of its own time limits."""
        self._crew = crew
        self._driver = driver
        self._options = options
        self._limit = options.deadline + options.confirm_timeout + grace
        self._news: SimpleQueue[Future[Any] | Signal] = SimpleQueue()
        self._told: deque[Told] = deque()
        self._open: dict[Future[Any], _Task] = {}
        self._task_of: dict[str, _Task] = {}
        self._look_at = 0.0
        relay = crew.connect(options.run, self._told.append)
        self._teller = Teller(self._told.append, relay, options.run)

    @property
    def busy(self) -> int:
        """The number of routers at work."""
        return len(self._task_of)

    @property
    def batch(self) -> int:
        """How many jobs to give at once; zero when there is no room now."""
        room = self._crew.window - self.busy
        return min(self._crew.batch, room)

    def interrupt(self) -> None:
        """Put an interruption among the news. Signal handlers may call this."""
        self._news.put(Signal.INTERRUPT)

    def push(self, jobs: tuple[Job, ...]) -> None:
        """Begin to push.

        Raises:
            UsageError: S822, the executor takes nothing any more.
        """
        batch = Batch(jobs, self._options, self._driver, self._teller)
        self._submit(_Task(tuple(job.host for job in jobs)), push_batch, batch)

    def look(self, job: Job) -> None:
        """Begin to look at a router again.

        Raises:
            UsageError: S822, as above.
        """
        look_at = Look(job, self._options, self._driver)
        self._submit(_Task((job.host,), is_look=True), look, look_at)

    def _submit(self, task: _Task, call: Any, argument: Any) -> None:
        try:
            future = self._crew.executor.submit(call, argument)
        except Exception as error:  # noqa: BLE001 - whatever a library says when its cluster is gone
            raise UsageError.of(
                Code.S822, f"the executor takes nothing any more ({type(error).__name__})"
            ) from None
        self._open[future] = task
        self._task_of.update(dict.fromkeys(task.hosts, task))
        future.add_done_callback(self._news.put)

    def next(self, wait: float | None = None) -> Iterator[News]:
        """Wait a little for something to happen (at most ``wait`` seconds) and say what it was."""
        if time.monotonic() >= self._look_at:
            yield from self._overdue()
        try:
            news = self._news.get(timeout=min(_HEARTBEAT, wait or _HEARTBEAT))
        except Empty:
            news = None
        while self._told:  # whatever a task told, it told before it ended
            told = self._told.popleft()
            self._heard(told)
            yield told
        if isinstance(news, Future):
            yield from self._ended(news)
        elif news is not None:
            yield news

    def abandon(self) -> Iterator[Result]:
        """Wait for nobody any more."""
        for future in list(self._open):
            for news in self._lost(future, "nobody waited for it to end"):
                if isinstance(news, Result):
                    yield news

    def _overdue(self) -> Iterator[News]:
        now = time.monotonic()
        self._look_at, oldest = now + _ROUND, now - self._limit
        for future, task in list(self._open.items()):
            if task.heard <= oldest:
                yield from self._lost(future, f"no answer for {self._limit:.0f} seconds")

    def _heard(self, told: Told) -> None:
        task = self._task_of.get(told.host)
        if task:
            task.heard = time.monotonic()
            task.attempts.setdefault(told.host, set()).add(told.attempt)

    def _close(self, future: Future[Any]) -> _Task | None:
        task = self._open.pop(future, None)
        for host in task.hosts if task else ():
            del self._task_of[host]
        return task

    def _ended(self, future: Future[Any]) -> Iterator[News]:
        if future not in self._open:
            return  # abandoned before
        try:
            answer = future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - the executor's; tasks raise none
            yield from self._lost(future, f"its worker was lost ({type(error).__name__})")
            return
        task = self._close(future)
        if isinstance(answer, Health):
            yield answer
        elif task:
            for result in answer:
                yield _marked(result, len(task.attempts.get(result.host, ())))

    def _lost(self, future: Future[Any], why: str) -> Iterator[Result | Health]:
        task = self._close(future)
        for host in task.hosts if task else ():
            found = (_unclear(host, why),)
            if task and task.is_look:
                yield Health(host, "", found)
            else:
                yield Result(host, State.UNCLEAR, findings=found)


def _unclear(host: str, why: str) -> Finding:
    hint = "passthru push --check looks at it; armed, it reverts by itself"
    return Finding(Code.S829, f"what holds on the router is unclear: {why}", hint=hint, host=host)


def _marked(result: Result, attempts: int) -> Result:
    """Say it when a router was pushed to twice: the first time may be what changed it."""
    if attempts < 2:
        return result
    message = "a worker was lost while it pushed to this router, and another one did it again"
    hint = "what this run says of before and after is of the last attempt only"
    found = Finding(Code.S830, message, Severity.WARNING, hint=hint, host=result.host)
    return replace(result, findings=(*result.findings, found))
