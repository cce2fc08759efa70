"""PPTP (RFC 2637): the control connection over TCP, and PPP in enhanced GRE.

Message layouts: sections 2.1 to 2.16; the GRE header: section 4.1. Clients of one network often
choose the same call ID, so here all of them choose the same one, and the NAT helper has to tell
them apart.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from compiler.prove.exchanges.script import (
    Exchange,
    Line,
    Memory,
    Side,
    first_wrong,
    noise,
    same,
    sized,
)

CONTROL, DATA = "pptp.control", "pptp.data"
_MAGIC = 0x1A2B3C4D
_START, _START_REPLY, _STOP, _STOP_REPLY, _ECHO, _ECHO_REPLY = 1, 2, 3, 4, 5, 6
_CALL, _CALL_REPLY, _CLEAR, _DISCONNECT = 7, 8, 12, 13
#: The call ID that every client chooses.
CLIENT_CALL = struct.pack("!H", 7)
#: PPP: LCP Configure-Request with a magic number, which tells talks apart (RFC 1661 section 6.4).
_LCP = bytes.fromhex("ff03c021") + b"\x01\x01\x00\x0a\x05\x06"
#: Flags: key and sequence number present, and with an acknowledgment; version 1.
_SEQUENCED, _ACKNOWLEDGED = 0x3001, 0x3081
_PPP = 0x880B


def message(kind: int, body: bytes) -> bytes:
    """Give a control message: length, type 1, magic cookie, control message type."""
    return struct.pack("!HHIHH", 12 + len(body), 1, _MAGIC, kind, 0) + body


def frame(memory: Memory, side: Side) -> bytes:
    """Give the PPP frame of a side."""
    return _LCP + noise(memory, f"ppp {side}", 4)


def gre(call: bytes, ppp: bytes, sequence: int = 0, acknowledged: int | None = None) -> bytes:
    """Give a data packet to the peer that chose ``call``."""
    flags = _SEQUENCED if acknowledged is None else _ACKNOWLEDGED
    tail = b"" if acknowledged is None else struct.pack("!I", acknowledged)
    size = struct.pack("!H", len(ppp))
    return struct.pack("!HH", flags, _PPP) + size + call + struct.pack("!I", sequence) + tail + ppp


def _server_call(memory: Memory) -> bytes:
    """Choose the server's call ID: a server knows all of its calls, so each gets its own."""
    return (0x4000 + int.from_bytes(memory["number"], "big")).to_bytes(2, "big")


def _start(memory: Memory) -> bytes:
    # The host name tells talks apart, and who made it knows the seed.
    name = b"client-" + noise(memory, "pptp host", 8).hex().encode()
    return message(_START, struct.pack("!HHIIHH64s64s", 0x100, 0, 3, 3, 0, 1, name, b"passthru"))


def _start_reply(memory: Memory) -> bytes:
    del memory
    body = struct.pack("!HBBIIHH64s64s", 0x100, 1, 0, 3, 3, 0, 1, b"server", b"passthru")
    return message(_START_REPLY, body)


def _call(memory: Memory) -> bytes:
    del memory
    body = struct.pack("!HIIIIHHHH64s64s", 1, 300, 10**8, 3, 3, 64, 0, 0, 0, b"", b"")
    return message(_CALL, CLIENT_CALL + body)


def _hear_call(memory: Memory, heard: bytes) -> str:
    memory["peer"] = heard[12:14]
    return _hear(_CALL, 168)(memory, heard)


def _call_reply(memory: Memory) -> bytes:
    body = struct.pack("!BBHIHHI", 1, 0, 0, 10**6, 64, 0, 0)
    return message(_CALL_REPLY, _server_call(memory) + memory.get("peer", CLIENT_CALL) + body)


def _hear_call_reply(memory: Memory, heard: bytes) -> str:
    memory["peer"] = heard[12:14]
    return first_wrong(
        _hear(_CALL_REPLY, 32)(memory, heard),
        same("the call ID that the server answers to", heard[14:16], CLIENT_CALL),
        same("the result code", heard[16:17], b"\x01"),
    )


