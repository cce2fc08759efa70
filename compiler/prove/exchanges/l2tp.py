"""L2TPv2 over UDP (RFC 2661), and L2TPv3 directly over IP (RFC 3931, protocol 115).

Header: RFC 2661 section 3.1; attributes (AVPs): sections 4.1 and 4.4; the order of messages:
section 5. RFC 3931 section 4.1.1 has L2TPv3's session header over IP: a session ID of zero marks
control.
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

TUNNEL, IP = "l2tp.tunnel", "l2tpv3.ip"
_SCCRQ, _SCCRP, _SCCCN, _STOP, _ICRQ, _ICRP, _ICCN = 1, 2, 3, 4, 10, 11, 12
#: Flags: control, with length and sequence numbers; version 2 or 3.
_CONTROL2, _DATA2, _CONTROL3 = 0xC802, 0x0002, 0xC803
_LCP = bytes.fromhex("ff03c021") + b"\x01\x01\x00\x04"


def avp(kind: int, value: bytes) -> bytes:
    """Give a mandatory attribute of the IETF."""
    return struct.pack("!HHH", 0x8000 | (6 + len(value)), 0, kind) + value


def control(ids: bytes, sent: int, received: int, *avps: bytes) -> bytes:
    """Give a control message to a peer's tunnel and session; without AVPs, an acknowledgment."""
    body = b"".join(avps)
    return (
        struct.pack("!HH", _CONTROL2, 12 + len(body))
        + ids
        + struct.pack("!HH", sent, received)
        + body
    )


def _kind(number: int) -> bytes:
    return avp(0, struct.pack("!H", number))


def _own(memory: Memory, side: Side, what: str) -> bytes:
    """Choose an ID of 16 bits that is not zero."""
    return b"\x21" + noise(memory, f"l2tp {side} {what}", 1)


def _peer(memory: Memory, what: str) -> bytes:
    return memory.get(what, b"\0\0")


def _sccrq(memory: Memory) -> bytes:
    # The host name tells talks apart, and who made it knows the seed.
    name = b"client-" + noise(memory, "l2tp host", 8).hex().encode()
    return control(
        b"\0\0\0\0", 0, 0, _kind(_SCCRQ), avp(2, b"\x01\x00"), avp(3, struct.pack("!I", 3)),
        avp(7, name), avp(9, _own(memory, Side.CLIENT, "tunnel")), avp(10, b"\0\x04"),
    )  # fmt: skip


def _sccrp(memory: Memory) -> bytes:
    return control(
        _peer(memory, "tunnel") + b"\0\0", 0, 1, _kind(_SCCRP), avp(2, b"\x01\x00"),
        avp(3, struct.pack("!I", 3)), avp(7, b"server"),
        avp(9, _own(memory, Side.SERVER, "tunnel")), avp(10, b"\0\x04"),
    )  # fmt: skip


def _scccn(memory: Memory) -> bytes:
    return control(_peer(memory, "tunnel") + b"\0\0", 1, 1, _kind(_SCCCN))


def _icrq(memory: Memory) -> bytes:
    session = _own(memory, Side.CLIENT, "session")
    serial = avp(15, struct.pack("!I", 1))
    return control(_peer(memory, "tunnel") + b"\0\0", 2, 1, _kind(_ICRQ), avp(14, session), serial)


def _icrp(memory: Memory) -> bytes:
    session = avp(14, _own(memory, Side.SERVER, "session"))
    return control(_peer(memory, "tunnel") + _peer(memory, "session"), 1, 3, _kind(_ICRP), session)


def _iccn(memory: Memory) -> bytes:
    to = _peer(memory, "tunnel") + _peer(memory, "session")
    return control(to, 3, 2, _kind(_ICCN), avp(24, b"\0\x98\x96\x80"), avp(19, b"\0\0\0\x01"))


def _stop(memory: Memory) -> bytes:
    own = avp(9, _own(memory, Side.CLIENT, "tunnel"))
    return control(_peer(memory, "tunnel") + b"\0\0", 4, 2, _kind(_STOP), own, avp(1, b"\0\x01"))


def _acknowledged(received: int) -> Callable[[Memory], bytes]:
    return lambda memory: control(_peer(memory, "tunnel") + b"\0\0", 2, received)


def _data(memory: Memory) -> bytes:
    ids = _peer(memory, "tunnel") + _peer(memory, "session")
    return struct.pack("!H", _DATA2) + ids + _LCP


def _hear(
    listener: Side, kind: int = 0, learns: tuple[int, str] = (0, ""), *, tunnel: bool = True
) -> Callable[[Memory, bytes], str]:
    """Check a control message of a kind (0: an acknowledgment); learn an ID that it assigns."""

    def check(memory: Memory, heard: bytes) -> str:
        attribute, name = learns
        if name:
            memory[name] = _find(heard, attribute)
        own = _own(memory, listener, "tunnel") if tunnel else b"\0\0"
        return first_wrong(
            same("flags and version", heard[:2], struct.pack("!H", _CONTROL2)),
            counted(heard, 2, 2),
            same("the tunnel ID", heard[4:6], own),
            same("the message type", _find(heard, 0), struct.pack("!H", kind) if kind else b""),
        )

    return check


