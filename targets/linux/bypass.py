"""The way around the verdict map: ordinary packets, which the map has nothing to say about.

The keys of the map are ranges, and one look-up in it costs a packet as much as sixty plain rules.
So one rule before it sends on what cannot be in it: neither port is one of the map's, nor is the
protocol one of those without ports. Packets that open a connection go by as those of established
ones do. What this rule does not let by may still not be in the map (a client may use a VPN's port
as its own); that costs time and changes no verdict, since behind the map stand the same rules.

An established packet meets three rules at most: this one, the map's, and the first of a chain,
which therefore has to be the chain's shortcut. Where that cannot be, the rule is left out:

- signatures tell packets of one port apart: there the third rule is the one that looks at them
- a shortcut that no set can hold

Then maps of exact keys take the place of the one of ranges where they can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.model.protocol import Signature
from targets.linux import nft
from targets.linux.canonical import canonical_list, layer4_word
from targets.linux.claims import Segment
from targets.linux.flowmaps import server_ports
from targets.linux.shortcut import fits_first

#: A segment that has a chain, and the rules for packets with each signature.
Branching = tuple[Segment, Mapping[Signature | None, nft.Rules]]


@dataclass(frozen=True, slots=True)
class Bypass:
    """What ordinary packets match, and the sets that it asks."""

    ordinary: nft.Rule
    sets: tuple[nft.Set, ...]


def bypass(branching: Sequence[Branching]) -> Bypass | None:
    """Match packets that cannot be in the map.

    Gives nothing where there is no map, or a chain's shortcut cannot be its first rule.
    """
    mapped = [segment for segment, _ in branching]
    if not mapped or not all(begins_with_shortcut(rules) for _, rules in branching):
        return None
    asked: list[nft.Match] = []
    portless = {layer4_word(segment.layer4) for segment in mapped if segment.portless}
    if portless:
        words = canonical_list("meta l4proto", portless)
        asked.append(nft.Match("meta l4proto", words, negated=True))
    ports = server_ports(mapped)
    if ports is None:
        return Bypass(tuple(asked), ())
    asked += [nft.Match(f"th {end}", (), ports.name, negated=True) for end in ("sport", "dport")]
    return Bypass(tuple(asked), (ports,))


def exact(branching: Sequence[Branching]) -> bool:
    """Tell whether exact maps can stand where there is no bypass: see :mod:`.flowmaps`.

    What has no ports is looked up second there, so that its third rule is its chain's first.
    """
    return all(
        begins_with_shortcut(rules)
        if segment.portless
        else segment.ports.first == segment.ports.last
        for segment, rules in branching
    )


def begins_with_shortcut(rules: Mapping[Signature | None, nft.Rules]) -> bool:
    """Tell whether the first rule of a chain can be its shortcut."""
    return len(rules) == 1 and fits_first(rules[None])
