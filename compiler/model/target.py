"""The contract of a router family.

A target is any object with these members (a ``typing.Protocol``, not a base class), found
through the entry-point group ``passthru.targets``. It may import what stands below the policy
(``compiler.model``, ``compiler.errors``, ``compiler.source``, ``compiler.toggles`` and their like),
never another target. Its laws are in ``tests/conformance``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Finding
from compiler.model.intent import Intent

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a bundle: a relative POSIX path, the bytes, the mode."""

    path: str
    content: bytes
    mode: int = 0o644

    @property
    def sha256(self) -> str:
        """Hex digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is written for one router: files sorted by path, and which of them is the native text.

    ``native`` is the path of the file that :meth:`Target.parse` reads back.
    """

    files: tuple[File, ...]
    native: str

    @property
    def native_text(self) -> str:
        """The native file as text."""
        return next(f for f in self.files if f.path == self.native).content.decode()


class StepName(StrEnum):
    """The steps of a procedure, in their order."""

    FACTS = "facts"
    READ = "read"
    STAGE = "stage"
    CHECK = "check"
    ARM = "arm"
    APPLY = "apply"
    VERIFY = "verify"
    CONFIRM = "confirm"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: POSIX sh for the router's own shell (BusyBox ash), or a request document.

    ``script`` runs with the staged bundle as working directory; exit status 0 is success
    and nothing else is. ``request`` is the path of a request document in the bundle, for
    routers without a usable shell. ``says`` tells a person what the step does.
    """

    name: StepName
    says: str
    script: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """How a bundle gets onto a router; ``transport`` is ``ssh``, ``http`` or ``file``."""

    transport: str
    steps: tuple[Step, ...]

    def step(self, name: StepName) -> Step | None:
        """Find a step by name."""
        return next((step for step in self.steps if step.name is name), None)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the family can do at all; the support matrix shows it beside the computed effects."""

    reads: bool
    writes: bool
    pushes: str
    rolls_back: str
    helper: str
    ipv6: str
    running_tunnels: str


class Target(Protocol[S]):
    """One router family. ``S`` is its frozen, hashable settings type, equal by value."""

    @property
    def name(self) -> str:
        """The word in ``passthru_target``; equals the entry point's name."""
        ...

    @property
    def summary(self) -> str:
        """One line for ``passthru targets``."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the family can do, for the support matrix."""
        ...

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge the device's zones, facts and options before anything is solved.

        Errors stop the compile. Unknown ``passthru_*`` options are found by the compiler
        through :meth:`options`; a target checks the values.
        """
        ...

    def options(self) -> Mapping[str, str]:
        """Names and meanings of the device options and (``facts.NAME``) facts that it reads."""
        ...

    def settings(self, intent: Intent, device: Device) -> S:
        """Solve: the settings whose effects come nearest to the intent. Never wider in silence.

        Raises:
            TargetError: the router lacks what the intent needs, or a name cannot be used.
        """
        ...

    def render(self, settings: S, device: Device) -> Bundle:
        """Print settings as native files, stable to the byte."""
        ...

    def parse(self, native: str, device: Device) -> S:
        """Read what the router's own read command prints; unmanaged content is left out.

        Raises:
            NativeError: the text is truncated, empty or not understood. Never a guess.
        """
        ...

    def merge(self, settings: S, native: str, device: Device) -> str:
        """Put the settings into an existing native text; all that is not ours stays byte for byte.

        ``parse(merge(s, text)) == s`` and ``merge(s, merge(s, text)) == merge(s, text)``.
        """
        ...

    def effects(self, settings: S, device: Device, probes: Sequence[Probe]) -> tuple[Effect, ...]:
        """Say what each probe experiences under these settings, in the order of the probes."""
        ...

    def procedure(self, settings: S, device: Device) -> Procedure:
        """Give the steps that bring the bundle onto the router."""
        ...

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what a person should know about this intent here and no deviation shows."""
        ...
