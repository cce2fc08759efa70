"""The object behind a web interface: read whole, and printed as the write that makes it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from compiler.device.http.document import Document, document
from compiler.device.http.login import Login
from compiler.device.job import Job, Observed
from compiler.device.plan import Goal
from compiler.model.step import StepName
from compiler.model.target import Procedure, Target


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the router: what was read, and the write that would make it so again."""

    observed: Observed
    again: Document


class Whole:
    """The object of one router, as its target reads and prints it."""

    def __init__(self, target: Target[Any], goal: Goal, procedure: Procedure, job: Job) -> None:
        """Remember what is wanted."""
        self._goal = goal
        self._target = target
        self._procedure = procedure
        self._job = job
        self._wanted = target.parse(job.bundle.native_text, job.device)

    def read(self, login: Login) -> Seen:
        """Ask the router.

        Raises:
            PassthruError: it does not answer, or with something else.
        """
        native = login.ask(self._document(StepName.READ, self._wanted, None))
        observed = self._goal.observed({}, native)
        present = self._target.parse(native, self._job.device)
        return Seen(observed, self._document(StepName.APPLY, present, native))

    def wanted(self, seen: Seen) -> Document:
        """Give the write that brings what is wanted, with every other field as it was seen.

        Raises:
            ApplyError: S813, fields are missing.
        """
        return self._document(StepName.APPLY, self._wanted, seen.observed.native)

    def _document(self, name: StepName, settings: Any, answer: str | None) -> Document:
        device = self._job.device
        if answer is not None:
            device = replace(device, options={**device.options, "observed": answer})
        step = self._procedure.step(name)
        return document(self._target.render(settings, device), step.request if step else "")


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Name the fields that differ, for a message."""
    first, second = dict(_flat(one)), dict(_flat(other))
    names = sorted(n for n in {*first, *second} if first.get(n) != second.get(n))
    return ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value
