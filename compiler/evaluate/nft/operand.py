"""Expressions of the listing, compiled to readers: what a rule looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.evaluate import lookups
from compiler.evaluate.nft import constant as c
from compiler.evaluate.nft.headers import HEADERS, fits
from compiler.evaluate.value import Value, name_value
from compiler.evaluate.way import Reader, Way


@dataclass(frozen=True, slots=True)
class Operand:
    """A value of the packet and the type that its constants have; why it cannot be known."""

    read: Reader
    type: c.Type
    reason: str = ""


def _unknowable(reason: str, width: int = 128) -> Operand:
    return Operand(lookups.unknown(width, reason), c.integer(width), reason)


def operands(data: Any, family: str) -> tuple[Operand, ...]:
    """Compile an expression; a concatenation gives several."""
    if isinstance(data, dict) and "concat" in data:
        return tuple(operand(part, family) for part in data["concat"])
    return (operand(data, family),)


def operand(data: Any, family: str) -> Operand:
    """Compile one expression of a table of a family.

    Raises:
        NotUnderstoodError: it is none that this reader knows.
    """
    if not isinstance(data, dict) or len(data) != 1:
        raise c.NotUnderstoodError(f"this expression is not understood: {data}")
    ((word, inner),) = data.items()
    compile_ = _COMPILERS.get(word)
    if compile_ is None:
        raise c.NotUnderstoodError(f"'{word}' expressions are not understood")
    return compile_(inner, family)


def _payload(inner: Any, family: str) -> Operand:
    if "base" in inner:
        base, offset, width = str(inner["base"]), int(inner["offset"]), int(inner["len"])
        if base not in ("nh", "th"):
            return _unknowable(f"what stands at @{base} is not known", width)
        return Operand(lookups.bits(base, offset, width), c.integer(width))
    protocol, name = str(inner["protocol"]), str(inner["field"])
    fields = HEADERS.get(protocol)
    if fields is None or name not in fields:
        return _unknowable(f"{protocol} {name} is not understood")
    base, offset, type_ = fields[name]
    inside = lookups.bits(base, offset, type_.width)
    return Operand(lambda way: inside(way) if fits(protocol, way) else None, type_)


_META: Mapping[str, tuple[Reader, c.Type]] = {
    "mark": (lambda way: way.mark, c.MARK),
    "iifname": (lambda way: way.interface(incoming=True), c.NAME),
    "oifname": (lambda way: way.interface(incoming=False), c.NAME),
    "iif": (lambda way: way.interface(incoming=True), c.NAME),
    "oif": (lambda way: way.interface(incoming=False), c.NAME),
    "nfproto": (lookups.family, c.FAMILY),
    "l4proto": (lookups.layer4, c.LAYER4),
    "length": (lookups.length, c.integer(32)),
    "pkttype": (lookups.packet_type, c.PACKET_TYPE),
    "protocol": (
        lambda way: Value.of(0x0800 if way.packet.family == "ip" else 0x86DD, 16),
        c.ETHERTYPE,
    ),
}


def _meta(inner: Any, family: str) -> Operand:
    name = str(inner["key"])
    if name in _META:
        return Operand(*_META[name])
    return _unknowable(f"meta {name} is not known")


def _connection(inner: Any, family: str) -> Operand:
    name = str(inner["key"])
    if name == "state":
        return Operand(lambda way: Value.of(way.connection.state_bit, 32), c.STATE)
    entry = _connection_entry(name, str(inner.get("dir", "original")), family)
    if entry is None:
        return _unknowable(f"ct {name} is not known")
    read, type_ = entry
    return Operand(lambda way: read(way) if way.connection.exists else None, type_)


def _connection_entry(name: str, direction: str, family: str) -> tuple[Reader, c.Type] | None:
    asked, _, end = name.rpartition(" ")
    if end in ("saddr", "daddr"):
        asked = asked or family
        return _end(direction, end, asked), c.IP4 if asked == "ip" else c.IP6
    if name in ("proto-src", "proto-dst"):
        return _end(direction, name, ""), c.PORT
    return _ENTRY.get(name)


def _end(direction: str, name: str, family: str) -> Reader:
    def read(way: Way) -> Value | None:
        if family and way.packet.family != family:
            return None
        entry = way.connection
        return (entry.answers if direction == "reply" else entry.original)[name]

    return read


def _helper(way: Way) -> Value | None:
    master = way.connection.master_helper
    return name_value(master) if master else None


_ENTRY: Mapping[str, tuple[Reader, c.Type]] = {
    "direction": (lambda way: Value.of(int(way.packet.reply), 8), c.DIRECTION),
    "status": (lambda way: way.connection.status, c.CT_STATUS),
    "mark": (lambda way: way.connection.mark, c.MARK),
    "helper": (_helper, c.NAME),
    "l3proto": (lookups.family, c.FAMILY),
    "protocol": (lookups.layer4, c.LAYER4),
}


def _fib(inner: Any, family: str) -> Operand:
    flags, result = set(inner.get("flags", ())), inner.get("result")
    if result == "type" and len(flags & {"saddr", "daddr"}) == 1 and "oif" not in flags:
        there, on_interface = "daddr" in flags, "iif" in flags
        return Operand(
            lambda way: lookups.address_kind(way, destination=there, on_interface=on_interface),
            c.ROUTE,
        )
    if {"saddr", "iif"} <= flags <= {"saddr", "iif", "mark"} and result in (
        "oif",
        "oifname",
        "check",
    ):
        return Operand(lookups.routed_back, c.BOOL)
    return _unknowable("what the routing table says is not known")


def _extension(inner: Any, family: str) -> Operand:
    if "field" in inner:
        return Operand(lambda way: None, c.integer(128))
    absent = Value.of(0, 1)
    return Operand(lambda way: absent if way.packet.family == "ip6" else None, c.BOOL)


def _tcp_option(inner: Any, family: str) -> Operand:
    return _unknowable("TCP options are not known")


def _masked(inner: Any, family: str) -> Operand:
    left = operand(inner[0], family)
    mask = c.number(inner[1], left.type)
    return _changed(left, mask, 0)


def _set_bits(inner: Any, family: str) -> Operand:
    left = operand(inner[0], family)
    more = c.number(inner[1], left.type)
    return _changed(left, ~more, more)


def _flipped(inner: Any, family: str) -> Operand:
    left = operand(inner[0], family)
    return _changed(left, -1, c.number(inner[1], left.type))


def _changed(left: Operand, mask: int, flip: int) -> Operand:
    def read(way: Way) -> Value | None:
        value = left.read(way)
        return None if value is None else value.masked(mask, flip)

    return Operand(read, left.type)


def _outside(word: str) -> Callable[[Any, str], Operand]:
    return lambda inner, family: _unknowable(f"what '{word}' gives is not known")


_COMPILERS: Mapping[str, Callable[[Any, str], Operand]] = {
    "payload": _payload,
    "meta": _meta,
    "ct": _connection,
    "fib": _fib,
    "exthdr": _extension,
    "tcp option": _tcp_option,
    "&": _masked,
    "|": _set_bits,
    "^": _flipped,
} | {
    word: _outside(word) for word in ("rt", "socket", "osf", "numgen", "jhash", "symhash", "ipsec")
}
