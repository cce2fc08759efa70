"""The journal: killed at any point, written by several at once, old, new, broken, forbidden."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler.device.job import Change, Result, State
from compiler.errors import JournalError
from compiler.fleet import store as store_module
from compiler.fleet.history import History
from compiler.fleet.journal import Entry, Journal, Kind, Outcome, bundle_digest, new_run
from compiler.fleet.store import MIGRATIONS, NAME, Store, default_folder
from compiler.model.finding import Code, Finding
from compiler.model.target import Bundle, File
from tests.fleet.fakes import names, observed

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).with_name("journal_writer.py")
ENTRIES = [Entry(host, "fake", "b" * 64) for host in names(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def begun(folder: Path, run: str = "run-1") -> Journal:
    journal = Journal(folder)
    journal.begin(run, Kind.PUSH, "me@here", "p" * 64, ENTRIES)
    return journal


Writer = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def writer(folder: Path) -> Iterator[Writer]:
    """Start processes that write to the journal; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        started.append(_writer(folder, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _writer(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), *arguments],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_a_process_that_is_killed_at_any_point_leaves_a_journal_that_tells_the_truth(
    folder: Path, writer: Writer
) -> None:
    """Each writer says a router's name when its result is recorded; those are all there."""
    dice = random.Random(5)  # noqa: S311 - no secret
    for number in range(30):
        process = writer(f"run-{number}", "1000")
        assert process.stdout
        said = [process.stdout.readline().strip() for _ in range(dice.randint(1, 60))]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        said += [line for line in rest.split("\n")[:-1] if line]
        store = Store(folder)
        assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        history = History(store)
        run = history.run(f"run-{number}")
        assert run.outcome is Outcome.INTERRUPTED
        states = {record.host: record.state for record in history.records(run.id)}
        assert len(states) == 1000
        assert {states[host] for host in said if host != "begun"} <= {State.CHANGED}
        # At most one more result was recorded and not yet said, and one router begun.
        assert run.counts.get(State.CHANGED, 0) - (len(said) - 1) in (0, 1)
        assert run.counts.get(State.UNCLEAR, 0) in (0, 1)
        store.close()


def test_several_processes_write_at_once(folder: Path, writer: Writer) -> None:
    processes = [writer(f"run-{number}", "150") for number in range(4)]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0
        assert output.count("\n") == 151
    store = Store(folder)
    runs = list(History(store).runs())
    assert {run.id for run in runs} == {f"run-{number}" for number in range(4)}
    assert all(run.outcome is Outcome.DONE for run in runs)
    assert all(run.counts == {State.CHANGED: 150} for run in runs)
    assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


def test_who_makes_a_journal_is_alone_for_it(folder: Path, writer: Writer) -> None:
    """Of two that switch the mode of a new file at once, SQLite refuses one at once."""
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    process = writer("run-1", "1")
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=1)
    os.close(handle)
    process.communicate()
    assert process.returncode == 0


def test_a_run_is_running_for_as_long_as_its_process_lives(folder: Path, writer: Writer) -> None:
    process = writer("run-1", "3", "hold")
    assert process.stdout
    while process.stdout.readline().strip() != "holding":
        pass
    store = Store(folder)
    assert History(store).run("run-1").outcome is Outcome.RUNNING
    process.kill()
    process.communicate()
    assert History(store).run("run-1").outcome is Outcome.INTERRUPTED
    store.close()


def test_what_a_cut_run_never_began_was_skipped_and_what_it_began_is_unclear(folder: Path) -> None:
    journal = begun(folder)
    journal.begin_hosts("run-1", ["r00000", "r00001"])
    journal.record("run-1", Result("r00000", State.CHANGED))
    history = History(journal.store)
    states = [record.state for record in history.records("run-1")]
    assert states == [State.CHANGED, State.UNCLEAR, State.SKIPPED]
    newest = history.newest("r00002")
    assert newest is None
    journal.close()


def test_a_result_comes_back_as_it_was(folder: Path) -> None:
    journal = begun(folder)
    journal.begin_hosts("run-1", ["r00001"])
    finding = Finding(Code.S829, "text with \x1b[31m and \ud800", hint="so", host="r00001")
    odd = "caf\udce9 \x00 \r\n \u2028 ' \" ;\n"
    changes = (Change("a", None, odd), Change("b", "1", None))
    journal.record(
        "run-1",
        Result(
            "r00001", State.ROLLED_BACK, findings=(finding,), changes=changes,
            before=observed("plain"), after=None, seconds=1.23456,
        ),
    )  # fmt: skip
    journal.begin_hosts("run-1", ["r00002"])
    digest = "c" * 64
    seen = type(observed(""))({}, odd, digest)
    journal.record("run-1", Result("r00002", State.UNCHANGED, before=seen))
    history = History(journal.store)
    record = history.record("run-1", "r00001")
    assert record
    assert record.findings[0]["message"] == finding.message
    assert record.changes[0] == {"item": "a", "before": None, "after": odd}
    assert (record.seconds, record.after, record.state) == (1.235, "", State.ROLLED_BACK)
    second = history.record("run-1", "r00002")
    assert second
    assert history.text(second.before) == odd
    assert second.before_sha256 == digest
    journal.close()


