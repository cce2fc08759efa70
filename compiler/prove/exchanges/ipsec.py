"""IPsec: IKE version 1 and 2 on udp/500 and udp/4500, in TCP, and ESP and AH as they are.

IKEv2: RFC 7296 sections 3.1 to 3.10. IKEv1: RFC 2408 section 3, RFC 2409 section 5.1, RFC 3947.
The non-ESP marker, ESP in UDP and keepalives: RFC 3948 sections 2.1 to 2.3. TCP: RFC 9329
sections 3 and 4. ESP: RFC 4303 section 2. AH: RFC 4302 section 2. What is encrypted is noise
here: nobody on the way can read it either.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

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

V1, V2 = 0x10, 0x20
MARKER = b"\0\0\0\0"
KEEPALIVE = b"\xff"
#: RFC 9329 section 4: the stream prefix; each message has its length before it (section 3).
STREAM = b"IKETCP"
_SA_INIT, _AUTH, _MAIN_MODE = 34, 35, 2
_SA, _KE, _NONCE, _NOTIFY, _SK = 33, 34, 40, 41, 46
_SA1, _KE1, _ID1, _NONCE1, _VENDOR, _NATD = 1, 4, 5, 10, 13, 20
#: Vendor ID of RFC 3947 section 3.1.
_RFC3947 = bytes.fromhex("4a131c81070358455c5728f20e95452f")
_RESERVED_SPIS = 256
_C, _S = Side.CLIENT, Side.SERVER
Check = Callable[[Memory, bytes], str]
Build = Callable[[Memory], bytes]


def header(
    spis: bytes, first: int, version: int, kind: int, flags: int, number: int, body: bytes
) -> bytes:
    """Give an IKE message: the header, which both versions share, and the payloads."""
    return spis + struct.pack("!BBBBII", first, version, kind, flags, number, 28 + len(body)) + body


def payloads(*parts: tuple[int, bytes]) -> bytes:
    """Chain payloads; each names the kind of the one behind it."""
    kinds = [*(kind for kind, _ in parts[1:]), 0]
    return b"".join(
        struct.pack("!BBH", after, 0, 4 + len(body)) + body
        for after, (_, body) in zip(kinds, parts, strict=True)
    )


def _spi(memory: Memory, side: Side) -> bytes:
    return b"\x11" + noise(memory, f"ike {side}", 7)


def _proposal2() -> bytes:
    """Propose AES-CBC-256, HMAC-SHA2-256 and MODP-2048 (RFC 7296 section 3.3)."""
    offered = [(1, 12, b"\x80\x0e\x01\x00"), (2, 5, b""), (3, 12, b""), (4, 14, b"")]
    last = len(offered) - 1
    found = b"".join(
        struct.pack("!BBHBBH", 0 if n == last else 3, 0, 8 + len(a), kind, 0, number) + a
        for n, (kind, number, a) in enumerate(offered)
    )
    return struct.pack("!BBHBBBB", 0, 0, 8 + len(found), 1, 1, 0, len(offered)) + found


def _init2(side: Side) -> Build:
    def build(memory: Memory) -> bytes:
        answer = side is _S
        spis = (
            memory.get("spi", bytes(8)) + _spi(memory, _S)
            if answer
            else _spi(memory, _C) + bytes(8)
        )
        detection = [
            (_NOTIFY, struct.pack("!BBH", 0, 0, kind) + noise(memory, f"{side} {kind}", 20))
            for kind in (16388, 16389)
        ]
        parts = (
            (_SA, _proposal2()),
            (_KE, struct.pack("!HH", 14, 0) + noise(memory, f"{side} ke", 256)),
            (_NONCE, noise(memory, f"{side} nonce", 32)),
            *detection,
        )
        flags = 0x20 if answer else 0x08
        return header(spis, _SA, V2, _SA_INIT, flags, 0, payloads(*parts))

    return build


def _auth2(side: Side) -> Build:
    def build(memory: Memory) -> bytes:
        body = payloads((_SK, noise(memory, f"{side} auth", 224)))
        return header(_both(memory, side), _SK, V2, _AUTH, 0x20 if side is _S else 0x08, 1, body)

    return build


def _both(memory: Memory, side: Side) -> bytes:
    """Give both SPIs as a side knows them."""
    peer = memory.get("spi", bytes(8))
    return peer + _spi(memory, _S) if side is _S else _spi(memory, _C) + peer


def _init1(side: Side) -> Build:
    def build(memory: Memory) -> bytes:
        # AES-CBC-256, SHA2-256, shared key, MODP-2048 (RFC 2409 appendix A)
        offered = struct.pack("!BBHBBH", 0, 0, 28, 1, 1, 0) + bytes.fromhex(
            "8001000780020004800300018004000e800e0100"
        )
        proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(offered), 1, 1, 0, 1) + offered
        body = payloads((_SA1, struct.pack("!II", 1, 1) + proposal), (_VENDOR, _RFC3947))
        spis = _both(memory, side) if side is _S else _spi(memory, _C) + bytes(8)
        return header(spis, _SA1, V1, _MAIN_MODE, 0, 0, body)

    return build


def _keys1(side: Side) -> Build:
    def build(memory: Memory) -> bytes:
        parts = (
            (_KE1, noise(memory, f"{side} ke1", 256)),
            (_NONCE1, noise(memory, f"{side} nonce1", 32)),
            *((_NATD, noise(memory, f"{side} natd {n}", 32)) for n in (1, 2)),
        )
        return header(_both(memory, side), _KE1, V1, _MAIN_MODE, 0, 0, payloads(*parts))

    return build


def _identity1(side: Side) -> Build:
    def build(memory: Memory) -> bytes:
        body = noise(memory, f"{side} identity", 64)
        return header(_both(memory, side), _ID1, V1, _MAIN_MODE, 1, 0, body)

    return build


def _hear(version: int, kind: int, listener: Side, *, first: bool = False) -> Check:
    """Check an IKE message, and learn the peer's SPI from its first."""

    def check(memory: Memory, heard: bytes) -> str:
        if first:
            memory["spi"] = heard[:8] if listener is _S else heard[8:16]
        own = _spi(memory, listener)
        found = heard[:8] if listener is _C else heard[8:16]
        mine = "" if first and listener is _S else same("the SPI that comes back", found, own)
        return first_wrong(
            same("the version", heard[17:18], bytes([version])),
            same("the exchange", heard[18:19], bytes([kind])),
            counted(heard, 24, 4),
            mine,
        )

    return check


