"""What comes of one push: how far it is, what it met on the way, and at its end the result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from compiler.device.job import Change, Job, Listener, Observed, Progress, Result, State
from compiler.model.finding import Finding, Severity
from compiler.model.step import StepName


class Outcome:
    """One push as far as it has come."""

    def __init__(self, job: Job, listen: Listener | None = None) -> None:
        self._job = job
        self._listen = listen
        self._noted: list[Finding] = []
        self.step: StepName | None = None
        self.went_wrong_at: StepName | None = None
        #: Why the line broke off, where it did.
        self.lost: tuple[Finding, ...] = ()
        self.changes: tuple[Change, ...] = ()
        self.before: Observed | None = None
        self.after: Observed | None = None

    def begin(self, step: StepName) -> None:
        """Note that a step begins, and tell who listens."""
        self.step = step
        if self._listen is not None:
            self._listen(Progress(self._job.host, step))

    def note(self, finding: Finding) -> None:
        """Keep what is to be told however the push ends. Each is told once."""
        if finding not in self._noted:
            self._noted.append(finding)

    def result(self, state: State, *problems: Finding) -> Result:
        """Say how it ended."""
        changed = state is State.CHANGED
        # the line broke off, and nothing came of it
        lost = as_warnings(self.lost) if changed else self.lost
        every = (*self._noted, *lost, *problems)
        return Result(
            host=self._job.host,
            state=state,
            step=self.step if changed else self.went_wrong_at or self.step,
            findings=tuple(replace(f, host=f.host or self._job.host) for f in every),
            changes=self.changes,
            before=self.before,
            after=self.after,
        )


def as_warnings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give findings that were overcome."""
    return tuple(replace(found, severity=Severity.WARNING) for found in findings)
