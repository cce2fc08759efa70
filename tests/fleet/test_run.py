"""Runs over fake routers: waves, limits, canaries, interruptions, and others that fail."""

from __future__ import annotations

import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from compiler.device.job import Job, Listener, Observed, Options, Progress, Result, State
from compiler.errors import ExitCode, JournalError
from compiler.fleet.crew import Crew
from compiler.fleet.events import Begins, Event, Stops, Summary, WaveBegins
from compiler.fleet.history import History
from compiler.fleet.journal import Journal, Outcome
from compiler.fleet.run import Fleet, Rules
from compiler.fleet.waves import MaxFail, read_max_fail, read_serial
from compiler.fleet.work import Driver, Told
from compiler.model.finding import Code
from compiler.model.step import StepName
from tests.fleet.fakes import (
    DRIVER,
    OPTIONS,
    FakeJobs,
    Watch,
    counted,
    names,
    no_relay,
    observe,
    observed,
    push,
    threads,
)

CANARY = Rules(read_serial("1,2,100%"))


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    opened = Journal(tmp_path / "state")
    yield opened
    opened.close()


def test_everybody_is_pushed_to_and_the_journal_knows(tmp_path: Path, journal: Journal) -> None:
    watch = Watch()
    summary = Fleet(FakeJobs(tmp_path, names(7)), DRIVER, threads(), watch, CANARY, journal).run(
        OPTIONS
    )
    assert counted(summary) == {"changed": 7}
    assert summary.exit_code is ExitCode.OK
    waves = [event.hosts for event in watch.events if isinstance(event, WaveBegins)]
    assert [list(wave) for wave in waves] == [["r00000"], ["r00001", "r00002"], names(7)[3:]]
    run = History(journal.store).run("run-1")
    assert (run.outcome, run.counts) == (Outcome.DONE, {State.CHANGED: 7})
    record = list(History(journal.store).records("run-1"))[3]
    assert (record.host, record.step, record.seconds) == ("r00003", "confirm", 0.5)
    assert History(journal.store).text(record.before) == "old"
    assert History(journal.store).text(record.after) == "new"
    assert record.changes == ({"item": "settings", "before": "old", "after": "new"},)


def test_a_wave_begins_only_when_the_one_before_has_ended(tmp_path: Path) -> None:
    """Steps and results come in the order of the waves, whatever threads do."""
    watch = Watch()
    Fleet(
        FakeJobs(tmp_path, names(30)), DRIVER, threads(), watch, Rules(read_serial("3,7,100%"))
    ).run(OPTIONS)
    done: set[str] = set()
    for event in watch.events:
        if isinstance(event, WaveBegins):
            assert done == set(names(30)[: names(30).index(event.hosts[0])])
        elif isinstance(event, Result):
            done.add(event.host)


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("fail", ExitCode.SOME_FAILED),
        ("refuse", ExitCode.SOME_FAILED),
        ("unclear", ExitCode.SOME_FAILED),
        ("bug", ExitCode.SOME_FAILED),
        ("no-job", ExitCode.SOME_FAILED),
        ("secret", ExitCode.SOME_FAILED),
        ("unreachable", ExitCode.SOME_UNREACHABLE),
        ("roll-back", ExitCode.ROLLED_BACK),
    ],
)
def test_a_failure_in_the_last_wave_lets_the_others_be_done(
    tmp_path: Path, journal: Journal, does: str, code: ExitCode
) -> None:
    jobs = FakeJobs(tmp_path, names(20), {"r00004": does})
    summary = Fleet(jobs, DRIVER, threads(3), Watch(), None, journal).run(OPTIONS)
    assert summary.counts[State.CHANGED] == 19
    assert summary.exit_code is code
    assert summary.stopped is None
    assert History(journal.store).run("run-1").outcome is Outcome.FAILED


def test_exit_codes_when_several_things_go_wrong() -> None:
    def code(*states: State) -> int:
        summary = Summary("x")
        for state in states:
            summary.add(Result("r", state))
        return summary.exit_code

    assert code(State.CHANGED, State.UNCHANGED, State.WOULD_CHANGE) == 0
    assert code(State.UNREACHABLE, State.ROLLED_BACK) == 6
    assert code(State.UNREACHABLE, State.FAILED, State.ROLLED_BACK) == 4


