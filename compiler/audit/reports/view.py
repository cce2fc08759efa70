"""What every report is made of: one audit, the one before it, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.audit.compare import Difference, compare
from compiler.audit.finding import Audited, State
from compiler.audit.store import Audit, Audits, Group
from compiler.model.finding import Severity

#: So many audits make a trend.
MOST_AUDITS = 30


@dataclass(frozen=True, slots=True)
class View:
    """An audit as reports see it. Everything is read from the journal when it is asked for."""

    audits: Audits
    audit: Audit
    before: Audit | None
    asked_since: bool = False

    @property
    def rows(self) -> Iterator[Audited]:
        """Give every router."""
        return self.audits.rows(self.audit.number)

    @property
    def groups(self) -> Iterator[Group]:
        """Give routers of which the same is to be said, the worst first."""
        return self.audits.groups(self.audit.number)

    @property
    def differences(self) -> Iterator[Difference]:
        """Say what appeared and what went since the audit before."""
        if self.before is not None:
            yield from compare(self.audits, self.before.number, self.audit.number)

    @property
    def trend(self) -> list[Audit]:
        """Give the newest audits, the oldest of them first."""
        return self.audits.newest(MOST_AUDITS)

    @property
    def states(self) -> Counter[State]:
        """Count routers by state."""
        found: Counter[State] = Counter()
        for group in self.groups:
            found[group.audited.state] += group.number
        return found

    @property
    def severities(self) -> list[int]:
        """Count findings by severity; the index is the severity."""
        counts = [0] * (max(Severity) + 1)
        for group in self.groups:
            for found in group.audited.findings:
                counts[found.severity] += group.number
        return counts
