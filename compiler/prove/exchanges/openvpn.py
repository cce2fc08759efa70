"""OpenVPN over UDP and TCP: the hard reset of both ends, its acknowledgment, TLS, and data.

Opcodes and layouts: <https://openvpn.net/community-resources/openvpn-protocol/>. The opcode
stands in the upper five bits of the first byte. Over TCP every message has its length before it.
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
    sized,
)
from compiler.prove.exchanges.tls import client_hello

_RESET_CLIENT, _RESET_SERVER, _CONTROL, _ACK, _DATA = 7, 8, 4, 5, 9
_NO_ACKS, _FIRST = b"\0", b"\0\0\0\0"
_C, _S = Side.CLIENT, Side.SERVER
Build = Callable[[Memory], bytes]
Check = Callable[[Memory, bytes], str]


def _opcode(number: int) -> bytes:
    return bytes([number << 3])


def _session(memory: Memory, side: Side) -> bytes:
    return noise(memory, f"openvpn {side}", 8)


def _reset(memory: Memory) -> bytes:
    return _opcode(_RESET_CLIENT) + _session(memory, _C) + _NO_ACKS + _FIRST


def _reset_answer(memory: Memory) -> bytes:
    acknowledged = b"\x01" + _FIRST + memory.get("session", bytes(8))
    return _opcode(_RESET_SERVER) + _session(memory, _S) + acknowledged + _FIRST


def _control(memory: Memory) -> bytes:
    acknowledged = b"\x01" + _FIRST + memory.get("session", bytes(8))
    hello = client_hello(memory)
    return _opcode(_CONTROL) + _session(memory, _C) + acknowledged + struct.pack("!I", 1) + hello


def _acknowledgment(memory: Memory) -> bytes:
    acknowledged = b"\x01" + struct.pack("!I", 1) + memory.get("session", bytes(8))
    return _opcode(_ACK) + _session(memory, _S) + acknowledged


def _data(side: Side) -> Build:
    return lambda memory: _opcode(_DATA) + b"\0\0\0" + noise(memory, f"openvpn data {side}", 80)


def _hear(opcode: int, speaker: Side, size: int) -> Check:
    def check(memory: Memory, heard: bytes) -> str:
        memory["session"] = heard[1:9]
        return first_wrong(
            sized("the packet", heard, size),
            same("the opcode", heard[:1], _opcode(opcode)),
            same("the session", heard[1:9], _session(memory, speaker)),
        )

    return check


def _hear_control(memory: Memory, heard: bytes) -> str:
    size = 26 + len(client_hello(memory))
    return first_wrong(
        _hear(_CONTROL, _C, size)(memory, heard),
        same("the session that comes back", heard[14:22], _session(memory, _S)),
        same("the ClientHello", heard[26:], client_hello(memory)),
    )


def _hear_data(speaker: Side) -> Check:
    return lambda memory, heard: same("the data", heard, _data(speaker)(memory))


_TALK: tuple[tuple[Side, str, Build, Check], ...] = (
    (_C, "hard reset", _reset, _hear(_RESET_CLIENT, _C, 14)),
    (_S, "hard reset", _reset_answer, _hear(_RESET_SERVER, _S, 26)),
    (_C, "TLS ClientHello", _control, _hear_control),
    (_S, "acknowledgment", _acknowledgment, _hear(_ACK, _S, 22)),
)
_DATA_TALK: tuple[tuple[Side, str, Build, Check], ...] = tuple(
    (side, "data", _data(side), _hear_data(side)) for side in (_C, _S)
)


def _framed(build: Build) -> Build:
    def framed(memory: Memory) -> bytes:
        body = build(memory)
        return struct.pack("!H", len(body)) + body

    return framed


def _unframed(check: Check) -> Check:
    def unframed(memory: Memory, heard: bytes) -> str:
        return counted(heard, 0, 2, 2) or check(memory, heard[2:])

    return unframed


UDP = Exchange(
    "openvpn.udp",
    ("openvpn.udp",),
    tuple(Line(by, "openvpn.udp", says, build, check) for by, says, build, check in _TALK),
    tuple(Line(by, "openvpn.udp", says, build, check) for by, says, build, check in _DATA_TALK),
    reference="OpenVPN protocol",
)
TCP = Exchange(
    "openvpn.tcp",
    ("openvpn.tcp",),
    tuple(
        Line(by, "openvpn.tcp", says, _framed(build), _unframed(check))
        for by, says, build, check in _TALK
    ),
    tuple(
        Line(by, "openvpn.tcp", says, _framed(build), _unframed(check))
        for by, says, build, check in _DATA_TALK
    ),
    reference="OpenVPN protocol",
)
EXCHANGES = (UDP, TCP)
