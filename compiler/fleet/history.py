"""The journal, as people and later runs read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.device.job import State
from compiler.errors import JournalError
from compiler.fleet.journal import Kind, Outcome
from compiler.fleet.store import Store
from compiler.model.finding import Code

#: States after which a router is as its run wanted it.
DONE = frozenset({State.CHANGED, State.UNCHANGED})


@dataclass(frozen=True, slots=True)
class Run:
    """One run; ``counts`` says how many routers ended in which state."""

    number: int
    id: str
    kind: Kind
    operator: str
    policy_sha256: str
    version: str
    begun: str
    ended: str
    outcome: Outcome
    counts: Mapping[State, int]


@dataclass(frozen=True, slots=True)
class Record:
    """One router in one run. Texts are fetched with :meth:`History.text`."""

    run: str
    host: str
    target: str
    bundle_sha256: str
    policy_sha256: str
    begun: str
    ended: str
    state: State
    step: str
    seconds: float
    findings: tuple[Mapping[str, Any], ...]
    changes: tuple[Mapping[str, Any], ...]
    before_sha256: str
    before: str
    after_sha256: str
    after: str


_RUN = "SELECT number, id, kind, operator, policy_sha256, version, begun, ended, outcome FROM runs"
# A router of a run that was cut: begun is unclear, the others were never touched.
_STATE = "coalesce(results.state, iif(results.begun IS NULL, 'skipped', 'unclear'))"
_RECORD = f"""
SELECT runs.id, host, target, bundle_sha256, policy_sha256, results.begun, results.ended, {_STATE},
    step, seconds, found.text, changed.text, before_sha256, before, after_sha256, after
FROM results
JOIN runs ON runs.number = results.run
LEFT JOIN contents AS found ON found.sha256 = results.findings
LEFT JOIN contents AS changed ON changed.sha256 = results.changes
"""  # noqa: S608 - no user text in it


class History:
    """Reads one journal."""

    def __init__(self, store: Store) -> None:
        """Read what this store holds."""
        self._store = store
        self._db = store.connection

    def runs(self, *, host: str = "", limit: int = -1) -> Iterator[Run]:
        """Give runs, the newest first; with ``host`` only those that it was part of.

        Raises:
            JournalError: S823; so do all methods.
        """
        where = " WHERE number IN (SELECT run FROM results WHERE host = :host)" if host else ""
        with self._store.explained():
            rows = self._db.execute(
                f"{_RUN}{where} ORDER BY number DESC LIMIT :limit", {"host": host, "limit": limit}
            ).fetchall()
            yield from map(self._run, rows)

    def run(self, name: str) -> Run:
        """Find a run by its name or the beginning of it.

        Raises:
            JournalError: S826, there is none, or several begin so.
        """
        with self._store.explained():
            rows = self._db.execute(
                f"{_RUN} WHERE substr(id, 1, length(:name)) = :name ORDER BY number DESC LIMIT 2",
                {"name": name},
            ).fetchall()
        if not name or not rows:
            raise JournalError.of(
                Code.S826, f"there is no run {name[:60]!r}", hint="`passthru history` lists them"
            )
        if len(rows) > 1:
            raise JournalError.of(Code.S826, f"several runs begin with {name[:60]!r}")
        return self._run(rows[0])

    def records(self, run: str) -> Iterator[Record]:
        """Give the routers of a run in their order."""
        with self._store.explained():
            for row in self._db.execute(f"{_RECORD} WHERE runs.id = ? ORDER BY position", (run,)):
                yield _record(row)

    def record(self, run: str, host: str) -> Record | None:
        """Give one router of one run."""
        with self._store.explained():
            row = self._db.execute(
                f"{_RECORD} WHERE runs.id = ? AND host = ?", (run, host)
            ).fetchone()
        return _record(row) if row else None

    def newest(self, host: str) -> Record | None:
        """Give what happened last to one router: in the newest run that began to work on it."""
        with self._store.explained():
            row = self._db.execute(
                f"{_RECORD} WHERE host = ? AND results.begun IS NOT NULL"
                " ORDER BY runs.number DESC LIMIT 1",
                (host,),
            ).fetchone()
        return _record(row) if row else None

    def text(self, sha256: str) -> str:
        """Give a text that was recorded."""
        with self._store.explained():
            row = self._db.execute(
                "SELECT text FROM contents WHERE sha256 = ?", (sha256,)
            ).fetchone()
        return row[0].decode("utf-8", "surrogatepass") if row else ""

    def _run(self, row: tuple[Any, ...]) -> Run:
        number, name, kind, operator, policy, version, begun, ended, outcome = row
        if outcome is None:
            now = self._store.runs_now(name)
            outcome = Outcome.RUNNING if now else Outcome.INTERRUPTED
        counts = self._db.execute(
            f"SELECT {_STATE} AS ended_as, count(*) FROM results WHERE run = ? GROUP BY ended_as",  # noqa: S608
            (number,),
        )
        return Run(
            *(number, name, Kind(kind), operator, policy, version, begun, ended or ""),
            Outcome(outcome),
            {State(state): count for state, count in counts},
        )


def _record(row: tuple[Any, ...]) -> Record:
    run, host, target, bundle, policy, begun, ended, state, step, seconds, *rest = row
    findings, changes, *observed = rest
    return Record(
        *(run, host, target, bundle, policy, begun or "", ended or ""),
        State(state),
        step or "",
        seconds or 0.0,
        tuple(json.loads(findings or "[]")),
        tuple(json.loads(changes or "[]")),
        *(value or "" for value in observed),
    )