def test_what_a_bug_leaves_depends_on_how_far_it_came(tmp_path: Path) -> None:
    watch = Watch()
    jobs = FakeJobs(tmp_path, ["early", "late"], {"early": "secret", "late": "bug"})
    Fleet(jobs, DRIVER, threads(), watch).run(OPTIONS)
    assert watch.results == {"early": State.REFUSED, "late": State.UNCLEAR}
    late = next(e for e in watch.events if isinstance(e, Result) and e.host == "late")
    assert late.step is StepName.APPLY
    assert late.findings[0].code is Code.X901
    assert "password" not in str(late.findings)


def test_a_failure_in_the_canary_wave_stops_the_run(tmp_path: Path, journal: Journal) -> None:
    watch = Watch()
    jobs = FakeJobs(tmp_path, names(9), {"r00001": "fail"})
    summary = Fleet(jobs, DRIVER, threads(), watch, CANARY, journal).run(OPTIONS)
    assert counted(summary) == {"changed": 2, "failed": 1, "skipped": 6}
    assert summary.exit_code is ExitCode.SOME_FAILED
    assert not (tmp_path / "r00003").exists()
    run = History(journal.store).run("run-1")
    assert run.outcome is Outcome.STOPPED
    assert run.counts == {State.CHANGED: 2, State.FAILED: 1, State.SKIPPED: 6}


def test_a_limit_lets_a_wave_with_few_failures_pass(tmp_path: Path) -> None:
    rules = Rules(read_serial("10,100%"), MaxFail(read_max_fail("10%")))
    jobs = FakeJobs(tmp_path, names(20), {"r00001": "unreachable"})
    summary = Fleet(jobs, DRIVER, threads(), Watch(), rules).run(OPTIONS)
    assert counted(summary) == {"changed": 19, "unreachable": 1}


def test_a_limit_stops_in_mid_wave(tmp_path: Path, journal: Journal) -> None:
    rules = Rules(max_fail=MaxFail(read_max_fail("2")))
    jobs = FakeJobs(tmp_path, names(200), dict.fromkeys(names(200), "fail"))
    summary = Fleet(jobs, DRIVER, threads(1), Watch(), rules, journal).run(OPTIONS)
    assert counted(summary) == {"failed": 3, "skipped": 197}
    assert summary.stopped
    assert summary.stopped.code is Code.S828


def after_first_wave(act: Callable[[], None]) -> Driver:
    """Do something when the first wave is done: before the canaries are looked at."""

    def look(job: Job, options: Options) -> Observed:
        act()
        return observe(job, options)

    return Driver(push, look)


def test_a_canary_that_somebody_changed_stops_the_run(tmp_path: Path) -> None:
    def by_hand() -> None:
        (tmp_path / "r00000").write_text("by hand")

    driver = after_first_wave(by_hand)
    watch = Watch()
    summary = Fleet(FakeJobs(tmp_path, names(9)), driver, threads(), watch, CANARY).run(OPTIONS)
    assert counted(summary) == {"changed": 1, "skipped": 8}
    assert summary.stopped
    assert summary.stopped.code is Code.S827
    assert summary.exit_code is ExitCode.SOME_FAILED


def test_a_canary_that_is_silent_stops_the_run(tmp_path: Path) -> None:
    driver = after_first_wave(lambda: (tmp_path / "r00000").unlink(missing_ok=True))
    summary = Fleet(FakeJobs(tmp_path, names(9)), driver, threads(), Watch(), CANARY).run(OPTIONS)
    assert summary.stopped
    assert "does not answer" in summary.stopped.message
    assert counted(summary) == {"changed": 1, "skipped": 8}


def test_canaries_that_were_done_before_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "r00000").write_text("changed since")
    jobs = FakeJobs(tmp_path, names(9))
    summary = Fleet(jobs, DRIVER, threads(), Watch(), CANARY).run(
        OPTIONS, done={"r00000": "f" * 64}
    )
    assert summary.stopped
    assert summary.stopped.code is Code.S827
    assert counted(summary) == {"skipped": 8}


