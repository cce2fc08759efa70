"""What one push takes and gives. All of it can be pickled, and none of it holds a secret.

A fleet runs jobs on threads or on other machines and knows nothing of routers; a transaction
knows nothing of fleets. These types are all that they share.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from compiler.model.device import Device
from compiler.model.finding import Finding
from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.model.target import Bundle


# Devices hold read-only mappings, which pickle cannot take apart, and whose type it cannot name.
def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))


class State(StrEnum):
    """How a job ended. Every router is in exactly one of these, and each says what holds there."""

    UNCHANGED = "unchanged"  #: it is as wanted already; nothing was written
    CHANGED = "changed"  #: fully new, verified over a second connection, and confirmed
    WOULD_CHANGE = "would-change"  #: ``--check``: there is something to do; nothing was written
    REFUSED = "refused"  #: stopped before anything was written (plan is old, locked, no module)
    FAILED = "failed"  #: stopped; fully old, as was seen by reading it back
    ROLLED_BACK = "rolled-back"  #: something was applied and taken back; fully old, as was seen
    UNREACHABLE = "unreachable"  #: no session came about; nothing was written
    UNCLEAR = "unclear"  #: armed or applied, and not reachable since: the dead-man decides
    SKIPPED = "skipped"  #: never begun (an earlier wave failed, interrupted, deadline)


@dataclass(frozen=True, slots=True)
class Change:
    """One managed setting that differs: its name, its value before and after (``None``: none)."""

    item: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What a router answered: facts, native text of what is managed, and the hash of that text."""

    facts: Mapping[str, str]
    native: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Job:
    """One router to push to.

    What is wanted of it is what its target reads out of ``bundle.native_text``, never a second
    solution of the intent: a rollback pushes what a router once had, with an intent that
    decides nothing. The effects are judged by the intent.

    ``reach`` holds the connection variables of the inventory (``ansible_host``, ``ansible_user``,
    ``passthru_via`` ...) with secrets unopened: they are resolved where the job runs.
    ``expects`` is the hash of the observed state that a plan was made on; empty: any.
    """

    host: str
    device: Device
    intent: Intent
    bundle: Bundle
    policy_sha256: str
    reach: Mapping[str, Any] = field(default_factory=dict)
    expects: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How to push. Times are in seconds; ``run`` names the run, for the lease and the journal."""

    run: str
    operator: str
    check: bool = False
    confirm_timeout: int = 120
    connect_timeout: float = 15.0
    step_timeout: float = 60.0
    deadline: float = 600.0
    accept_new: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a job. ``before`` and ``after`` are what was read, if it was."""

    host: str
    state: State
    step: StepName | None = None
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    before: Observed | None = None
    after: Observed | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened on the way: a step began on a host."""

    host: str
    step: StepName


#: Told of every step as it begins; must not raise.
Listener = Callable[[Progress], None]
