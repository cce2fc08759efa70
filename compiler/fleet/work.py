"""What runs where a job runs: on a thread here, or in a worker on another machine.

Everything in this file travels by pickle, and none of it knows how it got there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from compiler.device.job import Job, Listener, Observed, Options, Progress, Result, State
from compiler.errors import PassthruError
from compiler.model.finding import Code, Finding
from compiler.model.step import StepName

#: Steps that write nothing on a router: an error that ends one of them left no trace.
_HARMLESS = frozenset({StepName.FACTS, StepName.READ})


class Push(Protocol):
    """Bring one router to what its job says."""

    def __call__(self, job: Job, options: Options, listen: Listener) -> Result:
        """Push; every ending is a result, none an exception."""
        ...


class Observe(Protocol):
    """Look at one router; write nothing."""

    def __call__(self, job: Job, options: Options) -> Observed:
        """Read what is there.

        Raises:
            PassthruError: it cannot be reached or read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Driver:
    """What does the work on one router. Both are functions of a module, so that they travel."""

    push: Push
    observe: Observe


def device_driver() -> Driver:
    """Give the driver of real routers."""
    from compiler.device.push import observe, push  # noqa: PLC0415 - paramiko is slow to import

    return Driver(push, observe)


@dataclass(frozen=True, slots=True)
class Told:
    """A step that begins on a host (``None``: the job itself), and in which attempt.

    A job has one attempt, unless the worker that ran it was lost.
    """

    host: str
    step: StepName | None
    attempt: str


#: Hears of steps, on any thread; must not raise.
Hear = Callable[[Told], None]
#: Given the run's name by a task that runs elsewhere: what tells of its steps from there.
Relay = Callable[[str], Hear]


class Teller:
    """Tells of steps as they begin.

    A copy that a pickle brought elsewhere has nobody to tell; it tells through ``relay``, a
    function of a module, which is called where the copy is.
    """

    def __init__(self, hear: Hear | None, relay: Relay | None = None, run: str = "") -> None:
        """``hear`` is told what happens in this process."""
        self._hear = hear
        self._relay = relay
        self._run = run

    def here(self) -> Hear:
        """Give whom to tell; asked once by a task, on the thread that it runs on."""
        if self._hear is not None:
            return self._hear
        return self._relay(self._run) if self._relay else _nobody

    def __reduce__(self) -> tuple[type[Teller], tuple[None, Relay | None, str]]:
        return Teller, (None, self._relay, self._run)


def _nobody(told: Told) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that travel together: what they share is pickled once."""

    jobs: tuple[Job, ...]
    options: Options
    driver: Driver
    tell: Teller


def push_batch(batch: Batch) -> tuple[Result, ...]:
    """Push to every router of a batch, side by side; results in the order of the jobs."""
    hear = batch.tell.here()
    if len(batch.jobs) == 1:
        return (_push(batch.jobs[0], batch, hear),)
    with ThreadPoolExecutor(len(batch.jobs)) as threads:
        return tuple(threads.map(lambda job: _push(job, batch, hear), batch.jobs))


def _push(job: Job, batch: Batch, hear: Hear) -> Result:
    attempt = secrets.token_hex(4)
    reached: list[StepName] = []

    def listen(progress: Progress) -> None:
        reached.append(progress.step)
        hear(Told(progress.host, progress.step, attempt))

    hear(Told(job.host, None, attempt))
    try:
        return batch.driver.push(job, batch.options, listen)
    except PassthruError as error:
        return Result(job.host, _state_after(reached), step=_last(reached), findings=error.findings)
    except Exception as error:  # noqa: BLE001 - a bug on one router must not end the others
        # Its text may hold anything, a password too; its type may not.
        message = f"the push ended by a bug: {type(error).__name__}"
        found = Finding(Code.X901, message, host=job.host)
        return Result(job.host, _state_after(reached), step=_last(reached), findings=(found,))


def _last(reached: list[StepName]) -> StepName | None:
    return reached[-1] if reached else None


def _state_after(reached: list[StepName]) -> State:
    """Say what an exception leaves behind; only what writes nothing is sure to leave nothing."""
    return State.REFUSED if set(reached) <= _HARMLESS else State.UNCLEAR


@dataclass(frozen=True, slots=True)
class Health:
    """What a second look at a router found: the hash of its state, or why there is none."""

    host: str
    sha256: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A router to look at again."""

    job: Job
    options: Options
    driver: Driver


def look(task: Look) -> Health:
    """Look at one router again."""
    host = task.job.host
    try:
        return Health(host, task.driver.observe(task.job, task.options).sha256)
    except PassthruError as error:
        return Health(host, "", error.findings)
    except Exception as error:  # noqa: BLE001 - as above
        message = f"the look ended by a bug: {type(error).__name__}"
        return Health(host, "", (Finding(Code.X901, message, host=host),))