_Line = tuple[Side, str, Build, Check]
_IKEV2: tuple[_Line, ...] = (
    (_C, "IKE_SA_INIT request", _init2(_C), _hear(V2, _SA_INIT, _S, first=True)),
    (_S, "IKE_SA_INIT response", _init2(_S), _hear(V2, _SA_INIT, _C, first=True)),
    (_C, "IKE_AUTH request", _auth2(_C), _hear(V2, _AUTH, _S)),
    (_S, "IKE_AUTH response", _auth2(_S), _hear(V2, _AUTH, _C)),
)
_IKEV1: tuple[_Line, ...] = (
    (_C, "main mode, proposal", _init1(_C), _hear(V1, _MAIN_MODE, _S, first=True)),
    (_S, "main mode, choice", _init1(_S), _hear(V1, _MAIN_MODE, _C, first=True)),
    (_C, "main mode, keys", _keys1(_C), _hear(V1, _MAIN_MODE, _S)),
    (_S, "main mode, keys", _keys1(_S), _hear(V1, _MAIN_MODE, _C)),
    (_C, "main mode, identity", _identity1(_C), _hear(V1, _MAIN_MODE, _S)),
    (_S, "main mode, identity", _identity1(_S), _hear(V1, _MAIN_MODE, _C)),
)


def _lines(flow: str, found: tuple[_Line, ...], mark: bytes = b"") -> tuple[Line, ...]:
    return tuple(
        Line(by, flow, says, _marked(build, mark), _unmarked(check, mark))
        for by, says, build, check in found
    )


def _marked(build: Build, mark: bytes) -> Build:
    return lambda memory: mark + build(memory)


def _unmarked(check: Check, mark: bytes) -> Check:
    def unmarked(memory: Memory, heard: bytes) -> str:
        wrong = same("the non-ESP marker", heard[: len(mark)], mark)
        return wrong or check(memory, heard[len(mark) :])

    return unmarked


