"""The way out before the verdict map: established traffic that the map has nothing to say about.

The keys of the map are ranges, and one look-up in it costs a packet as much as sixty plain rules.
So one rule before it accepts what cannot be in it: neither port is one of the map's, nor is the
protocol one of those without ports. What this rule lets go on may still not be in the map (a
client may use a VPN's port as its own); that costs time and changes no verdict.

A packet meets three rules at most: this one, the map's, and the first of a chain, which therefore
has to be the chain's shortcut. Where that cannot be, the rule is left out:

- signatures tell packets of one port apart: there the third rule is the one that looks at them
- a shortcut that no set can hold

Then every packet pays for the look-up, and maps of exact keys take the place of the one of ranges
where they can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.model.protocol import Signature
from targets.linux import nft
from targets.linux.canonical import canonical_list, layer4_word
from targets.linux.claims import Segment
from targets.linux.matches import ACCEPT, RUNNING
from targets.linux.shortcut import fits_first

_PORTS = "ports_"

#: A segment that has a chain, and the rules for packets with each signature.
Branching = tuple[Segment, Mapping[Signature | None, nft.Rules]]


@dataclass(frozen=True, slots=True)
class WayOut:
    """The rule before the map, and the sets that it asks."""

    rule: nft.Rule
    sets: tuple[nft.Set, ...]


def way_out(branching: Sequence[Branching]) -> WayOut | None:
    """Accept established packets that cannot be in the map.

    Gives nothing where there is no map, or a chain's shortcut cannot be its first rule.
    """
    mapped = [segment for segment, _ in branching]
    if not mapped or not all(leads(rules) for _, rules in branching):
        return None
    asked: list[nft.Match] = []
    portless = canonical_list(
        "meta l4proto", {layer4_word(segment.layer4) for segment in mapped if segment.portless}
    )
    if portless:
        asked.append(nft.Match("meta l4proto", portless, negated=True))
    ports = canonical_list("th dport", (str(s.ports) for s in mapped if not s.portless))
    if not ports:
        return WayOut((RUNNING, *asked, ACCEPT), ())
    asked += [nft.Match(f"th {end}", (), _PORTS, negated=True) for end in ("sport", "dport")]
    ranges = any("-" in word for word in ports)
    made = nft.Set(_PORTS, "th dport", ports, interval=ranges)
    return WayOut((RUNNING, *asked, ACCEPT), (made,))


def exact(branching: Sequence[Branching]) -> bool:
    """Tell whether exact maps can stand where there is no way out: see :mod:`.flowmaps`.

    What has no ports is looked up second there, so that its third rule is its chain's first.
    """
    return all(
        leads(rules) if segment.portless else segment.ports.first == segment.ports.last
        for segment, rules in branching
    )


def leads(rules: Mapping[Signature | None, nft.Rules]) -> bool:
    """Tell whether the first rule of a chain can be its shortcut."""
    return len(rules) == 1 and fits_first(rules[None])