def _hear_data(listener: Side) -> Callable[[Memory, bytes], str]:
    def check(memory: Memory, heard: bytes) -> str:
        own = _own(memory, listener, "tunnel") + _own(memory, listener, "session")
        wanted = struct.pack("!H", _DATA2) + own + _LCP
        return same("the packet", heard, wanted)

    return check


def _find(heard: bytes, kind: int) -> bytes:
    """Find the value of an attribute; empty when it is not there."""
    at = 12
    while at + 6 <= len(heard):
        size, vendor, found = struct.unpack("!HHH", heard[at : at + 6])
        size &= 0x3FF
        if (vendor, found) == (0, kind):
            return heard[at + 6 : at + size]
        if size < 6:
            break
        at += size
    return b""


def _line(
    by: Side, says: str, build: Callable[[Memory], bytes], check: Callable[[Memory, bytes], str]
) -> Line:
    return Line(by, TUNNEL, says, build, check)


_C, _S = Side.CLIENT, Side.SERVER
L2TP = Exchange(
    "l2tp",
    (TUNNEL,),
    opening=(
        _line(_C, "SCCRQ", _sccrq, _hear(_S, _SCCRQ, (9, "tunnel"), tunnel=False)),
        _line(_S, "SCCRP", _sccrp, _hear(_C, _SCCRP, (9, "tunnel"))),
        _line(_C, "SCCCN", _scccn, _hear(_S, _SCCCN)),
        _line(_S, "acknowledgment", _acknowledged(2), _hear(_C)),
        _line(_C, "ICRQ", _icrq, _hear(_S, _ICRQ, (14, "session"))),
        _line(_S, "ICRP", _icrp, _hear(_C, _ICRP, (14, "session"))),
        _line(_C, "ICCN", _iccn, _hear(_S, _ICCN)),
        _line(_S, "acknowledgment", _acknowledged(4), _hear(_C)),
    ),
    data=(
        _line(_C, "PPP in L2TP", _data, _hear_data(_S)),
        _line(_S, "PPP in L2TP", _data, _hear_data(_C)),
    ),
    closing=(
        _line(_C, "StopCCN", _stop, _hear(_S, _STOP)),
        _line(_S, "acknowledgment", _acknowledged(5), _hear(_C)),
    ),
    source_port=1701,
    reference="RFC 2661",
)


def _control3(kind: int, side: Side) -> Callable[[Memory], bytes]:
    """Give a control message over IP: zero, then the header with a control connection ID."""

    def build(memory: Memory) -> bytes:
        own = noise(memory, f"l2tpv3 {side}", 4)
        name = b"passthru-" + noise(memory, f"l2tpv3 host {side}", 8).hex().encode()
        body = _kind(kind) + avp(7, name) + avp(61, own) + avp(62, b"\0\x05")
        peer = memory.get("connection", b"\0" * 4)
        head = struct.pack("!HH", _CONTROL3, 12 + len(body))
        return b"\0" * 4 + head + peer + struct.pack("!HH", 0, int(side is _S)) + body

    return build


def _hear3(kind: int, listener: Side) -> Callable[[Memory, bytes], str]:
    def check(memory: Memory, heard: bytes) -> str:
        inner = heard[4:]
        memory["connection"] = _find(inner, 61)
        own = noise(memory, f"l2tpv3 {listener}", 4) if listener is _C else b"\0" * 4
        return first_wrong(
            same("the session ID of control", heard[:4], b"\0" * 4),
            same("flags and version", inner[:2], struct.pack("!H", _CONTROL3)),
            counted(inner, 2, 2),
            same("the connection ID", inner[4:8], own),
            same("the message type", _find(inner, 0), struct.pack("!H", kind)),
        )

    return check


#: An Ethernet frame to everybody.
_FRAME = b"\xff" * 12 + b"\x08\x00" + b"frame" * 9


def _frame(memory: Memory) -> bytes:
    return memory.get("connection", b"\0\0\0\x01") + _FRAME


def _hear_frame(listener: Side) -> Callable[[Memory, bytes], str]:
    def check(memory: Memory, heard: bytes) -> str:
        own = noise(memory, f"l2tpv3 {listener}", 4)
        return first_wrong(
            same("the session ID", heard[:4], own), same("the frame", heard[4:], _FRAME)
        )

    return check


L2TPV3 = Exchange(
    "l2tpv3",
    (IP,),
    opening=(
        Line(_C, IP, "SCCRQ", _control3(_SCCRQ, _C), _hear3(_SCCRQ, _S)),
        Line(_S, IP, "SCCRP", _control3(_SCCRP, _S), _hear3(_SCCRP, _C)),
    ),
    data=(
        Line(_C, IP, "a frame in L2TPv3", _frame, _hear_frame(_S)),
        Line(_S, IP, "a frame in L2TPv3", _frame, _hear_frame(_C)),
    ),
    reference="RFC 3931",
)
