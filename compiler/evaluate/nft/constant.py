"""Constants of the listing: the right-hand sides of matches and the elements of sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from ipaddress import ip_address, ip_network
from operator import or_
from typing import Any

from compiler.evaluate import names
from compiler.evaluate.connection import STATUS
from compiler.evaluate.elements import Key
from compiler.evaluate.packet import STATES
from compiler.evaluate.value import NAME_BITS, Span, name_span


class NotUnderstoodError(Exception):
    """A part of a rule says something that this reader does not know. Never leaves this folder."""


@dataclass(frozen=True, slots=True)
class Type:
    """What the words of an expression mean; ``flags``: several may be set at once."""

    name: str
    width: int
    words: Mapping[str, int] = field(default_factory=dict)
    flags: bool = False


NAME = Type("interface name", NAME_BITS)
IP4, IP6 = Type("IPv4 address", 32), Type("IPv6 address", 128)
PORT, MARK = Type("port", 16), Type("mark", 32)
LAYER4 = Type("protocol", 8, names.LAYER4)
FAMILY = Type("family", 8, names.FAMILIES)
ETHERTYPE = Type("ethertype", 16, names.ETHERTYPES)
STATE = Type("connection state", 32, STATES, flags=True)
CT_STATUS = Type("connection status", 32, STATUS, flags=True)
DIRECTION = Type("direction", 8, names.DIRECTIONS)
TCP_FLAGS = Type("TCP flags", 8, names.TCP_FLAGS, flags=True)
ICMP_TYPE = Type("ICMP type", 8, names.ICMP_TYPES)
ICMPV6_TYPE = Type("ICMPv6 type", 8, names.ICMPV6_TYPES)
ICMP_CODE = Type("ICMP code", 8, names.ICMP_CODES)
ICMPV6_CODE = Type("ICMPv6 code", 8, names.ICMPV6_CODES)
DSCP = Type("DSCP", 6, names.DSCP)
ROUTE = Type("address kind", 32, names.ROUTES)
PACKET_TYPE = Type("packet type", 8, names.PACKET_TYPES)
BOOL = Type("boolean", 1, names.BOOLEANS)


def integer(width: int) -> Type:
    """Give the type of plain numbers."""
    return Type("number", width)


def number(data: Any, type_: Type) -> int:
    """Read one number, word, address or list of flags."""
    if isinstance(data, bool):
        return int(data)
    if isinstance(data, int):
        # nft lists numbers of 64 bits as if they had a sign
        return data + (1 << 64) if data < 0 else data
    if isinstance(data, list):
        return reduce(or_, (number(item, type_) for item in data), 0)
    if isinstance(data, dict) and len(data) == 1:
        (word, parts), *_ = data.items()
        if word == "|":
            return reduce(or_, (number(part, type_) for part in parts), 0)
    if isinstance(data, str):
        return _word(data, type_)
    raise NotUnderstoodError(f"this {type_.name} is not understood: {data}")


def _word(text: str, type_: Type) -> int:
    if text in type_.words:
        return type_.words[text]
    try:
        if type_ in (IP4, IP6):
            return int(ip_address(text))
        if type_ is NAME:
            return name_span(text).low
        return int(text, 0)
    except ValueError:
        raise NotUnderstoodError(f"'{text}' is no known {type_.name}") from None


def span(data: Any, type_: Type) -> Span:
    """Read a number, a range or a prefix."""
    if isinstance(data, dict) and "range" in data:
        first, last = data["range"]
        return Span(number(first, type_), number(last, type_))
    if isinstance(data, dict) and "prefix" in data:
        inner = data["prefix"]
        return _prefix(inner["addr"], int(inner["len"]), type_)
    if type_ is NAME and isinstance(data, str):
        return name_span(data)
    return Span.of(number(data, type_))


def _prefix(address: Any, length: int, type_: Type) -> Span:
    if type_ in (IP4, IP6):
        network = ip_network(f"{address}/{length}", strict=False)
        return Span(int(network.network_address), int(network.broadcast_address))
    host = (1 << type_.width - length) - 1
    start = number(address, type_) & ~host
    return Span(start, start | host)


def key(data: Any, types: Sequence[Type]) -> Key:
    """Read the key of an element: as many parts as the expression that is looked up."""
    while isinstance(data, dict) and "elem" in data:
        data = data["elem"]["val"]
    parts = data["concat"] if isinstance(data, dict) and "concat" in data else [data]
    if len(parts) != len(types):
        raise NotUnderstoodError(f"an element has {len(parts)} parts where {len(types)} are asked")
    return tuple(span(part, type_) for part, type_ in zip(parts, types, strict=True))