def test_canaries_respect_the_number_of_forks(tmp_path: Path) -> None:
    at_once = Counted()
    driver = Driver(push, at_once.wrap(observe))
    Fleet(
        FakeJobs(tmp_path, names(12)), driver, threads(2), Watch(), Rules(read_serial("6,100%"))
    ).run(OPTIONS)
    assert at_once.calls == 6
    assert at_once.most <= 2


class Counted:
    """Counts how many calls run at once."""

    def __init__(self) -> None:
        self.now = self.most = self.calls = 0
        self.lock = threading.Lock()

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted_call(*arguments: Any) -> Any:
            with self.lock:
                self.now += 1
                self.calls += 1
                self.most = max(self.most, self.now)
            try:
                return call(*arguments)
            finally:
                with self.lock:
                    self.now -= 1

        return counted_call


@pytest.mark.parametrize("batch", [1, 4])
def test_forks_bound_the_routers_at_work(tmp_path: Path, batch: int) -> None:
    at_once = Counted()
    driver = Driver(at_once.wrap(push), observe)
    summary = Fleet(FakeJobs(tmp_path, names(100)), driver, threads(8, batch), Watch()).run(OPTIONS)
    assert counted(summary) == {"changed": 100}
    assert at_once.most <= 8


def on_apply(act: Callable[[], None]) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if isinstance(event, Told) and event.step is StepName.APPLY:
            act()

    return hear


def test_the_first_ctrl_c_begins_nothing_new_and_lets_the_running_end(
    tmp_path: Path, journal: Journal
) -> None:
    def hear(event: Event) -> None:
        if isinstance(event, Told) and event.step is StepName.APPLY and event.host == "r00000":
            os.kill(os.getpid(), signal.SIGINT)
        if isinstance(event, Stops):
            (tmp_path / "go").touch()

    hosts = names(50)
    jobs = FakeJobs(tmp_path, hosts, dict.fromkeys(hosts, "wait"))
    watch = Watch(on=hear)
    summary = Fleet(jobs, DRIVER, threads(4), watch, None, journal).run(OPTIONS)
    assert counted(summary) == {"changed": 4, "skipped": 46}
    assert summary.exit_code is ExitCode.INTERRUPTED
    assert History(journal.store).run("run-1").outcome is Outcome.INTERRUPTED
    assert [event.running for event in watch.events if isinstance(event, Stops)] == [4]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_does_not_wake_the_main_thread_is_heard_too(tmp_path: Path) -> None:
    """The kernel may give it to another thread, or just before the main thread falls asleep."""

    told, stopped = threading.Event(), threading.Event()

    def signalling(job: Job, options: Options, listen: Listener) -> Result:
        listen(Progress(job.host, StepName.FACTS))
        told.wait()
        time.sleep(0.2)  # the main thread falls asleep; if it does not, the test is only weaker
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        stopped.wait()
        return Result(job.host, State.CHANGED)

    def hear(event: Event) -> None:
        if isinstance(event, Told):
            told.set()
        if isinstance(event, Stops):
            stopped.set()

    jobs = FakeJobs(tmp_path, names(3))
    fleet = Fleet(jobs, Driver(signalling, observe), threads(1), Watch(on=hear))
    assert counted(fleet.run(OPTIONS)) == {"changed": 1, "skipped": 2}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_that_end_programs_are_like_ctrl_c(tmp_path: Path, number: int) -> None:
    sent: list[int] = []

    def act() -> None:
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)

    watch = Watch(on=on_apply(act))
    summary = Fleet(FakeJobs(tmp_path, names(50)), DRIVER, threads(2), watch).run(OPTIONS)
    assert summary.exit_code is ExitCode.INTERRUPTED
    assert set(counted(summary)) <= {"changed", "skipped"}
    assert summary.counts[State.SKIPPED] > 0


