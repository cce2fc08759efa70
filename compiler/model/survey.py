"""What a config that somebody else wrote does: the words of ``passthru effects`` and of audits.

A target reads settings of ours with ``parse``. A *survey* reads everything: rules and keys that
we never wrote, on a router that no inventory describes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from compiler.model.device import Address, Device, Network
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
class Journey:
    """One way that the first packet of a probe may take through a router."""

    iif: str
    oif: str
    source: Address
    destination: Address
    source_port: int = 0


@dataclass(frozen=True, slots=True)
class Loadable:
    """The rules of a router as a kernel can hold them, so that packets decide: a twin.

    - ``nft`` is what ``nft -j list ruleset`` prints, ``iptables`` and ``ip6tables`` what their
      ``-save`` prints; empty where there is none.
    - ``journeys`` gives all ways of a probe that the rules may tell apart.
    - ``doubt`` says why packets of a twin decide nothing about a probe: what else decides (time,
      chance, the past, the router's kernel); empty where they do.
    - ``links`` and ``networks`` are the interfaces (with ``*``) and addresses that rules mention.
    """

    nft: str
    iptables: str
    ip6tables: str
    journeys: Callable[[Probe], tuple[Journey, ...]]
    doubt: Callable[[Probe], str]
    links: frozenset[str] = frozenset()
    networks: frozenset[Network] = frozenset()


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
    - ``rules``: what decides, where that is rules that a kernel can be given.
    - ``networks``: the addresses that rules mention; ``None`` where it is no rules that decide.
    """

    device: Device
    answers: Callable[[Sequence[Probe]], tuple[Effect, ...]]
    findings: tuple[Finding, ...] = ()
    helpers: tuple[HelperFound, ...] = ()
    rules: Loadable | None = None
    networks: frozenset[Network] | None = None

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
