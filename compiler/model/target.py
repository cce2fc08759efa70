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
from typing import Protocol, TypeVar

from compiler.model.console import Console
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Finding
from compiler.model.intent import Intent
from compiler.model.step import Step, StepName

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


@dataclass(frozen=True, slots=True)
class Guard:
    """What a push must know of a family so that whatever it does can be taken back.

    ``volatile`` is a folder that a reboot empties (the lease, staged files), ``durable`` one that
    outlives it (the snapshot; where a family has none, a reboot itself must bring back the old
    settings). ``hook`` and ``unhook`` are POSIX sh that set up and remove what runs
    ``sh "$PASSTHRU_KEEP/guard" boot`` while the router boots; both succeed when run twice.
    """

    volatile: str
    durable: str
    hook: str = ""
    unhook: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """How a bundle gets onto a router; ``transport`` is ``ssh``, ``http`` or ``file``.

    ``login`` says how an ``http`` router lets one in: a name out of ``compiler.device.http.login``,
    or nothing where nobody has written that down. Such a target takes a router's whole answer as
    the option ``observed`` and renders a write that carries every field of it.

    A router without a POSIX shell has a ``console`` in place of scripts and guard; the steps then
    are documents for a person.

    With a ``guard``, the ARM script puts into the folder ``$PASSTHRU_KEEP`` all that the ROLLBACK
    script needs, which then runs in that folder, with nothing else of the bundle left.
    """

    transport: str
    steps: tuple[Step, ...]
    guard: Guard | None = None
    login: str = ""
    console: Console | None = None

    def step(self, name: StepName) -> Step | None:
        """Find a step by name."""
        return next((step for step in self.steps if step.name is name), None)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the family can do at all; the support matrix shows it beside the computed effects.

    ``own_vpn`` is about VPN servers and clients that the router itself runs.
    """

    reads: bool
    writes: bool
    pushes: str
    rolls_back: str
    helper: str
    ipv6: str
    running_tunnels: str
    own_vpn: str = "not touched: only forwarded packets are"


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

    def examples(self) -> Sequence[Device]:
        """Give typical routers of the family, one for each kind that facts or options tell apart.

        The support matrix is computed on them, and the conformance suite tries them. Each
        passes :meth:`check`; its name, unlike any other example's, is what people read there.
        See :func:`compiler.model.example.typical`.
        """
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

    # One more member is optional: ``items(settings) -> Mapping[str, str]``, the settings as a flat
    # listing, for diffs. Without it they are compared by the lines of their native text.

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what a person should know about this intent here and no deviation shows."""
        ...