def test_the_second_ctrl_c_says_what_is_unclear(tmp_path: Path, journal: Journal) -> None:
    def hear(event: Event) -> None:
        if isinstance(event, Told) and event.step is StepName.APPLY and event.host == "r00001":
            os.kill(os.getpid(), signal.SIGINT)
        if isinstance(event, Stops):
            os.kill(os.getpid(), signal.SIGINT)

    hosts = names(5)
    jobs = FakeJobs(tmp_path, hosts, {"r00001": "wait"})
    watch = Watch(on=hear)
    summary = Fleet(jobs, DRIVER, threads(1), watch, None, journal).run(OPTIONS)
    (tmp_path / "go").touch()
    assert watch.results == {
        "r00000": State.CHANGED,
        "r00001": State.UNCLEAR,
        **dict.fromkeys(hosts[2:], State.SKIPPED),
    }
    assert summary.exit_code is ExitCode.INTERRUPTED
    assert History(journal.store).run("run-1").counts == {
        State.CHANGED: 1, State.UNCLEAR: 1, State.SKIPPED: 3,
    }  # fmt: skip


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        watch = Watch(on=on_apply(lambda: os.kill(os.getpid(), signal.SIGHUP)))
        summary = Fleet(FakeJobs(tmp_path, names(5)), DRIVER, threads(2), watch).run(OPTIONS)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert counted(summary) == {"changed": 5}


def test_a_job_that_does_not_answer_is_not_waited_for(tmp_path: Path, journal: Journal) -> None:
    options = Options("run-1", "tester", deadline=0.05, confirm_timeout=0)
    jobs = FakeJobs(tmp_path, ["stuck"], {"stuck": "wait"})
    watch = Watch()
    summary = Fleet(jobs, DRIVER, threads(), watch, Rules(grace=0.05), journal).run(options)
    (tmp_path / "go").touch()
    assert counted(summary) == {"unclear": 1}
    result = next(event for event in watch.events if isinstance(event, Result))
    assert result.findings[0].code is Code.S829


def test_a_closed_pipe_is_like_ctrl_c(tmp_path: Path, journal: Journal) -> None:
    """Whoever reads the stream is gone: what runs ends and is recorded, nothing new begins."""

    def close(event: Event) -> None:
        if isinstance(event, Result):
            raise BrokenPipeError

    jobs = FakeJobs(tmp_path, names(50))
    summary = Fleet(jobs, DRIVER, threads(3), Watch(on=close), None, journal).run(OPTIONS)
    assert summary.exit_code is ExitCode.INTERRUPTED
    counts = History(journal.store).run("run-1").counts
    assert counts[State.CHANGED] == summary.counts[State.CHANGED] >= 1
    assert counts[State.SKIPPED] >= 40