def esp(memory: Memory, side: Side, size: int = 96) -> bytes:
    """Give an ESP packet: SPI, sequence number, what is encrypted."""
    spi = _RESERVED_SPIS + int.from_bytes(noise(memory, f"esp {side}", 3), "big")
    return struct.pack("!II", spi, 1) + noise(memory, f"esp data {side}", size)


def _esp(side: Side) -> Build:
    return lambda memory: esp(memory, side)


def _hear_esp(speaker: Side) -> Check:
    return lambda memory, heard: same("SPI and data", heard, esp(memory, speaker))


def _hear_keepalive(memory: Memory, heard: bytes) -> str:
    del memory
    return same("the keepalive", heard, KEEPALIVE)


def _esp_lines(flow: str, what: str) -> tuple[Line, ...]:
    return tuple(Line(side, flow, what, _esp(side), _hear_esp(side)) for side in (_C, _S))


def _ah(side: Side) -> Build:
    """Give an AH packet: next header 99 (any private encryption), which no port filter reads."""

    def build(memory: Memory) -> bytes:
        head = struct.pack("!BBHII", 99, 4, 0, 1000, 1)
        return head + noise(memory, f"icv {side}", 12) + b"what anybody may read"

    return build


def _hear_ah(speaker: Side) -> Check:
    return lambda memory, heard: same("the packet", heard, _ah(speaker)(memory))


def _framed(build: Build, *, prefix: bool) -> Build:
    """Put a message into the stream: the prefix once, then length and non-ESP marker."""

    def framed(memory: Memory) -> bytes:
        body = MARKER + build(memory)
        return (STREAM if prefix else b"") + struct.pack("!H", 2 + len(body)) + body

    return framed


def _unframed(check: Check, *, prefix: bool) -> Check:
    def unframed(memory: Memory, heard: bytes) -> str:
        start = STREAM if prefix else b""
        body = heard[len(start) :]
        return first_wrong(
            same("the stream prefix", heard[: len(start)], start),
            counted(body, 0, 2),
            same("the non-ESP marker", body[2:6], MARKER),
        ) or check(memory, body[6:])

    return unframed


IKEV1 = Exchange(
    "ikev1.ike", ("ikev1.ike",), _lines("ikev1.ike", _IKEV1), source_port=500, reference="RFC 2409"
)
IKEV2 = Exchange(
    "ikev2.ike", ("ikev2.ike",), _lines("ikev2.ike", _IKEV2), source_port=500, reference="RFC 7296"
)
IKEV1_NATT = Exchange(
    "ikev1.natt",
    ("ikev1.natt",),
    _lines("ikev1.natt", _IKEV1, MARKER),
    source_port=4500,
    reference="RFC 3947",
)
IKEV2_NATT = Exchange(
    "ikev2.natt",
    ("ikev2.natt",),
    _lines("ikev2.natt", _IKEV2, MARKER),
    source_port=4500,
    reference="RFC 7296 section 2.23",
)
IKEV2_TCP = Exchange(
    "ikev2.tcp",
    ("ikev2.tcp",),
    tuple(
        Line(by, "ikev2.tcp", says, _framed(build, prefix=n == 0), _unframed(check, prefix=n == 0))
        for n, (by, says, build, check) in enumerate(_IKEV2)
    ),
    reference="RFC 9329",
)
ESP_UDP = Exchange(
    "ipsec.esp-udp",
    ("ipsec.esp-udp",),
    (),
    data=_esp_lines("ipsec.esp-udp", "ESP in UDP"),
    closing=(Line(_C, "ipsec.esp-udp", "NAT-T keepalive", lambda _: KEEPALIVE, _hear_keepalive),),
    source_port=4500,
    reference="RFC 3948",
)
ESP = Exchange(
    "ipsec.esp", ("ipsec.esp",), (), data=_esp_lines("ipsec.esp", "ESP"), reference="RFC 4303"
)
AH = Exchange(
    "ah.ah",
    ("ah.ah",),
    (),
    data=tuple(Line(side, "ah.ah", "AH", _ah(side), _hear_ah(side)) for side in (_C, _S)),
    reference="RFC 4302",
)
EXCHANGES = (IKEV1, IKEV2, IKEV1_NATT, IKEV2_NATT, IKEV2_TCP, ESP_UDP, ESP, AH)
