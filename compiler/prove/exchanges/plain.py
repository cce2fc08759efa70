"""Any other flow, for instance of a user's own protocol: one packet each way, as its data says."""

from __future__ import annotations

import struct
from collections.abc import Callable

from compiler.model.protocol import GRE, Flow, Signature
from compiler.prove.exchanges.script import Exchange, Line, Memory, Side, noise, same

_IPIP, _IPV6_IN_IP, _ETHERIP = 4, 41, 97
#: What must stand at the front for the packet to be one of its protocol: GRE without options
#: (RFC 2784), an inner IPv4 or IPv6 header's version, EtherIP's version (RFC 3378).
_FRONT = {
    GRE: struct.pack("!HH", 0, 0x0800),
    _IPIP: b"\x45\x00",
    _IPV6_IN_IP: b"\x60\x00",
    _ETHERIP: b"\x30\x00",
}
_SIZE = 64
_SCTP = 132
#: A chunk INIT (RFC 9260 section 3.3.2): tag, window, streams out and in, first sequence number.
_INIT = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65000, 1, 1, 1)


def sample(signature: Signature) -> bytes:
    """Give the shortest payload that has a signature, filled up with zeros."""
    length = signature.payload_length or max(m.at + len(m.value) for m in signature.matches)
    payload = bytearray(length)
    for match in signature.matches:
        payload[match.at : match.at + len(match.value)] = match.value
    return bytes(payload)


def plain(flow: Flow) -> Exchange:
    """Give an exchange of one packet each way.

    The client's has the flow's signature, if it has one; nothing else in it is special.
    """

    def build(side: Side) -> Callable[[Memory], bytes]:
        def message(memory: Memory) -> bytes:
            if flow.signature is not None and side is Side.CLIENT:
                return sample(flow.signature)
            if flow.layer4 == _SCTP:
                return _INIT
            front = _FRONT.get(flow.layer4, b"\xee\xee")
            return front + noise(memory, f"{flow.id} {side}", _SIZE - len(front))

        return message

    def check(speaker: Side) -> Callable[[Memory, bytes], str]:
        return lambda memory, heard: same("the packet", heard, build(speaker)(memory))

    lines = tuple(Line(side, flow.id, flow.ports_text, build(side), check(side)) for side in Side)
    return Exchange(flow.id, (flow.id,), (), data=lines, reference=flow.source)