def test_a_journal_that_fails_stops_the_run_and_loses_no_result(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = []

    def full(run: str, result: Result) -> None:
        recorded.append(result.host)
        raise JournalError.of(Code.S823, "the disk is full")

    monkeypatch.setattr(journal, "record", full)
    watch = Watch()
    summary = Fleet(FakeJobs(tmp_path, names(50)), DRIVER, threads(3), watch, None, journal).run(
        OPTIONS
    )
    assert summary.stopped
    assert summary.stopped.code is Code.S823
    assert summary.exit_code is ExitCode.SOME_FAILED
    changed = [host for host, state in watch.results.items() if state is State.CHANGED]
    assert sorted(changed) == sorted(recorded)
    assert len(changed) == 3
    assert set(watch.results) == set(names(50))


class Broken(Executor):
    """Takes a few tasks, then nothing, as a cluster does whose scheduler went away."""

    def __init__(self, takes: int, inner: Executor) -> None:
        self.takes = takes
        self.inner = inner

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.takes:
            raise RuntimeError("cannot schedule new futures after shutdown")
        self.takes -= 1
        return self.inner.submit(fn, *args, **kwargs)


def test_an_executor_that_takes_nothing_more_stops_the_run(
    tmp_path: Path, journal: Journal
) -> None:
    inner = threads(2)
    crew = Crew(Broken(4, inner.executor), 2, 1, inner.close, inner.connect)
    watch = Watch()
    summary = Fleet(FakeJobs(tmp_path, names(9)), DRIVER, crew, watch, None, journal).run(OPTIONS)
    assert counted(summary) == {"changed": 4, "skipped": 5}
    assert summary.exit_code is ExitCode.SOME_FAILED
    assert History(journal.store).run("run-1").counts == {State.CHANGED: 4, State.SKIPPED: 5}


class Lossy(Executor):
    """Loses every task."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002
        future: Future[Any] = Future()
        future.set_exception(ConnectionError("the worker died"))
        return future


def test_tasks_that_are_lost_are_unclear(tmp_path: Path, journal: Journal) -> None:
    crew = Crew(Lossy(), 4, 2, lambda: None, no_relay)
    summary = Fleet(FakeJobs(tmp_path, names(5)), DRIVER, crew, Watch(), None, journal).run(OPTIONS)
    assert counted(summary) == {"unclear": 5}


def test_a_check_writes_nothing_and_needs_no_journal(tmp_path: Path) -> None:
    options = Options("run-1", "tester", check=True)
    watch = Watch()
    summary = Fleet(FakeJobs(tmp_path, names(5)), DRIVER, threads(), watch).run(options)
    assert counted(summary) == {"would-change": 5}
    assert summary.exit_code is ExitCode.OK
    assert not (tmp_path / "r00000").exists()


def test_those_who_are_done_are_left_alone(tmp_path: Path, journal: Journal) -> None:
    done = dict.fromkeys(names(6), "")
    watch = Watch()
    jobs = FakeJobs(tmp_path, names(9))
    summary = Fleet(jobs, DRIVER, threads(), watch, CANARY, journal).run(OPTIONS, done=done)
    assert counted(summary) == {"changed": 3}
    assert summary.done_before == 6
    begins = next(event for event in watch.events if isinstance(event, Begins))
    assert [len(wave) for wave in begins.waves] == [0, 0, 3]


def test_nobody_at_all_is_no_error(tmp_path: Path, journal: Journal) -> None:
    summary = Fleet(FakeJobs(tmp_path, []), DRIVER, threads(), Watch(), CANARY, journal).run(
        OPTIONS
    )
    assert summary.exit_code is ExitCode.OK


def test_a_pause_ends_with_ctrl_c(tmp_path: Path) -> None:
    """A rest of a day between waves, and somebody who does not want to wait."""
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))

    def hear(event: Event) -> None:
        if isinstance(event, Result) and event.state is State.CHANGED:
            timer.start()

    rules = Rules(read_serial("1,100%"), pause=86_400.0)
    watch = Watch(on=hear)
    summary = Fleet(FakeJobs(tmp_path, names(3)), DRIVER, threads(), watch, rules).run(OPTIONS)
    assert counted(summary) == {"changed": 1, "skipped": 2}
    assert summary.exit_code is ExitCode.INTERRUPTED


def quick(job: Job, options: Options, listen: Listener) -> Result:
    return Result(job.host, State.UNREACHABLE if job.host.endswith("77") else State.UNCHANGED)


def test_ten_thousand_routers_leave_nothing_but_names(tmp_path: Path, journal: Journal) -> None:
    """At no time are there more futures, jobs or results than routers at work."""
    alive = Counted()
    inner = threads(50)
    crew = Crew(inner.executor, 50, 1, inner.close, inner.connect)
    seen = 0

    def hear(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, Result)

    jobs = FakeJobs(tmp_path, names(10_000))
    fleet = Fleet(jobs, Driver(alive.wrap(quick), observe), crew, hear, None, journal)
    summary = fleet.run(OPTIONS)
    assert seen == 10_000
    assert alive.most <= 50
    assert counted(summary) == {"unchanged": 9900, "unreachable": 100}
    assert summary.exit_code is ExitCode.SOME_UNREACHABLE
    assert History(journal.store).run("run-1").counts == {
        State.UNCHANGED: 9900, State.UNREACHABLE: 100,
    }  # fmt: skip


def heavy(job: Job, options: Options, listen: Listener) -> Result:
    text = observed(f"{job.host}{'x' * 100_000}")
    return Result(job.host, State.UNCHANGED, before=text, after=text)


def test_results_are_not_kept(tmp_path: Path) -> None:
    """200 MB of answers go through; what is there at once is that of the routers at work."""
    tracemalloc.start()
    try:
        fleet = Fleet(FakeJobs(tmp_path, names(2000)), Driver(heavy, observe), threads(20), ignore)
        fleet.run(OPTIONS)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20_000_000


def ignore(event: Event) -> None:
    """Watch nothing."""
