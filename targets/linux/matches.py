"""Small pieces of rules: what a flow, a signature, a family and a log entry look like in nft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.model.intent import Decision, Exposure
from compiler.model.protocol import PORTED, UDP, Family, Flow, PortRange, Signature, layer4_name
from targets.linux import nft
from targets.linux.canonical import (
    canonical_list,
    element_order,
    joined_raw,
    layer4_word,
    raw_match,
)

ACCEPT, DROP = nft.Verdict("accept"), nft.Verdict("drop")
NEW, RUNNING = nft.Match("ct state", ("new",)), nft.Match("ct state", ("established", "related"))
_UDP_HEADER = 8


def version_of(family: Family) -> int:
    """Give the IP version of a family."""
    return 4 if family is Family.IPV4 else 6


def ip_word(family: Family) -> str:
    """Give nft's word for the header of a family: ``ip`` or ``ip6``."""
    return "ip" if family is Family.IPV4 else "ip6"


def family_of(exposure: Exposure) -> Family:
    """Give the family in which an exposure comes in: that of its server's address."""
    return Family.IPV4 if exposure.to.version == 4 else Family.IPV6


def reachable(exposure: Exposure) -> bool:
    """Tell whether anybody may come in; sources of the other address family are nobody."""
    version = exposure.to.version
    return not exposure.sources or any(net.version == version for net in exposure.sources)


def family_match(family: Family) -> nft.Match:
    """Match packets of one family."""
    return nft.Match("meta nfproto", (str(family),))


def flow_match(flow: Flow) -> nft.Match:
    """Match the packets that open a flow: by protocol, and by destination port if it has ports."""
    return ports_match(flow.layer4, flow.ports)


def ports_match(layer4: int, ports: tuple[PortRange, ...]) -> nft.Match:
    """Match a protocol, and the destination ports where it has any."""
    if layer4 not in PORTED or not ports:
        return nft.Match("meta l4proto", (layer4_word(layer4),))
    key = f"{layer4_name(layer4)} dport"
    return nft.Match(key, canonical_list(key, map(str, ports)))


def signature_matches(signature: Signature, *, alone: bool = False) -> nft.Rule:
    """Match bytes of a UDP payload.

    ``alone``: nothing before says that the packet is UDP. A length says so too: nft tests the
    protocol before it reads ``udp length``.
    """
    marks: list[nft.Statement] = []
    if signature.payload_length is not None:
        marks.append(nft.Match("udp length", (str(_UDP_HEADER + signature.payload_length),)))
    elif alone:
        marks.append(nft.Match("meta l4proto", (layer4_word(UDP),)))
    marks += [raw_match(_UDP_HEADER + m.at, m.value, m.mask) for m in signature.matches]
    return joined_raw(tuple(marks))


def dispatch(chains: Sequence[tuple[nft.Rule, str]]) -> nft.Rules:
    """Send packets with signatures to chains of their own; by one rule where that can be."""
    at = _telling([marks for marks, _ in chains])
    if at is None:
        return tuple((*marks, nft.Verdict("goto", name)) for marks, name in chains)
    tells = [marks[at] for marks, _ in chains]
    pairs = [
        (match.values[0], f"goto {name}")
        for match, (_, name) in zip(tells, chains, strict=True)
        if isinstance(match, nft.Match)
    ]
    key, mask = next((m.key, m.mask) for m in tells if isinstance(m, nft.Match))
    pairs.sort(key=lambda pair: element_order(pair[0]))
    same = [*chains[0][0][:at], *chains[0][0][at + 1 :]]
    return ((*same, nft.Lookup(key, "", tuple(pairs), mask)),)


def excludes(one: Signature, other: Signature) -> bool:
    """Tell whether no packet can have both signatures: they differ in the value of some bytes."""
    return _telling([signature_matches(one), signature_matches(other)]) is not None


def _telling(signatures: Sequence[nft.Rule]) -> int | None:
    """Find the one match by whose value all signatures differ; nothing where there is none."""
    if len({tuple(map(_what, marks)) for marks in signatures}) != 1:
        return None
    differing = [
        at for at, found in enumerate(zip(*signatures, strict=True)) if len(set(found)) > 1
    ]
    if len(differing) != 1 or len({marks[differing[0]] for marks in signatures}) < len(signatures):
        return None
    return differing[0]


def _what(statement: nft.Statement) -> tuple[str, str]:
    return (statement.key, statement.mask) if isinstance(statement, nft.Match) else ("", "")


def log_lines(owner: Decision | Exposure, word: str, matches: nft.Rule) -> Iterator[nft.Rule]:
    """Give the rule that logs what matches, where the owner asks for a log."""
    if owner.log is None:
        return
    limit = (nft.Limit(owner.log.rate, owner.log.burst),) if owner.log.rate else ()
    yield (*matches, *limit, nft.LogLine(f"passthru {word} {owner.protocol}: "))
