"""Where decisions hold, as matches: zones by pair sets, addresses by sets that rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from compiler.model.device import Device, Network
from compiler.model.intent import Decision, Exposure
from compiler.model.protocol import Family
from targets.linux import nft
from targets.linux.canonical import canonical_list
from targets.linux.claims import Claim
from targets.linux.matches import RUNNING, family_match, family_of, ip_word, version_of
from targets.linux.zones import PAIR_KEY, PairSets, devices_of

Pairs = Callable[[tuple[str, ...]], str]


@dataclass(slots=True)
class Where:
    """Gives matches for limits, and remembers the sets that they need."""

    device: Device
    pairs: PairSets
    addresses: dict[tuple[str, tuple[str, ...]], nft.Set] = field(default_factory=dict)

    def sets(self) -> list[nft.Set]:
        """Give every set that was asked for."""
        return [*self.pairs.sets, *self.addresses.values()]

    def inside(self, claim: Claim, pairs: Pairs) -> Iterator[nft.Rule]:
        """Give the alternatives of "inside the limits": by zone, by source network."""
        limits, word = claim.decision.limits, ip_word(claim.family)
        ends = self._far_end(claim, f"ct original {word} daddr")
        if limits.zones or not limits.sources:
            yield (nft.Match(PAIR_KEY, (), pairs(limits.zones)), *ends)
        near = self._near_end(claim, f"ct original {word} saddr")
        if near:
            yield (nft.Match(PAIR_KEY, (), pairs(())), *near, *ends)

    def announced(self, claim: Claim) -> Iterator[nft.Rule]:
        """Give the same for connections that the far end opened because a helper expects them."""
        limits, word = claim.decision.limits, ip_word(claim.family)
        ends = (*self._far_end(claim, f"ct original {word} saddr"), RUNNING)
        if limits.zones or not limits.sources:
            yield (nft.Match(PAIR_KEY, (), self.tunnels(limits.zones)), *ends)
        near = self._near_end(claim, f"ct reply {word} saddr")
        if near:
            yield (nft.Match(PAIR_KEY, (), self.tunnels(())), *near, *ends)

    def entering(self, decision: Decision, family: Family) -> Iterator[nft.Rule]:
        """Give "inside the limits" for packets that have not been routed yet."""
        limits, word = decision.limits, ip_word(family)
        ends: tuple[nft.Statement, ...] = (family_match(family),)
        if limits.destinations:
            to = self.network_set("to", decision, limits.destinations, family)
            ends = (nft.Match(f"{word} daddr", (), to),)
        chosen = [z for z in self.device.lan_zones if not limits.zones or z.name in limits.zones]
        names = devices_of(chosen)
        if names and (limits.zones or not limits.sources):
            yield (nft.Match("iifname", names), *ends)
        near = self.network_set("from", decision, limits.sources, family)
        if near:
            inner = nft.Match("iifname", devices_of(self.device.lan_zones))
            yield (inner, nft.Match(f"{word} saddr", (), near), *ends)

    def clients(self, zones: tuple[str, ...]) -> str:
        """Name the pair set of connections that clients opened."""
        return self.pairs.outbound(zones)

    def tunnels(self, zones: tuple[str, ...]) -> str:
        """Name the pair set for data that a helper announced: either end may have opened it."""
        return self.pairs.outbound(zones, both_ways=True)

    def peers(self, exposure: Exposure) -> tuple[nft.Match, ...]:
        """Match who may come in to an exposed server; nothing where anybody may."""
        family = family_of(exposure)
        name = self.network_set("peers", exposure, exposure.sources, family)
        return (nft.Match(f"{ip_word(family)} saddr", (), name),) if name else ()

    def network_set(
        self, kind: str, owner: Decision | Exposure, networks: Iterable[Network], family: Family
    ) -> str:
        """Name the set of the networks of one family; equal sets are one. Empty: no networks."""
        version, key = version_of(family), f"{ip_word(family)} daddr"
        words = canonical_list(key, (str(net) for net in networks if net.version == version))
        if not words:
            return ""
        if (key, words) not in self.addresses:
            base = f"{kind}_{owner.protocol.replace('-', '_')}_{version}_"
            name = free_name(base, {found.name for found in self.addresses.values()})
            self.addresses[(key, words)] = nft.Set(name, key, words, interval=True)
        return self.addresses[(key, words)].name

    def _far_end(self, claim: Claim, key: str) -> nft.Rule:
        limits = claim.decision.limits
        name = self.network_set("to", claim.decision, limits.destinations, claim.family)
        return (nft.Match(key, (), name),) if name else ()

    def _near_end(self, claim: Claim, key: str) -> nft.Rule:
        limits = claim.decision.limits
        name = self.network_set("from", claim.decision, limits.sources, claim.family)
        return (nft.Match(key, (), name),) if name else ()


def free_name(base: str, taken: Iterable[str]) -> str:
    """Give a name that ends in ``_`` (no nft keyword does) and that nothing has yet."""
    used, name, number = set(taken), base, 2
    while name in used:
        name, number = f"{base}{number}_", number + 1
    return name
