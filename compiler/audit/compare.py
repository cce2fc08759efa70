"""What two audits of the journal differ in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.audit.finding import Audited, AuditFinding, State
from compiler.audit.store import Audits


@dataclass(frozen=True, slots=True)
class Difference:
    """What two audits of one router differ in."""

    host: str
    target: str
    appeared: tuple[AuditFinding, ...]
    gone: tuple[AuditFinding, ...]


def compare(audits: Audits, before: int, after: int) -> Iterator[Difference]:
    """Say what appeared and what went between two audits, by router.

    A router that only one of them judged is left out: nothing is known to have changed there.
    """
    old = _judged(audits.by_host(before))
    was = next(old, None)
    for now in _judged(audits.by_host(after)):
        while was is not None and was.host < now.host:
            was = next(old, None)
        if was is None:
            return
        if was.host != now.host:
            continue
        there = {found.fingerprint(now.host): found for found in was.findings}
        here = {found.fingerprint(now.host): found for found in now.findings}
        appeared = tuple(found for key, found in here.items() if key not in there)
        gone = tuple(found for key, found in there.items() if key not in here)
        if appeared or gone:
            yield Difference(now.host, now.target, appeared, gone)


def _judged(rows: Iterable[Audited]) -> Iterator[Audited]:
    return (row for row in rows if row.state is State.JUDGED)