def test_equal_texts_are_stored_once(folder: Path) -> None:
    journal = begun(folder)
    for host in names(3):
        journal.record("run-1", Result(host, State.CHANGED, before=observed("x" * 9999)))
    sizes = journal.store.connection.execute("SELECT length(text) FROM contents").fetchall()
    assert sorted(size for (size,) in sizes) == [2, 9999]  # "[]" and the text
    journal.close()


def test_a_run_is_found_by_the_beginning_of_its_name(folder: Path) -> None:
    journal = begun(folder, "20260101-aa")
    journal.begin("20260102-bb", Kind.ROLLBACK, "me", "", [])
    history = History(journal.store)
    assert history.run("20260102").kind is Kind.ROLLBACK
    assert [run.id for run in history.runs()] == ["20260102-bb", "20260101-aa"]
    assert [run.id for run in history.runs(host="r00001")] == ["20260101-aa"]
    assert [run.id for run in history.runs(limit=1)] == ["20260102-bb"]
    for name in ("2026", "nothing", "", "%", "2026010_-aa"):
        with pytest.raises(JournalError, match="S826"):
            history.run(name)
    journal.close()


def test_an_old_journal_is_brought_up_to_date_and_keeps_what_it_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(folder).close()
    newer = (*MIGRATIONS, "ALTER TABLE runs ADD COLUMN remark TEXT DEFAULT 'none';\n")
    store = Store(folder, newer)
    assert store.connection.execute("SELECT id, remark FROM runs").fetchall() == [("run-1", "none")]
    store.close()
    Store(folder, newer).close()
    with pytest.raises(JournalError, match="newer passthru"):
        Store(folder)


def test_a_migration_that_fails_changes_nothing(folder: Path) -> None:
    begun(folder).close()
    broken = (
        *MIGRATIONS,
        "ALTER TABLE runs ADD COLUMN remark TEXT;\nALTER TABLE no ADD COLUMN x;\n",
    )
    with pytest.raises(JournalError, match="S823"):
        Store(folder, broken)
    store = Store(folder)
    assert [row[1] for row in store.connection.execute("PRAGMA table_info (runs)")][-1] == "outcome"
    assert [run.id for run in History(store).runs()] == ["run-1"]
    store.close()


def test_nobody_else_may_read_a_journal(folder: Path) -> None:
    old = os.umask(0)
    try:
        journal = begun(folder)
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    journal.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {NAME: 0o600, f"{NAME}-wal": 0o600, f"{NAME}-shm": 0o600} == modes


@pytest.mark.parametrize(
    "content",
    [b"this is no database, but long enough to be looked at" * 100, b"SQLite format 3\0 cut"],
)
def test_a_file_that_is_no_journal_is_said_and_left_alone(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    with pytest.raises(JournalError, match="S823"):
        Journal(folder)
    assert (folder / NAME).read_bytes() == content


@pytest.mark.parametrize("version", [0, 1, 7])
def test_a_database_of_something_else_is_left_alone(folder: Path, version: int) -> None:
    folder.mkdir()
    foreign = sqlite3.connect(folder / NAME)
    foreign.execute("CREATE TABLE bookmarks (x)")
    foreign.execute(f"PRAGMA user_version = {version}")
    foreign.close()
    with pytest.raises(JournalError, match="no journal"):
        Journal(folder)
    foreign = sqlite3.connect(folder / NAME)
    assert foreign.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    foreign.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="S823"):
        Journal(tmp_path / "file" / "state")


def test_a_disk_that_fills_up_is_said_and_harms_nothing(folder: Path) -> None:
    journal = begun(folder)
    pages = journal.store.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="full"):
        journal.record("run-1", Result("r00000", State.CHANGED, before=observed("x" * 100_000)))
    assert History(journal.store).run("run-1").counts == {State.SKIPPED: 3}
    journal.store.connection.execute("PRAGMA max_page_count = 100000")
    journal.record("run-1", Result("r00000", State.CHANGED))
    journal.close()


def test_somebody_who_writes_for_long_is_waited_for_and_then_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_BUSY_MILLISECONDS", 50)
    journal = begun(folder)
    other = sqlite3.connect(folder / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        journal.begin_hosts("run-1", ["r00000"])
    other.execute("ROLLBACK")
    other.close()
    journal.begin_hosts("run-1", ["r00000"])
    journal.close()


def test_the_state_folder_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/me")
    assert default_folder() == Path("/var/me/passthru")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/invalid")
    assert default_folder() == Path("/home/me/.local/state/passthru")


def test_names_of_runs_differ_within_a_second() -> None:
    assert len({new_run() for _ in range(100)}) == 100


def test_a_bundle_is_known_by_everything_that_it_is() -> None:
    def digest(path: str = "a", content: bytes = b"x", mode: int = 0o644, target: str = "t") -> str:
        return bundle_digest(target, Bundle((File(path, content, mode), File("n", b"")), "n"))

    others = [digest("b"), digest(content=b"y"), digest(mode=0o755), digest(target="u")]
    assert digest() == digest()
    assert digest() not in others
    assert len(set(others)) == 4
