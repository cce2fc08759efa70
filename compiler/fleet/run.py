"""A run: waves of jobs through an executor, into the journal, until the end or a reason to stop.

Nothing is kept of a router but its name: jobs are made when they begin, results go to the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from compiler.device.job import Job, Options, Result, State
from compiler.errors import JournalError, PassthruError
from compiler.fleet.crew import Crew
from compiler.fleet.events import Begins, Event, Stops, Summary, Watcher, WaveBegins
from compiler.fleet.heap import settled
from compiler.fleet.history import DONE
from compiler.fleet.interrupts import interrupts
from compiler.fleet.journal import Entry, Journal, Kind
from compiler.fleet.tasks import News, Signal, Tasks
from compiler.fleet.waves import EVERYBODY, MaxFail, Share, split
from compiler.fleet.work import Driver, Health, Told
from compiler.model.finding import Code, Finding

#: How many routers of the first wave are looked at again before each later wave.
CANARIES = 10
#: How long to wait for a job beyond all of its own time limits.
GRACE = 60.0


class Jobs(Protocol):
    """The routers of a run."""

    @property
    def policy_sha256(self) -> str:
        """The policy that all of them are pushed for."""
        ...

    @property
    def entries(self) -> Sequence[Entry]:
        """All routers in their order."""
        ...

    def job(self, host: str) -> Job:
        """Make one router's job.

        Raises:
            PassthruError: there can be none; the router counts as refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Who when, and when to stop. ``pause`` (between waves) and ``grace`` are in seconds."""

    shares: Sequence[Share] = EVERYBODY
    max_fail: MaxFail = field(default_factory=MaxFail)
    pause: float = 0.0
    grace: float = GRACE


class Fleet:
    """Runs jobs. One object, one run."""

    def __init__(
        self,
        jobs: Jobs,
        driver: Driver,
        crew: Crew,
        watcher: Watcher,
        rules: Rules | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Without a journal nothing is kept: for ``--check`` and plans, which change nothing."""
        self._jobs = jobs
        self._driver = driver
        self._crew = crew
        self._watcher: Watcher | None = watcher
        self._rules = rules or Rules()
        self._journal = journal
        self._canaries: dict[str, str] = {}
        self._may_be_canaries: frozenset[str] = frozenset()
        self._leaving = False

    def run(
        self, options: Options, kind: Kind = Kind.PUSH, done: Mapping[str, str] | None = None
    ) -> Summary:
        """Push to everybody but ``done``: routers that need nothing, with the hash of their state.

        Raises:
            JournalError: S823, nothing was begun.
        """
        done = done or {}
        entries = self._jobs.entries
        waves = split([entry.host for entry in entries], self._rules.shares)
        self._may_be_canaries = frozenset(waves[0][:CANARIES]) if waves else frozenset()
        self._canaries = {host: done[host] for host in self._may_be_canaries if done.get(host)}
        waves = [[host for host in wave if host not in done] for wave in waves]
        self._summary = Summary(options.run, done_before=len(done))
        mark = self._journal.store.mark(options.run) if self._journal else None
        try:
            if self._journal:
                left = [entry for entry in entries if entry.host not in done]
                policy = self._jobs.policy_sha256
                self._journal.begin(options.run, kind, options.operator, policy, left)
            self._tasks = Tasks(self._crew, self._driver, options, self._rules.grace)
            with interrupts(self._tasks.interrupt), settled():
                self._waves(waves)
            outcome = self._summary.outcome
            self._keep(lambda journal: journal.end(options.run, outcome))
        finally:
            if mark:
                mark.release()
        self._tell(self._summary)
        return self._summary

    # Waves

    def _waves(self, waves: Sequence[Sequence[str]]) -> None:
        summary = self._summary
        self._tell(Begins(summary.run, waves, summary.done_before))
        failed = size = 0
        for number, hosts in enumerate(waves, 1):
            if not hosts:
                continue
            if number > 1 and not self._stopped:
                self._between(number, failed, size)
            failed, size = self._wave(number, hosts), len(hosts)

    @property
    def _stopped(self) -> bool:
        return self._summary.stopped is not None

    def _between(self, number: int, failed: int, size: int) -> None:
        """Decide whether the next wave may begin."""
        if self._rules.max_fail.stops_after(failed, size):
            self._stop(_too_many(failed, size, f"wave {number} is not begun"))
            return
        self._rest(self._rules.pause if size else 0.0)
        if self._stopped:
            return
        try:
            sick = self._sick_canaries()
        except PassthruError as error:
            self._stop(error.findings[0])
            return
        if sick:
            self._stop(_canary(sick, number))

    def _wave(self, number: int, hosts: Sequence[str]) -> int:
        """Run one wave; give the number of failures in it."""
        if self._stopped:
            self._skip(hosts)
            return 0
        self._tell(WaveBegins(number, hosts))
        before = self._summary.failures
        waiting = iter(hosts)
        while not self._leaving:
            self._fill(waiting)
            if not self._tasks.busy:
                break
            self._take(self._tasks.next())
            failed = self._summary.failures - before
            if self._rules.max_fail.stops_within(failed, len(hosts)):
                self._stop(_too_many(failed, len(hosts), f"wave {number} is cut short"))
        self._take(self._tasks.abandon())
        self._skip(waiting)
        return self._summary.failures - before

    def _fill(self, waiting: Iterator[str]) -> None:
        """Begin as many jobs as there is room for, unless the run has stopped."""
        while not self._stopped and (room := self._tasks.batch):
            hosts = list(islice(waiting, room))
            if not hosts:
                break
            self._begin(hosts)

    def _begin(self, hosts: Sequence[str]) -> None:
        if not self._keep(lambda journal: journal.begin_hosts(self._summary.run, hosts)):
            self._skip(hosts)
            return
        jobs = []
        for host in hosts:
            try:
                jobs.append(self._jobs.job(host))
            except PassthruError as error:
                self._result(Result(host, State.REFUSED, findings=error.findings))
        if not jobs:
            return
        try:
            self._tasks.push(tuple(jobs))
        except PassthruError as error:
            self._stop(error.findings[0])
            self._take(Result(job.host, State.SKIPPED) for job in jobs)

    def _skip(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            result = Result(host, State.SKIPPED)
            self._summary.add(result)
            self._tell(result)

    # Canaries

    def _sick_canaries(self) -> Sequence[tuple[str, str]]:
        """Look at the canaries again; give those that are not as they were left, and why."""
        sick = []
        waiting = list(self._canaries)
        while (waiting or self._tasks.busy) and not self._leaving:
            while waiting and self._tasks.batch:
                self._tasks.look(self._jobs.job(waiting.pop()))
            for news in self._tasks.next():
                if isinstance(news, Health):
                    problem = _problem(news, self._canaries[news.host])
                    sick += [(news.host, problem)] if problem else []
                else:
                    self._news(news)
        return sorted(sick)

    def _rest(self, seconds: float) -> None:
        """Wait between waves, but not through a Ctrl-C."""
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            self._take(self._tasks.next(left))

    # News

    def _take(self, news: Iterable[News]) -> None:
        for each in news:
            self._news(each)

    def _news(self, news: News) -> None:
        match news:
            case Result():
                self._result(news)
            case Told():
                if news.step:
                    self._tell(news)
            case Signal.INTERRUPT:
                self._interrupt()

    def _result(self, result: Result) -> None:
        self._summary.add(result)
        self._keep(lambda journal: journal.record(self._summary.run, result))
        if result.host in self._may_be_canaries and result.state in DONE:
            seen = result.after or result.before
            if seen:
                self._canaries[result.host] = seen.sha256
        self._tell(result)

    def _interrupt(self) -> None:
        """The first time begin nothing new; the second time wait for nobody."""
        if self._summary.interrupted:
            self._leaving = True
            return
        self._summary.interrupted = True
        self._stop(Finding(Code.S828, "interrupted", hint="again to wait for nobody"))

    def _stop(self, reason: Finding) -> None:
        if self._summary.stopped is None:
            self._summary.stopped = reason
            self._tell(Stops(reason, self._tasks.busy))

    # Others who may fail

    def _keep(self, write: Callable[[Journal], None]) -> bool:
        """Write to the journal. One that fails ends the run: changes must be accounted for."""
        if self._journal is None:
            return True
        try:
            write(self._journal)
        except JournalError as error:
            self._stop(error.findings[0])
            return False
        return True

    def _tell(self, event: Event) -> None:
        """Tell the watcher. One that cannot hear any more is like a Ctrl-C, and not told again."""
        if self._watcher is None:
            return
        try:
            self._watcher(event)
        except OSError:
            self._watcher = None
            if not self._summary.interrupted:
                self._interrupt()


def _problem(health: Health, left_as: str) -> str:
    """Say what is wrong with a canary, or nothing."""
    if health.findings:
        return health.findings[0].message
    return "" if health.sha256 == left_as else "its settings have changed since"


def _too_many(failed: int, size: int, so: str) -> Finding:
    routers = "router" if size == 1 else "routers"
    return Finding(
        Code.S828,
        f"{failed} of {size} {routers} failed: {so}",
        hint="passthru history tells why; --resume goes on; --max-fail allows more",
    )


def _canary(sick: Sequence[tuple[str, str]], number: int) -> Finding:
    host, why = sick[0]
    more = f" (and {len(sick) - 1} more)" if len(sick) > 1 else ""
    message = f"'{host}'{more} was done and is well no more ({why}): wave {number} is not begun"
    return Finding(Code.S827, message, host=host)