def _echo(memory: Memory) -> bytes:
    del memory
    return message(_ECHO, b"echo")


def _echo_reply(memory: Memory) -> bytes:
    del memory
    return message(_ECHO_REPLY, b"echo" + struct.pack("!BBH", 1, 0, 0))


def _clear(memory: Memory) -> bytes:
    del memory
    return message(_CLEAR, CLIENT_CALL + b"\0\0")


def _disconnect(memory: Memory) -> bytes:
    return message(_DISCONNECT, _server_call(memory) + struct.pack("!BBHH128s", 4, 0, 0, 0, b""))


def _stop(memory: Memory) -> bytes:
    del memory
    return message(_STOP, struct.pack("!BBH", 1, 0, 0))


def _stop_reply(memory: Memory) -> bytes:
    del memory
    return message(_STOP_REPLY, struct.pack("!BBH", 1, 0, 0))


def _hear(kind: int, size: int) -> Callable[[Memory, bytes], str]:
    """Check a control message of a kind."""

    def check(memory: Memory, heard: bytes) -> str:
        del memory
        return first_wrong(
            sized("the message", heard, size),
            same("length and type", heard[:4], struct.pack("!HH", size, 1)),
            same("the magic cookie", heard[4:8], struct.pack("!I", _MAGIC)),
            same("the message type", heard[8:10], struct.pack("!H", kind)),
        )

    return check


def _client_data(memory: Memory) -> bytes:
    return gre(memory.get("peer", _server_call(memory)), frame(memory, Side.CLIENT))


def _server_data(memory: Memory) -> bytes:
    return gre(memory.get("peer", CLIENT_CALL), frame(memory, Side.SERVER), 0, 0)


def _hear_data(own: Callable[[Memory], bytes], speaker: Side) -> Callable[[Memory, bytes], str]:
    """Check a data packet: it must carry the call ID that its receiver chose."""

    def check(memory: Memory, heard: bytes) -> str:
        at = 16 if heard[1:2] == b"\x81" else 12  # behind an acknowledgment, if there is one
        return first_wrong(
            same("the payload type", heard[2:4], struct.pack("!H", _PPP)),
            same("the call ID", heard[6:8], own(memory)),
            same("the PPP frame", heard[at:], frame(memory, speaker)),
        )

    return check


def _client_call(memory: Memory) -> bytes:
    del memory
    return CLIENT_CALL


def _says(
    by: Side, says: str, build: Callable[[Memory], bytes], check: Callable[[Memory, bytes], str]
) -> Line:
    return Line(by, CONTROL, says, build, check)


PPTP = Exchange(
    "pptp",
    (CONTROL, DATA),
    opening=(
        _says(Side.CLIENT, "Start-Control-Connection-Request", _start, _hear(_START, 156)),
        _says(
            Side.SERVER, "Start-Control-Connection-Reply", _start_reply, _hear(_START_REPLY, 156)
        ),
        _says(Side.CLIENT, "Outgoing-Call-Request", _call, _hear_call),
        _says(Side.SERVER, "Outgoing-Call-Reply", _call_reply, _hear_call_reply),
        _says(Side.CLIENT, "Echo-Request", _echo, _hear(_ECHO, 16)),
        _says(Side.SERVER, "Echo-Reply", _echo_reply, _hear(_ECHO_REPLY, 20)),
    ),
    data=(
        Line(Side.CLIENT, DATA, "PPP in GRE", _client_data, _hear_data(_server_call, Side.CLIENT)),
        Line(Side.SERVER, DATA, "PPP in GRE", _server_data, _hear_data(_client_call, Side.SERVER)),
    ),
    closing=(
        _says(Side.CLIENT, "Call-Clear-Request", _clear, _hear(_CLEAR, 16)),
        _says(Side.SERVER, "Call-Disconnect-Notify", _disconnect, _hear(_DISCONNECT, 148)),
        _says(Side.CLIENT, "Stop-Control-Connection-Request", _stop, _hear(_STOP, 16)),
        _says(Side.SERVER, "Stop-Control-Connection-Reply", _stop_reply, _hear(_STOP_REPLY, 16)),
    ),
    reference="RFC 2637",
)
