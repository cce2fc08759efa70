"""The journal's file: SQLite in a state folder, its schema and the marks of runs that run now."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from compiler.build.lock import alone
from compiler.errors import JournalError
from compiler.model.finding import Code, Place

NAME = "journal.sqlite3"
_BUSY_MILLISECONDS = 60_000
_APPLICATION = 0x70617374  # "past", in the file's header

_FIRST = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of runs, whatever clocks say
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    operator TEXT NOT NULL,
    policy_sha256 TEXT NOT NULL,
    version TEXT NOT NULL,
    begun TEXT NOT NULL,
    ended TEXT,
    outcome TEXT
);
CREATE TABLE results (
    run INTEGER NOT NULL REFERENCES runs (number),
    host TEXT NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL,
    bundle_sha256 TEXT NOT NULL,
    begun TEXT,
    ended TEXT,
    state TEXT,
    step TEXT,
    seconds REAL,
    findings TEXT REFERENCES contents (sha256),
    changes TEXT REFERENCES contents (sha256),
    before_sha256 TEXT,
    before TEXT REFERENCES contents (sha256),
    after_sha256 TEXT,
    after TEXT REFERENCES contents (sha256),
    PRIMARY KEY (run, host)
) WITHOUT ROWID;
CREATE INDEX results_of_host ON results (host, run);
CREATE TABLE contents (sha256 TEXT PRIMARY KEY, text BLOB NOT NULL) WITHOUT ROWID;
"""

_AUDITS = """
CREATE TABLE audits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    operator TEXT NOT NULL,
    policy_sha256 TEXT NOT NULL,
    version TEXT NOT NULL,
    begun TEXT NOT NULL,
    ended TEXT,
    outcome TEXT
);
CREATE TABLE audited (
    audit INTEGER NOT NULL REFERENCES audits (number),
    host TEXT NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    worst INTEGER NOT NULL, -- the severity of the worst finding, 0 without any
    said TEXT NOT NULL REFERENCES contents (sha256),
    state_sha256 TEXT NOT NULL,
    PRIMARY KEY (audit, host)
) WITHOUT ROWID;
CREATE INDEX audited_alike ON audited (audit, said);
"""

#: Where the inventory has the router.
_PLACES = """
ALTER TABLE audited ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE audited ADD COLUMN line INTEGER NOT NULL DEFAULT 0;
"""

#: SQL that brings the file from each version to the next; a new version is a new entry.
MIGRATIONS: Sequence[str] = (_FIRST, _AUDITS, _PLACES)


def default_folder() -> Path:
    """Give the state folder of this user, as the XDG base directory specification has it."""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if state and Path(state).is_absolute() else Path.home() / ".local" / "state"
    return home / "passthru"


class Store:
    """One open journal file. Only one thread uses it; any number of processes may."""

    def __init__(self, folder: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open the journal in a folder, making both if need be, and bring it up to date.

        Raises:
            JournalError: S823.
        """
        self.folder = folder
        self._place = Place(str(folder / NAME))
        with self.explained():
            _private_folder(folder)
            _private_file(folder / NAME)
            self.connection = sqlite3.connect(folder / NAME, isolation_level=None)
            try:
                self._prepare(migrations)
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self, migrations: Sequence[str]) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        with alone(self.folder):  # of two that switch the mode at once, SQLite refuses one
            self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        if self._version() == len(migrations) and self._is_ours():
            return
        with self.writing():
            version = self._version()  # another process may just have done it
            if not self._is_ours():
                raise JournalError.of(Code.S823, "the file is no journal of passthru", self._place)
            if version > len(migrations):
                raise JournalError.of(
                    Code.S823,
                    "the journal was written by a newer passthru",
                    self._place,
                    "upgrade passthru, or name another folder with --journal",
                )
            for script in migrations[version:]:
                for statement in script.split(";\n"):
                    self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {len(migrations)}")
            self.connection.execute(f"PRAGMA application_id = {_APPLICATION}")

    def _version(self) -> int:
        return self._number("PRAGMA user_version")

    def _is_ours(self) -> bool:
        """Tell a journal, or a file that is empty yet, from somebody else's database."""
        mark = self._number("PRAGMA application_id")
        return mark == _APPLICATION or not self._number("SELECT count(*) FROM sqlite_master")

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction: all of it lands, or nothing.

        Raises:
            JournalError: S823, the disk is full, or somebody else has been writing for a minute.
        """
        with self.explained():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # some errors have rolled back already
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say errors of the file system and of SQLite as findings."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError.of(Code.S823, f"the journal: {error}", self._place) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise JournalError.of(Code.S823, f"the journal: {reason}", self._place) from None

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def mark(self, run: str) -> RunMark:
        """Mark a run as running for as long as this process lives.

        Raises:
            JournalError: S823.
        """
        with self.explained():
            return RunMark(self.folder, run)

    def runs_now(self, run: str) -> bool:
        """Tell whether the process of a run that has not ended still lives."""
        try:
            handle = os.open(_mark_path(self.folder, run), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False


class RunMark:
    """A lock that the kernel lets go of when its process ends, however it ends."""

    def __init__(self, folder: Path, run: str) -> None:
        """Take the lock."""
        self._path = _mark_path(folder, run)
        _private_folder(self._path.parent)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let go; the run has ended in order."""
        with suppress(OSError):
            self._path.unlink()
        os.close(self._handle)


def _mark_path(folder: Path, run: str) -> Path:
    return folder / "running" / run


def _private_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _private_file(path: Path) -> None:
    """Make the file before SQLite does, which would let everybody read it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
