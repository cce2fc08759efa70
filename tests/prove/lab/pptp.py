"""PPTP spoken by hand (RFC 2637): one call between a client and a server of the lab.

The NAT helper rewrites call IDs in the control connection, so each end uses the IDs that it read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import ACK, GRE, SYN_ACK, TCP, Address, Packet

PORT, _CLIENT_PORT = 1723, 40100
_MAGIC = 0x1A2B3C4D
_START, _START_REPLY, _CALL, _CALL_REPLY = 1, 2, 7, 8


@dataclass(slots=True)
class Call:
    """A call that was set up: who sends what to whom, as each end sees it."""

    lab: Lab
    client: str
    server: str
    from_client: Packet
    from_server: Packet
    to_server_id: int
    to_client_id: int

    def data_arrives(self) -> tuple[bool, bool]:
        """Send data both ways, the client first: what reaches the server, what the client."""
        out = self._gre(self.from_client, self.to_server_id)
        back = self._gre(self.from_server, self.to_client_id)
        there = self.lab.reaches(out, self.client, self.server)
        here = self.lab.reaches(back, self.server, self.client)
        return there is not None, here is not None

    def server_first(self) -> tuple[bool, bool]:
        """Send data both ways, the server first."""
        back = self._gre(self.from_server, self.to_client_id)
        out = self._gre(self.from_client, self.to_server_id)
        here = self.lab.reaches(back, self.server, self.client)
        there = self.lab.reaches(out, self.client, self.server)
        return there is not None, here is not None

    def _gre(self, control: Packet, call: int) -> Packet:
        ends = control.source, control.destination
        return Packet(GRE, *ends, self.lab.token(), payload=gre(call), tos=control.tos)


def gre(call: int = 0) -> bytes:
    """Give an enhanced GRE packet (version 1) with a sequence number."""
    frame = b"\xff\x03\xc0\x21" + b"\x01\x01\x00\x04"
    return struct.pack("!BBHHHI", 0x30, 0x01, 0x880B, len(frame), call, 1) + frame


def connect(
    lab: Lab, client: str, server: str, ends: tuple[Address, Address], ids: tuple[int, int],
    *, tos: int = 0,
) -> Call | None:  # fmt: skip
    """Open a control connection and a call; nothing where the control connection does not open.

    ``ends`` are the client's own address and the one that it calls; ``ids`` are the call IDs
    that client and server choose.
    """
    talk = _Talk(lab, client, server)
    first = Packet(TCP, *ends, lab.token(), _CLIENT_PORT, PORT, tos=tos)
    seen = lab.reaches(first, client, server)
    if seen is None:
        return None
    talk.out, talk.back = first, seen.answer(lab.token(), b"", SYN_ACK)
    if lab.reaches(talk.back, server, client) is None:
        return None
    talk.say(b"", out=True)
    talk.say(_message(_START, struct.pack("!HHIIHH128s", 0x100, 0, 3, 3, 0, 1, b"")), out=True)
    talk.say(_message(_START_REPLY, struct.pack("!HBBIIHH128s", 0x100, 1, 0, 3, 3, 0, 1, b"")))
    call = struct.pack("!HHIIIIHHHH128s", ids[0], 1, 300, 10**8, 3, 3, 64, 0, 0, 0, b"")
    asked = talk.say(_message(_CALL, call), out=True)
    if asked is None:
        return None
    client_id = struct.unpack("!H", asked.payload[12:14])[0]
    reply = struct.pack("!HHBBHIHHI", ids[1], client_id, 1, 0, 0, 10**6, 64, 0, 0)
    told = talk.say(_message(_CALL_REPLY, reply))
    if told is None:
        return None
    server_id = struct.unpack("!H", told.payload[12:14])[0]
    return Call(lab, client, server, talk.out, talk.back, server_id, client_id)


@dataclass(slots=True)
class _Talk:
    """The two directions of a TCP connection; segments are sent once, in order."""

    lab: Lab
    client: str
    server: str
    out: Packet | None = None
    back: Packet | None = None
    sent_out: int = 1001
    sent_back: int = 5001

    def say(self, payload: bytes, *, out: bool = False) -> Packet | None:
        """Send a segment; give it as it arrives."""
        packet = self.out if out else self.back
        assert packet is not None
        mine, theirs = (self.sent_out, self.sent_back) if out else (self.sent_back, self.sent_out)
        segment = packet.again(
            self.lab.token(), payload=payload, flags=ACK, sequence=mine, acknowledged=theirs
        )
        if out:
            self.sent_out += len(payload)
            return self.lab.reaches(segment, self.client, self.server)
        self.sent_back += len(payload)
        return self.lab.reaches(segment, self.server, self.client)


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("!HHIHH", 12 + len(body), 1, _MAGIC, kind, 0) + body
