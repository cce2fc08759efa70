"""The journal, as a run writes it: who pushed what where, what was there before, what came of it.

Every call is one transaction, so that a process that is killed leaves a journal that says how far
it came. A router is recorded as begun before anything is sent to it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from compiler import __version__
from compiler.device.job import Change, Observed, Result
from compiler.fleet.store import Store
from compiler.model.finding import Finding
from compiler.model.target import Bundle


class Kind(StrEnum):
    """What a run did."""

    PUSH = "push"
    ROLLBACK = "rollback"


class Outcome(StrEnum):
    """How a run ended, or that it has not."""

    DONE = "done"  #: every router is as wanted
    FAILED = "failed"  #: it came to its end, and some routers are not
    STOPPED = "stopped"  #: too many failures; some routers were never begun
    INTERRUPTED = "interrupted"  #: by an operator, or its process died
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Entry:
    """One router of a run, before it begins."""

    host: str
    target: str
    bundle_sha256: str


def new_run() -> str:
    """Give a run its name: the time, for people, and what keeps two of one second apart."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


@lru_cache(maxsize=256)
def bundle_digest(target: str, bundle: Bundle) -> str:
    """Hash everything that a bundle is."""
    parts = [target, bundle.native]
    parts += [f"{file.path}\0{file.mode:o}\0{file.sha256}" for file in bundle.files]
    return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()


class Journal:
    """Writes one journal."""

    def __init__(self, folder: Path) -> None:
        """Open the journal of a folder.

        Raises:
            JournalError: S823; so do all methods.
        """
        self.store = Store(folder)

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def begin(
        self, run: str, kind: Kind, operator: str, policy_sha256: str, entries: Iterable[Entry]
    ) -> None:
        """Record a run and all its routers."""
        with self.store.writing() as db:
            number = db.execute(
                "INSERT INTO runs (id, kind, operator, policy_sha256, version, begun)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (run, str(kind), operator, policy_sha256, __version__, _now()),
            ).lastrowid
            db.executemany(
                "INSERT INTO results (run, host, position, target, bundle_sha256)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    (number, entry.host, position, entry.target, entry.bundle_sha256)
                    for position, entry in enumerate(entries)
                ),
            )

    def begin_hosts(self, run: str, hosts: Sequence[str]) -> None:
        """Record that routers are being worked on from now on."""
        now = _now()
        with self.store.writing() as db:
            number = _number(db, run)
            db.executemany(
                "UPDATE results SET begun = ? WHERE run = ? AND host = ?",
                ((now, number, host) for host in hosts),
            )

    def record(self, run: str, result: Result) -> None:
        """Record what became of a router."""
        with self.store.writing() as db:
            before_sha256, before = _observed(db, result.before)
            after_sha256, after = _observed(db, result.after)
            db.execute(
                "UPDATE results SET ended = ?, state = ?, step = ?, seconds = ?, findings = ?,"
                " changes = ?, before_sha256 = ?, before = ?, after_sha256 = ?, after = ?"
                " WHERE run = ? AND host = ?",
                (
                    _now(),
                    str(result.state),
                    str(result.step) if result.step else None,
                    round(result.seconds, 3),
                    _keep(db, json.dumps([finding_data(f) for f in result.findings])),
                    _keep(db, json.dumps(changes_data(result.changes))),
                    *(before_sha256, before, after_sha256, after),
                    *(_number(db, run), result.host),
                ),
            )

    def end(self, run: str, outcome: Outcome) -> None:
        """Record that a run is over; what it never began was skipped."""
        with self.store.writing() as db:
            number = _number(db, run)
            db.execute(
                "UPDATE results SET state = 'skipped' WHERE run = ? AND begun IS NULL", (number,)
            )
            db.execute(
                "UPDATE runs SET ended = ?, outcome = ? WHERE number = ?",
                (_now(), str(outcome), number),
            )


def finding_data(finding: Finding) -> dict[str, Any]:
    """Give a finding as JSON data."""
    data = {
        "code": finding.code.name,
        "severity": finding.severity.word,
        "message": finding.message,
    }
    return data | ({"hint": finding.hint} if finding.hint else {})


def changes_data(changes: Iterable[Change]) -> list[dict[str, str | None]]:
    """Give changes as JSON data."""
    return [{"item": c.item, "before": c.before, "after": c.after} for c in changes]


def _number(db: Any, run: str) -> int:
    return int(db.execute("SELECT number FROM runs WHERE id = ?", (run,)).fetchone()[0])


def _observed(db: Any, observed: Observed | None) -> tuple[str | None, str | None]:
    return (observed.sha256, _keep(db, observed.native)) if observed else (None, None)


def _keep(db: Any, text: str) -> str:
    """Store a text once, however many routers share it, and give its hash."""
    raw = text.encode("utf-8", "surrogatepass")  # a router's answer may hold any bytes
    digest = hashlib.sha256(raw).hexdigest()
    db.execute("INSERT OR IGNORE INTO contents (sha256, text) VALUES (?, ?)", (digest, raw))
    return digest


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
