"""Overlay networks: Nebula, ZeroTier, and what Tailscale says besides WireGuard.

Nebula's header: <https://github.com/slackhq/nebula/blob/master/header/header.go>. ZeroTier's
packet and HELLO: <https://docs.zerotier.com/protocol/>. Tailscale's discovery messages:
<https://github.com/tailscale/tailscale/blob/main/disco/disco.go>. STUN: RFC 8489 section 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from compiler.prove.exchanges import wireguard
from compiler.prove.exchanges.script import (
    Exchange,
    Line,
    Memory,
    Side,
    counted,
    first_wrong,
    noise,
    same,
)

_C, _S = Side.CLIENT, Side.SERVER
Build = Callable[[Memory], bytes]
_DISCO = b"TS\xf0\x9f\x92\xac"
_STUN = 0x2112A442


def _nebula(kind: int, counter: int, side: Side) -> Build:
    """Give a packet: version 1 and kind, subtype, two zero bytes, the peer's index, a counter."""

    def build(memory: Memory) -> bytes:
        handshake = kind == 0
        index = 0 if handshake and side is _C else 7
        head = struct.pack("!BBHIQ", 0x10 | kind, 0, 0, index, counter)
        return head + noise(memory, f"nebula {kind} {side}", 140)

    return build


def _zerotier(verb: int, side: Side) -> Build:
    """Give a packet: ID, both addresses, no hops, a code, and a verb (1: HELLO, 3: OK)."""

    def build(memory: Memory) -> bytes:
        ends = [noise(memory, f"zerotier {one}", 5) for one in (side.other, side)]
        head = noise(memory, f"zerotier id {verb} {side}", 8) + b"".join(ends) + b"\0"
        hello = bytes([10, 1, 12, 0, 2]) + noise(memory, "zerotier identity", 90)
        return head + noise(memory, f"zerotier mac {side}", 8) + bytes([verb]) + hello

    return build


def _disco(kind: int, side: Side) -> Build:
    """Give a discovery message: magic, the sender's key, a nonce, and what is sealed."""

    def build(memory: Memory) -> bytes:
        return _DISCO + noise(memory, f"disco {kind} {side}", 32 + 24 + 16 + 46)

    return build


def _stun_request(memory: Memory) -> bytes:
    return struct.pack("!HHI", 0x0001, 0, _STUN) + noise(memory, "stun", 12)


def _stun_answer(memory: Memory) -> bytes:
    mapped = struct.pack("!HHBBHI", 0x0020, 8, 0, 1, 0x2112 ^ 40000, _STUN ^ 0xCB007101)
    return struct.pack("!HHI", 0x0101, len(mapped), _STUN) + noise(memory, "stun", 12) + mapped


def _hear_stun(kind: int) -> Callable[[Memory, bytes], str]:
    def check(memory: Memory, heard: bytes) -> str:
        return first_wrong(
            same("the type", heard[:2], struct.pack("!H", kind)),
            same("the transaction", heard[8:20], noise(memory, "stun", 12)),
            counted(heard, 2, 2, 20),
        )

    return check


def _line(by: Side, flow: str, says: str, build: Build) -> Line:
    """Give a line whose bytes must arrive as they were sent."""
    return Line(
        by, flow, says, build, lambda memory, heard: same("the packet", heard, build(memory))
    )


def _two(flow: str, says: str, make: Callable[[Side], Build]) -> tuple[Line, ...]:
    return tuple(_line(side, flow, says, make(side)) for side in (_C, _S))


NEBULA = Exchange(
    "nebula.data",
    ("nebula.data",),
    (
        _line(_C, "nebula.data", "handshake, first message", _nebula(0, 1, _C)),
        _line(_S, "nebula.data", "handshake, second message", _nebula(0, 2, _S)),
    ),
    _two("nebula.data", "data", lambda side: _nebula(1, 3, side)),
    reference="Nebula, header.go",
)
ZEROTIER = Exchange(
    "zerotier.data",
    ("zerotier.data",),
    (
        _line(_C, "zerotier.data", "HELLO", _zerotier(1, _C)),
        _line(_S, "zerotier.data", "OK", _zerotier(3, _S)),
    ),
    _two("zerotier.data", "a frame", lambda side: _zerotier(6, side)),
    reference="ZeroTier protocol",
)
_DIRECT = wireguard.exchange("tailscale.direct")
TAILSCALE = Exchange(
    "tailscale.direct",
    ("tailscale.direct",),
    (
        _line(_C, "tailscale.direct", "discovery ping", _disco(1, _C)),
        _line(_S, "tailscale.direct", "discovery pong", _disco(2, _S)),
        *_DIRECT.opening,
    ),
    _DIRECT.data,
    reference="Tailscale, disco.go",
)
STUN = Exchange(
    "tailscale.stun",
    ("tailscale.stun",),
    (
        Line(_C, "tailscale.stun", "binding request", _stun_request, _hear_stun(0x0001)),
        Line(_S, "tailscale.stun", "binding response", _stun_answer, _hear_stun(0x0101)),
    ),
    reference="RFC 8489",
)
EXCHANGES = (NEBULA, ZEROTIER, TAILSCALE, STUN)
