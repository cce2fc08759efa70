"""WireGuard: handshake initiation, response, and transport data.

Layouts: section 5.4 of <https://www.wireguard.com/papers/wireguard.pdf>. Keys and authentication
codes are noise: nobody on the way has the keys to check them.
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

_INITIATION, _RESPONSE, _TRANSPORT = b"\x01\0\0\0", b"\x02\0\0\0", b"\x04\0\0\0"
_C, _S = Side.CLIENT, Side.SERVER


def _index(memory: Memory, side: Side) -> bytes:
    return noise(memory, f"wireguard {side}", 4)


def initiation(memory: Memory) -> bytes:
    """Give the first message: 148 bytes."""
    return _INITIATION + _index(memory, _C) + noise(memory, "wireguard initiation", 140)


def _response(memory: Memory) -> bytes:
    ids = _index(memory, _S) + memory.get("index", bytes(4))
    return _RESPONSE + ids + noise(memory, "wireguard response", 80)


def _transport(side: Side) -> Callable[[Memory], bytes]:
    def build(memory: Memory) -> bytes:
        counter = struct.pack("<Q", 0)
        data = noise(memory, f"wireguard data {side}", 48)
        return _TRANSPORT + memory.get("index", bytes(4)) + counter + data

    return build


def hear_initiation(memory: Memory, heard: bytes) -> str:
    """Check an initiation, and learn the index of its sender."""
    memory["index"] = heard[4:8]
    return first_wrong(
        same("the type", heard[:4], _INITIATION), sized("the initiation", heard, 148)
    )


def _hear_response(memory: Memory, heard: bytes) -> str:
    memory["index"] = heard[4:8]
    return first_wrong(
        same("the type", heard[:4], _RESPONSE),
        sized("the response", heard, 92),
        same("the index that comes back", heard[8:12], _index(memory, _C)),
    )


def _hear_transport(listener: Side) -> Callable[[Memory, bytes], str]:
    def check(memory: Memory, heard: bytes) -> str:
        return first_wrong(
            same("the type", heard[:4], _TRANSPORT),
            same("the receiver's index", heard[4:8], _index(memory, listener)),
            sized("the packet", heard, 64),
        )

    return check


def exchange(flow: str) -> Exchange:
    """Give WireGuard's exchange over a flow; other products are built on it."""
    return Exchange(
        flow,
        (flow,),
        (
            Line(_C, flow, "handshake initiation", initiation, hear_initiation),
            Line(_S, flow, "handshake response", _response, _hear_response),
        ),
        (
            Line(_C, flow, "data", _transport(_C), _hear_transport(_S)),
            Line(_S, flow, "data", _transport(_S), _hear_transport(_C)),
        ),
        reference="WireGuard, section 5.4",
    )


EXCHANGES = (exchange("wireguard.data"),)
