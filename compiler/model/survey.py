"""What a config that somebody else wrote does: the words of ``passthru effects`` and of audits.

A target reads settings of ours with ``parse``. A *survey* reads everything: rules and keys that
we never wrote, on a router that no inventory describes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from compiler.model.device import Device
from compiler.model.effect import Effect, HelperState, Probe
from compiler.model.finding import Finding


@dataclass(frozen=True, slots=True)
class HelperFound:
    """What a config does with one NAT helper at all; ``because`` is the rule or key.

    An effect's own ``helper`` says what the helper does for one flow between two zones.
    """

    name: str
    state: HelperState
    because: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What a config found on a router does.

    - ``device``: the router as the inventory describes it, or as far as the text tells: zones with
      roles, interfaces and networks, ``ipv6`` among the facts. Without an inventory, a zone whose
      interfaces nobody can tell has none, and the verdicts then hold for any.
    - ``answers`` gives the effects of probes, in their order; ``because`` is the rule or key that
      decides, or the reason for ``unknown``.
    - ``findings``: what could not be read, what was concluded from what, silent traps. None is an
      error: a text that cannot be read is a :class:`~compiler.errors.NativeError`.
    """

    device: Device
    answers: Callable[[Sequence[Probe]], tuple[Effect, ...]]
    findings: tuple[Finding, ...] = ()
    helpers: tuple[HelperFound, ...] = ()

    def effects(self, probes: Sequence[Probe]) -> tuple[Effect, ...]:
        """Say what each probe experiences, in the order of the probes."""
        return self.answers(probes)


@runtime_checkable
class Surveys(Protocol):
    """A target that can read foreign configs: an optional part of the contract."""

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read a whole native text.

        With a ``device`` its zones and facts win; a device without zones (facts alone) and
        ``None`` leave them to the text. ``native`` may hold surrogates for bytes that are not
        UTF-8. What cannot be known is ``unknown`` with its reason, never guessed.

        Raises:
            NativeError: T407, the text is empty, cut off, or nothing that this family prints.
        """
        ...
