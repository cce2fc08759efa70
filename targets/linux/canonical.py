"""One spelling for each value, whichever way a file or ``nft list`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Any

from compiler.model.protocol import LAYER4_NAMES
from targets.linux import nft

_DIRECTION = {str(number): word for word, number in nft.DIRECTIONS.items()}
_NFPROTO = {str(number): word for word, number in nft.NFPROTO.items()}
_WORDS = {
    "ct direction": _DIRECTION,
    "ct_dir": _DIRECTION,
    "meta nfproto": _NFPROTO,
    "nf_proto": _NFPROTO,
}
_LAYER4_KEYS = frozenset({"meta l4proto", "inet_proto"})
_NAME_KEYS = frozenset({"iifname", "oifname", "ifname"})
_LABELS = frozenset({"tcp", "udp", "gre", "esp", "ah", "sctp"})
#: The names of IANA's registry "Assigned Internet Protocol Numbers" as netbase has them in
#: /etc/protocols, which nft prints; the machine that reads a listing may have another file.
_PROTOCOL_NAMES = {
    "ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6,
    "egp": 8, "igp": 9, "pup": 12, "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29,
    "dccp": 33, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43,
    "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ipsec-esp": 50, "ah": 51,
    "ipsec-ah": 51, "skip": 57, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
    "rspf": 73, "cphb": 73, "vmtp": 81, "eigrp": 88, "ospf": 89, "ospfigp": 89, "ax.25": 93,
    "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "comp": 108, "vrrp": 112,
    "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133, "mobility-header": 135, "udplite": 136,
    "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142,
    "ipip": 94, "ethernet": 143,
}  # fmt: skip
_RAW = re.compile(r"@th,(\d+),(\d+)")
_LARGEST_RAW = 16


def canonical_value(expression: str, text: str) -> str:
    """Give the canonical spelling of one value of an expression.

    Raises:
        ValueError: the text is no value of the expression.
    """
    if expression in _NAME_KEYS:
        return text if text.startswith('"') else f'"{text}"'
    text = text.strip('"')
    if expression in _WORDS:
        return _WORDS[expression].get(text, text)
    if expression in _LAYER4_KEYS:
        return layer4_word(_protocol_number(text))
    if expression.startswith("@"):
        return hex(int(text, 0))
    if expression.endswith(("saddr", "daddr", "v4_addr", "v6_addr")) and "-" not in text:
        return _address(text)
    return text


def canonical_list(expression: str, values: Iterable[str]) -> tuple[str, ...]:
    """Give the canonical form of a list or of a set's elements: no two that touch, in order.

    nft joins port ranges that touch in a list in braces, and may join networks.
    """
    if expression.endswith(("dport", "sport")):
        values = _joined_ports(values)
    elif expression in ("ip daddr", "ip6 daddr"):
        found = [network for value in values for network in _networks(value)]
        values = [network_word(network) for network in collapse_addresses(found)]
    return tuple(sorted(set(values), key=element_order))


def joined_raw(rule: nft.Rule) -> nft.Rule:
    """Give a rule whose raw payload matches are as long as nft allows (16 bytes).

    nft joins matches of bytes that touch when it lists a rule, how many depends on the release.
    """
    found: list[nft.Statement] = []
    for statement in rule:
        joined = _join(found[-1], statement) if found else None
        if joined is None:
            found.append(statement)
        else:
            found[-1:] = joined
    return tuple(found)


def _join(one: nft.Statement, other: nft.Statement) -> list[nft.Match] | None:
    first, second = _raw_bytes(one), _raw_bytes(other)
    if first is None or second is None or first[0] + len(first[1]) != second[0]:
        return None
    start, both = first[0], first[1] + second[1]
    cuts = range(0, len(both), _LARGEST_RAW)
    return [raw_match(start + at, both[at : at + _LARGEST_RAW]) for at in cuts]


def raw_match(at: int, value: bytes, mask: bytes = b"") -> nft.Match:
    """Match bytes at a distance from the beginning of the transport header."""
    masked = hex(int.from_bytes(mask)) if mask and set(mask) != {0xFF} else ""
    number = int.from_bytes(value) & (int(masked, 0) if masked else -1)
    return nft.Match(f"@th,{at * 8},{len(value) * 8}", (hex(number),), "", masked)


def _raw_bytes(statement: nft.Statement) -> tuple[int, bytes] | None:
    if not isinstance(statement, nft.Match) or statement.mask or len(statement.values) != 1:
        return None
    found = _RAW.fullmatch(statement.key)
    if found is None or int(found[1]) % 8 or int(found[2]) % 8:
        return None
    return int(found[1]) // 8, int(statement.values[0], 0).to_bytes(int(found[2]) // 8)


def _joined_ports(values: Iterable[str]) -> Iterator[str]:
    spans: list[tuple[int, int]] = []
    for first, last in sorted(map(_port_span, values)):
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    for first, last in spans:
        yield str(first) if first == last else f"{first}-{last}"


def _port_span(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _networks(text: str) -> Iterator[Any]:
    first, dash, last = text.partition("-")
    if dash:
        yield from summarize_address_range(ip_address(first), ip_address(last))
    else:
        yield ip_network(text)


def layer4_word(number: int) -> str:
    """Spell a layer-4 protocol: by number, because nft knows names only from /etc/protocols.

    Small systems lack that file (Debian's nftables does not depend on netbase).
    """
    return str(number)


def layer4_label(number: int) -> str:
    """Name a layer-4 protocol for the name of a chain: ``tcp``, ``gre``, else its number."""
    name = LAYER4_NAMES.get(number, "")
    return name if name in _LABELS else str(number)


def network_word(network: IPv4Network | IPv6Network) -> str:
    """Spell a network: a single address without its prefix length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def range_word(first: int, last: int, version: int) -> str:
    """Spell a range of addresses as nft lists it in a set: a network where it is one."""
    size = 32 if version == 4 else 128
    count = last - first + 1
    one = IPv4Address if version == 4 else IPv6Address
    if count & (count - 1) or first % count:
        return f"{one(first)}-{one(last)}"
    prefix = size + 1 - count.bit_length()
    return str(one(first)) if count == 1 else f"{one(first)}/{prefix}"


def element_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """Order elements by number where they are numbers or addresses, else by text."""
    return tuple(_part_order(part) for part in text.split(" . "))


def _part_order(part: str) -> tuple[int, int, str]:
    head, dash, _ = part.partition("-") if not part.startswith('"') else (part, "", "")
    if head.isdigit():
        return (0, int(head), part)
    try:
        network = ip_network(head if dash else part)
    except ValueError:
        return (2, 0, part)
    return (1, int(network.network_address), part)


def _protocol_number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text.lower() not in _PROTOCOL_NAMES:
        raise ValueError(f"'{text}' is not an IP protocol")
    return _PROTOCOL_NAMES[text.lower()]


def _address(text: str) -> str:
    return network_word(ip_network(text)) if "/" in text else str(ip_address(text))
