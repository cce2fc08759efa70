"""What a run tells whoever watches it, and what is left of it at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from compiler.device.job import Result, State
from compiler.errors import ExitCode
from compiler.fleet.journal import Outcome
from compiler.fleet.work import Told
from compiler.model.finding import Finding

#: States that count as failures: the router is not, or not surely, as it should be.
FAILURES = frozenset(
    {State.REFUSED, State.FAILED, State.ROLLED_BACK, State.UNREACHABLE, State.UNCLEAR}
)
_SOME_FAILED = frozenset({State.REFUSED, State.FAILED, State.UNCLEAR})


@dataclass(frozen=True, slots=True)
class Begins:
    """A run begins: its waves, and how many routers need nothing because of ``--resume``."""

    run: str
    waves: Sequence[Sequence[str]]
    done_before: int = 0


@dataclass(frozen=True, slots=True)
class WaveBegins:
    """A wave begins."""

    number: int
    hosts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stops:
    """Nothing new is begun any more; so many routers are still at work."""

    reason: Finding
    running: int


@dataclass(slots=True)
class Summary:
    """A run in numbers, and by name the routers that somebody must look at."""

    run: str
    counts: Counter[State] = field(default_factory=Counter)
    failed: list[tuple[str, State]] = field(default_factory=list)
    done_before: int = 0
    interrupted: bool = False
    stopped: Finding | None = None

    def add(self, result: Result) -> None:
        """Count a result; it is not kept."""
        self.counts[result.state] += 1
        if result.state in FAILURES:
            self.failed.append((result.host, result.state))

    @property
    def failures(self) -> int:
        """The number of routers that are not as they should be."""
        return len(self.failed)

    @property
    def exit_code(self) -> ExitCode:
        """What the whole run exits with; see docs/cli.md."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if any(self.counts[state] for state in _SOME_FAILED):
            return ExitCode.SOME_FAILED
        if self.counts[State.ROLLED_BACK]:
            return ExitCode.ROLLED_BACK
        if self.counts[State.UNREACHABLE]:
            return ExitCode.SOME_UNREACHABLE
        return ExitCode.SOME_FAILED if self.stopped else ExitCode.OK

    @property
    def outcome(self) -> Outcome:
        """How the journal calls this end."""
        if self.interrupted:
            return Outcome.INTERRUPTED
        if self.stopped:
            return Outcome.STOPPED
        return Outcome.FAILED if self.failures else Outcome.DONE


#: What a run tells; the last is its summary.
Event = Begins | WaveBegins | Told | Result | Stops | Summary
#: Is told everything, always on the thread that runs the fleet. An ``OSError`` (the pipe is closed,
#: the terminal is gone) makes the run stop as Ctrl-C does.
Watcher = Callable[[Event], None]
