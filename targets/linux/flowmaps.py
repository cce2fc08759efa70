"""The verdict maps that send packets to the chains of their flows.

A flow is told by its direction, family, protocol and the server's port. There are two forms:

- one map of ranges (``flows_``): one rule for whatever flow, and a look-up that costs a packet as
  much as sixty plain rules. It stands behind the bypass (:mod:`targets.linux.bypass`), so few
  packets pay.
- two maps of exact keys (``flows_`` and ``portless_``): two rules and two cheap look-ups, where
  every packet meets them; those of other ports and protocols leave each rule at its first words.
  The port is conntrack's of who answers: the destination of packets that go out, the source of
  replies, the same before and after masquerading.

Either way a packet is in a chain after the second rule at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from targets.linux import nft
from targets.linux.canonical import canonical_list, element_order, layer4_word
from targets.linux.claims import ANY_PORT, Segment

FLOWS, PORTLESS, _PORTS = "flows_", "portless_", "ports_"
_HEAD, _HEAD_TYPES = "ct direction . meta nfproto . meta l4proto", "ct_dir . nf_proto . inet_proto"
_SERVER_PORT = "ct reply proto-src"
RANGES_KEY = f"{_HEAD} . th dport . th sport"
EXACT_KEY = f"{_HEAD} . {_SERVER_PORT}"
#: The key of an element, and where it leads.
_Element = tuple[str, nft.Verdict]


@dataclass(frozen=True, slots=True)
class Branch:
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
    """The rules that look packets up, in their order, the maps, and the sets that they ask."""

    rules: tuple[nft.Rule, ...] = ()
    maps: tuple[nft.VerdictMap, ...] = ()
    sets: tuple[nft.Set, ...] = ()


def flow_maps(branches: Sequence[Branch], *, exact: bool) -> FlowMaps:
    """Make the maps for some branches; ``exact`` ones hold no ranges of ports."""
    if not branches:
        return FlowMaps()
    if exact:
        return _exact(branches)
    types = f"{_HEAD_TYPES} . inet_service . inet_service"
    return FlowMaps(
        ((nft.Lookup(RANGES_KEY, FLOWS),),), (_map(FLOWS, types, _ranges(branches), interval=True),)
    )


def server_ports(segments: Sequence[Segment]) -> nft.Set | None:
    """Make the set of the ports that tell flows; nothing where no segment has ports."""
    ports = canonical_list("th dport", (str(s.ports) for s in segments if not s.portless))
    if not ports:
        return None
    return nft.Set(_PORTS, "th dport", ports, interval=any("-" in word for word in ports))


def _ranges(branches: Sequence[Branch]) -> Iterator[_Element]:
    for branch in branches:
        ports = branch.segment.ports
        yield f"original . {branch.head} . {ports} . {ANY_PORT}", branch.out
        yield f"reply . {branch.head} . {ANY_PORT} . {ports}", branch.back


def _exact(branches: Sequence[Branch]) -> FlowMaps:
    """Make two maps; nft knows the type of conntrack's port only behind a match of protocols."""
    rules: list[nft.Rule] = []
    maps: list[nft.VerdictMap] = []
    ported = [branch for branch in branches if not branch.segment.portless]
    portless = [branch for branch in branches if branch.segment.portless]
    ports = server_ports([branch.segment for branch in ported])
    if ports:
        asked = (_protocols(ported), nft.Match(_SERVER_PORT, (), ports.name))
        rules.append((*asked, nft.Lookup(EXACT_KEY, FLOWS)))
        maps.append(_map(FLOWS, f"{_HEAD_TYPES} . inet_service", _both_ways(ported)))
    if portless:
        rules.append((_protocols(portless), nft.Lookup(_HEAD, PORTLESS)))
        maps.append(_map(PORTLESS, _HEAD_TYPES, _both_ways(portless)))
    return FlowMaps(tuple(rules), tuple(maps), (ports,) if ports else ())


def _protocols(branches: Sequence[Branch]) -> nft.Match:
    words = {layer4_word(branch.segment.layer4) for branch in branches}
    return nft.Match("meta l4proto", canonical_list("meta l4proto", words))


def _both_ways(branches: Sequence[Branch]) -> Iterator[_Element]:
    for branch in branches:
        port = "" if branch.segment.portless else f" . {branch.segment.ports}"
        yield f"original . {branch.head}{port}", branch.out
        yield f"reply . {branch.head}{port}", branch.back


def _map(
    name: str, types: str, elements: Iterator[_Element], *, interval: bool = False
) -> nft.VerdictMap:
    ordered = sorted(elements, key=lambda pair: element_order(pair[0]))
    return nft.VerdictMap(name, types, tuple(ordered), interval)
