"""The verdict maps that send packets to the chains of their flows.

A flow is told by its direction, family, protocol and the server's port. There are two forms:

- one map of ranges (``flows_``): one rule for whatever flow, and a look-up that costs a packet as
  much as sixty plain rules. It stands behind the way out (:mod:`targets.linux.early`), so few
  packets pay.
- two maps of exact keys (``flows_`` and ``portless_``): two rules and two cheap look-ups, where
  every packet has to pay. The port is conntrack's of who answers: the destination of packets that
  go out, the source of replies, the same before and after masquerading.

Either way a packet is in a chain after the second rule at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from targets.linux import nft
from targets.linux.canonical import canonical_list, element_order, layer4_word
from targets.linux.claims import ANY_PORT, Segment

FLOWS, PORTLESS = "flows_", "portless_"
_HEAD, _HEAD_TYPES = "ct direction . meta nfproto . meta l4proto", "ct_dir . nf_proto . inet_proto"
RANGES_KEY = f"{_HEAD} . th dport . th sport"
EXACT_KEY = f"{_HEAD} . ct reply proto-src"
#: The key of an element, and where it leads.
_Element = tuple[str, nft.Verdict]


@dataclass(frozen=True, slots=True)
class Way:
    """A segment, and where its packets go: those of its connections' opener, and the answers."""

    segment: Segment
    out: nft.Verdict
    back: nft.Verdict

    @property
    def head(self) -> str:
        """What every key of the segment has after the direction."""
        return f"{self.segment.family} . {layer4_word(self.segment.layer4)}"


@dataclass(frozen=True, slots=True)
class FlowMaps:
    """The rules that look packets up, in their order, and the maps."""

    rules: tuple[nft.Rule, ...] = ()
    maps: tuple[nft.VerdictMap, ...] = ()


def flow_maps(ways: Sequence[Way], *, exact: bool) -> FlowMaps:
    """Make the maps for some ways; ``exact`` ones hold no ranges of ports."""
    if not ways:
        return FlowMaps()
    if exact:
        ported = [way for way in ways if not way.segment.portless]
        return _exact(ported, [way for way in ways if way.segment.portless])
    types = f"{_HEAD_TYPES} . inet_service . inet_service"
    return FlowMaps(
        ((nft.Lookup(RANGES_KEY, FLOWS),),), (_map(FLOWS, types, _ranges(ways), interval=True),)
    )


def _ranges(ways: Sequence[Way]) -> Iterator[_Element]:
    for way in ways:
        ports = way.segment.ports
        yield f"original . {way.head} . {ports} . {ANY_PORT}", way.out
        yield f"reply . {way.head} . {ANY_PORT} . {ports}", way.back


def _exact(ported: Sequence[Way], portless: Sequence[Way]) -> FlowMaps:
    """Make two maps; nft knows the type of conntrack's port only behind a match of protocols."""
    rules: list[nft.Rule] = []
    maps: list[nft.VerdictMap] = []
    if ported:
        words = {layer4_word(way.segment.layer4) for way in ported}
        protocols = nft.Match("meta l4proto", canonical_list("meta l4proto", words))
        rules.append((protocols, nft.Lookup(EXACT_KEY, FLOWS)))
        elements = _both_ways(ported, [f" . {way.segment.ports}" for way in ported])
        maps.append(_map(FLOWS, f"{_HEAD_TYPES} . inet_service", elements))
    if portless:
        rules.append((nft.Lookup(_HEAD, PORTLESS),))
        maps.append(_map(PORTLESS, _HEAD_TYPES, _both_ways(portless, [""] * len(portless))))
    return FlowMaps(tuple(rules), tuple(maps))


def _both_ways(ways: Sequence[Way], ends: Sequence[str]) -> Iterator[_Element]:
    for way, end in zip(ways, ends, strict=True):
        yield f"original . {way.head}{end}", way.out
        yield f"reply . {way.head}{end}", way.back


def _map(
    name: str, types: str, elements: Iterator[_Element], *, interval: bool = False
) -> nft.VerdictMap:
    ordered = sorted(elements, key=lambda pair: element_order(pair[0]))
    return nft.VerdictMap(name, types, tuple(ordered), interval)
