"""What the journal keeps of audits: who, when, which policy; and of each router what was found.

Routers of which the same is to be said share one text, in one audit and over the years. No config
is kept, only findings, out of which secrets were taken before.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from compiler import __version__
from compiler.audit import kept
from compiler.audit.finding import Audited, State
from compiler.errors import JournalError
from compiler.fleet.store import Store
from compiler.model.finding import Code, Place, Severity

_AT_ONCE = 64
_AUDIT = """
SELECT number, id, operator, policy_sha256, begun, ended, outcome,
    (SELECT count(*) FROM audited WHERE audit = number),
    (SELECT count(*) FROM audited WHERE audit = number AND state = 'judged' AND worst = 3),
    (SELECT count(*) FROM audited WHERE audit = number AND state = 'judged' AND worst = 2),
    (SELECT count(*) FROM audited WHERE audit = number AND state != 'judged'), version
FROM audits"""
_ROW = """
SELECT host, target, state, state_sha256, file, line, text
FROM audited JOIN contents ON contents.sha256 = audited.said"""
_OUTCOMES = ("done", "interrupted")


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit of the journal, and how many routers it has in which state."""

    number: int
    id: str
    operator: str
    policy_sha256: str
    begun: str
    ended: str
    outcome: str
    routers: int
    wrong: int
    warned: int
    unread: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Routers of which the same is to be said: how many, the first ones by name."""

    audited: Audited
    hosts: tuple[str, ...]
    number: int


class Recorder:
    """Writes one audit, a few routers at a time."""

    def __init__(self, store: Store, run: str, operator: str, policy_sha256: str) -> None:
        """Begin it.

        Raises:
            JournalError: S823; so do all methods.
        """
        self.run = run
        self._store = store
        self._waiting: list[Audited] = []
        self._position = 0
        with store.writing() as db:
            self.number = int(
                db.execute(
                    "INSERT INTO audits (id, operator, policy_sha256, version, begun)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (run, operator, policy_sha256, __version__, _now()),
                ).lastrowid
                or 0
            )

    def add(self, audited: Audited) -> None:
        """Take one router."""
        self._waiting.append(audited)
        if len(self._waiting) >= _AT_ONCE:
            self._flush()

    def end(self, *, interrupted: bool = False) -> None:
        """Write the rest."""
        self._flush()
        with self._store.writing() as db:
            db.execute(
                "UPDATE audits SET ended = ?, outcome = ? WHERE number = ?",
                (_now(), _OUTCOMES[interrupted], self.number),
            )

    def _flush(self) -> None:
        with self._store.writing() as db:
            for audited in self._waiting:
                self._position += 1
                place = audited.place or Place("")
                db.execute(
                    "INSERT OR REPLACE INTO audited VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(self.number, audited.host, self._position, audited.target),
                        *(str(audited.state), int(audited.worst or 0)),
                        *(_keep(db, kept.written(audited)), audited.state_sha256),
                        *(place.file, place.line),
                    ),
                )
        self._waiting.clear()


class Audits:
    """Reads the audits of a journal."""

    def __init__(self, store: Store) -> None:
        """Read what this store holds."""
        self._store = store
        self._db = store.connection

    def audit(self, name: str) -> Audit:
        """Find an audit by its name.

        Raises:
            JournalError: S826, there is none.
        """
        for audit in self._audits("WHERE id = ?", name):
            return audit
        newest = next(self._audits("ORDER BY number DESC LIMIT 1"), None)
        hint = f"the newest one is {newest.id}" if newest else "the journal holds no audit"
        raise JournalError.of(Code.S826, f"there is no audit {name[:60]!r}", hint=hint)

    def by_number(self, number: int) -> Audit:
        """Give an audit that is known to be there."""
        return next(self._audits("WHERE number = ?", number))

    def before(self, number: int) -> Audit | None:
        """Give the last audit that came to its end before this one."""
        where = "WHERE number < ? AND outcome = 'done' ORDER BY number DESC LIMIT 1"
        return next(self._audits(where, number), None)

    def newest(self, most: int) -> list[Audit]:
        """Give the newest audits, the oldest of them first."""
        found = list(self._audits("WHERE ended IS NOT NULL ORDER BY number DESC LIMIT ?", most))
        return found[::-1]

    def listed(self, most: int, host: str = "") -> list[Audit]:
        """Give the newest audits, the newest first, those that never ended among them.

        With ``host`` only those that it was part of.
        """
        order = "ORDER BY number DESC LIMIT ?"
        if not host:
            return list(self._audits(order, most))
        where = "WHERE number IN (SELECT audit FROM audited WHERE host = ?)"
        return list(self._audits(f"{where} {order}", host, most))

    def counts(self, number: int) -> Counter[str]:
        """Count the routers of an audit: ``wrong``, ``warned``, ``right``, or why not judged."""
        found: Counter[str] = Counter()
        with self._store.explained():
            rows = self._db.execute(
                "SELECT state, worst, count(*) FROM audited WHERE audit = ? GROUP BY state, worst",
                (number,),
            )
            for state, worst, count in rows:
                judged = {Severity.ERROR: "wrong", Severity.WARNING: "warned"}.get(worst, "right")
                found[judged if state == State.JUDGED else state] += count
        return found

    def _audits(self, where: str, *values: object) -> Iterator[Audit]:
        with self._store.explained():
            rows = self._db.execute(
                f"{_AUDIT} {where}",
                values,
            ).fetchall()
        for row in rows:
            number, name, operator, policy, begun, ended, outcome, *counts = row
            how = outcome or "interrupted"  # its process died
            routers, wrong, warned, unread, version = counts
            yield Audit(
                *(number, name, operator, policy, begun, ended or "", how),
                *(routers, wrong, warned, unread, version),
            )

    def rows(self, number: int) -> Iterator[Audited]:
        """Give the routers of an audit in their order, one at a time."""
        yield from self._rows("WHERE audit = ? ORDER BY position", number)

    def row(self, number: int, host: str) -> Audited | None:
        """Give one router of an audit."""
        return next(self._rows("WHERE audit = ? AND host = ?", number, host), None)

    def by_host(self, number: int) -> Iterator[Audited]:
        """Give the routers of an audit by name, one at a time."""
        yield from self._rows("WHERE audit = ? ORDER BY host", number)

    def _rows(self, where: str, *values: object) -> Iterator[Audited]:
        with self._store.explained():
            rows = self._db.execute(
                f"{_ROW} {where}",
                values,
            )
            for host, target, state, sha256, file, line, text in rows:
                findings, cells = kept.read(text)
                mine = tuple(kept.named(found, host) for found in findings)
                place = Place(file, line) if file else None
                yield Audited(host, target, State(state), mine, cells, sha256, place)

    def groups(self, number: int, names: int = 5) -> Iterator[Group]:
        """Give the routers of an audit, those of which the same is to be said together.

        The worst come first.
        """
        with self._store.explained():
            rows = self._db.execute(
                "SELECT target, state, said, text, count(*), min(position) AS first"
                " FROM audited JOIN contents ON contents.sha256 = audited.said WHERE audit = ?"
                " GROUP BY target, state, said ORDER BY worst DESC, state != 'judged', first",
                (number,),
            )
            for target, state, said, text, count, _ in rows:
                hosts = self._db.execute(
                    "SELECT host FROM audited WHERE audit = ? AND said = ? AND target = ?"
                    " AND state = ? ORDER BY position LIMIT ?",
                    (number, said, target, state, names),
                ).fetchall()
                findings, cells = kept.read(text)
                shown = tuple(host for (host,) in hosts)
                # one command for all of them, as far as they are named
                named = ",".join(shown) if count == len(shown) else "HOST"
                findings = tuple(kept.named(found, named) for found in findings)
                yield Group(Audited(shown[0], target, State(state), findings, cells), shown, count)

    def texts(self, number: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Give each text of an audit once, by its hash; commands in it name ``kept.HOST``."""
        with self._store.explained():
            rows = self._db.execute(
                "SELECT sha256, text FROM contents"
                " WHERE sha256 IN (SELECT said FROM audited WHERE audit = ?) ORDER BY sha256",
                (number,),
            )
            for sha256, text in rows:
                yield sha256, json.loads(text)

    def hosts(self, number: int) -> Iterator[tuple[str, str, str, int, str]]:
        """Give name, target, state, worst severity and the text's hash of every router."""
        with self._store.explained():
            yield from self._db.execute(
                "SELECT host, target, state, worst, said FROM audited WHERE audit = ?"
                " ORDER BY worst DESC, position",
                (number,),
            )


def _keep(db: Any, text: str) -> str:
    """Store a text once, however many routers share it."""
    raw = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(raw).hexdigest()
    db.execute("INSERT OR IGNORE INTO contents (sha256, text) VALUES (?, ?)", (digest, raw))
    return digest


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
