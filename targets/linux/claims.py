"""Which decisions claim which packets: ports cut into segments that all mean one thing.

Decisions may overlap (ESP serves both IKE versions, a user's protocol lies inside a range). nft's
maps hold disjoint keys, so the ports of each address family and layer-4 protocol are cut at every
border, and each segment carries the claims on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from compiler.model.intent import Action, Decision, Intent
from compiler.model.protocol import Family, Flow, PortRange, Signature

ANY_PORT = PortRange(0, 65535)


@dataclass(frozen=True, slots=True)
class Claim:
    """One decision about one flow, in one address family."""

    decision: Decision
    flow: Flow
    family: Family

    @property
    def signature(self) -> Signature | None:
        """The signature that the flow's packets carry."""
        return self.flow.signature

    @property
    def passes(self) -> bool:
        """Tell whether some packets pass because of this claim."""
        decision = self.decision
        return (
            decision.action is Action.PASS
            and self.family in self.flow.families
            and self._has_inside()
        )

    @property
    def blocks(self) -> bool:
        """Tell whether some packets are dropped because of this claim."""
        if self.decision.action is Action.BLOCK:
            return self._has_inside()
        return self.decision.otherwise is Action.BLOCK and self.limited

    @property
    def limited(self) -> bool:
        """Tell whether the decision ends somewhere in this family."""
        limits = self.decision.limits
        listed = limits.zones or limits.sources or limits.destinations
        return bool(listed) or self.family not in limits.families

    def _has_inside(self) -> bool:
        limits = self.decision.limits
        version = 4 if self.family is Family.IPV4 else 6
        if self.family not in limits.families:
            return False
        if limits.destinations and all(n.version != version for n in limits.destinations):
            return False
        if limits.sources and not limits.zones:
            return any(n.version == version for n in limits.sources)
        return True

    @property
    def shape(self) -> tuple[object, ...]:
        """What decides about packets of this claim; equal shapes need not be told apart."""
        decision = self.decision
        return (decision.action, decision.limits, decision.otherwise, decision.log)


@dataclass(frozen=True, slots=True)
class Segment:
    """Ports of one layer-4 protocol and family (``ANY_PORT`` without ports), and their claims."""

    family: Family
    layer4: int
    ports: PortRange
    claims: tuple[Claim, ...]

    @property
    def portless(self) -> bool:
        """Tell whether the protocol has no ports."""
        return self.ports == ANY_PORT

    @property
    def told_apart(self) -> bool:
        """Tell whether signatures matter.

        They do where claims on the same port want different things, and where the only claim is on
        packets with one signature: nobody spoke of the others.
        """
        if len({claim.shape for claim in self.claims}) > 1:
            return True
        signatures = {claim.signature for claim in self.claims}
        return len(signatures) == 1 and None not in signatures


def segments(intent: Intent) -> Iterator[Segment]:
    """Cut everything that the intent decides into segments, in a stable order."""
    keys: dict[tuple[Family, int], list[Claim]] = {}
    for family in Family:
        for decision in intent.decisions:
            for flow in decision.flows:
                keys.setdefault((family, flow.layer4), []).append(Claim(decision, flow, family))
    for (family, layer4), claims in sorted(keys.items()):
        yield from _cut(family, layer4, claims)


def _cut(family: Family, layer4: int, claims: list[Claim]) -> Iterator[Segment]:
    ranges = [range_ for claim in claims for range_ in claim.flow.ports or (ANY_PORT,)]
    borders = sorted({r.first for r in ranges} | {r.last + 1 for r in ranges})
    last: Segment | None = None
    for first, following in pairwise(borders):
        piece = PortRange(first, following - 1)
        here = tuple(
            claim
            for claim in claims
            if any(piece.overlaps(range_) for range_ in claim.flow.ports or (ANY_PORT,))
        )
        if not here:
            continue
        if last and last.claims == here and last.ports.last + 1 == first:
            last = Segment(family, layer4, PortRange(last.ports.first, piece.last), here)
            continue
        if last:
            yield last
        last = Segment(family, layer4, piece, here)
    if last:
        yield last
