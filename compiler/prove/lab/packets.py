"""Packets, made and read by hand: addresses and ports as the test says, checksums as they must be.

A *token* of 16 bits rides in the IPv4 identification or the IPv6 flow label. Routers leave both
alone, so a packet is known again after NAT.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address
TCP, UDP, GRE, SCTP = 6, 17, 47, 132
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
#: Chunk INIT of SCTP: tag, window, streams out and in, first sequence number.
_SCTP_INIT = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65000, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Packet:
    """One IP packet. ``payload`` is what follows the UDP or TCP header, or the IP header."""

    layer4: int
    source: Address
    destination: Address
    token: int
    source_port: int = 0
    destination_port: int = 0
    payload: bytes = b""
    flags: int = SYN
    sequence: int = 1000
    acknowledged: int = 0
    tos: int = 0
    ttl: int = 64

    def answer(self, token: int, payload: bytes = b"", flags: int = SYN_ACK) -> Packet:
        """Give a reply to this packet as it arrived."""
        return Packet(
            self.layer4,
            self.destination,
            self.source,
            token,
            self.destination_port,
            self.source_port,
            payload or self.payload,
            flags,
            5000,
            self.sequence + 1,
        )

    def again(self, token: int, **changes: int | bytes) -> Packet:
        """Give another packet of the same connection."""
        return replace(self, token=token, **changes)  # type: ignore[arg-type]

    def write(self) -> bytes:
        """Give the bytes, from the IP header on."""
        body = self._body()
        if self.source.version == 4:
            head = struct.pack(
                "!BBHHHBBH4s4s", 0x45, self.tos, 20 + len(body), self.token, 0, self.ttl,
                self.layer4, 0, self.source.packed, self.destination.packed,
            )  # fmt: skip
            return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + body
        return (
            struct.pack("!I", 6 << 28 | self.tos << 20 | self.token)
            + struct.pack("!HBB", len(body), self.layer4, self.ttl)
            + self.source.packed
            + self.destination.packed
            + body
        )

    def _body(self) -> bytes:
        ports = struct.pack("!HH", self.source_port, self.destination_port)
        if self.layer4 == UDP:
            body = ports + struct.pack("!HH", 8 + len(self.payload), 0) + self.payload
            return body[:6] + struct.pack("!H", self._sum(body) or 0xFFFF) + body[8:]
        if self.layer4 == TCP:
            body = ports + struct.pack(
                "!IIBBHHH", self.sequence, self.acknowledged, 5 << 4, self.flags, 65000, 0, 0
            )
            body += self.payload
            return body[:16] + struct.pack("!H", self._sum(body)) + body[18:]
        if self.layer4 == SCTP:
            body = ports + struct.pack("!II", 0, 0) + (self.payload or _SCTP_INIT)
            return body[:8] + struct.pack("<I", _crc32c(body)) + body[12:]
        return self.payload

    def _sum(self, body: bytes) -> int:
        pseudo = self.source.packed + self.destination.packed
        return _checksum(pseudo + struct.pack("!II", len(body), self.layer4) + body)


def _crc32c(data: bytes) -> int:
    """Give SCTP's checksum (RFC 9260 appendix A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    return value ^ 0xFFFFFFFF


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read(data: bytes) -> Packet | None:
    """Read a packet from its IP header on; ``None`` for what the lab never sends."""
    if data[0] >> 4 == 4:
        size = (data[0] & 15) * 4
        token, layer4 = struct.unpack("!H", data[4:6])[0], data[9]
        source, destination = ip_address(data[12:16]), ip_address(data[16:20])
        body = data[size : struct.unpack("!H", data[2:4])[0]]
    elif data[0] >> 4 == 6:
        token, layer4 = struct.unpack("!H", data[2:4])[0], data[6]
        source, destination = ip_address(data[8:24]), ip_address(data[24:40])
        body = data[40 : 40 + struct.unpack("!H", data[4:6])[0]]
    else:
        return None
    packet = Packet(layer4, source, destination, token, payload=body)
    if layer4 in (UDP, TCP, SCTP) and len(body) >= 4:
        ports = struct.unpack("!HH", body[:4])
        packet = replace(packet, source_port=ports[0], destination_port=ports[1])
    if layer4 == UDP:
        return replace(packet, payload=body[8:])
    if layer4 == TCP and len(body) >= 20:
        sequence, acknowledged, offset, flags = struct.unpack("!IIBB", body[4:14])
        return replace(
            packet, payload=body[(offset >> 4) * 4 :], flags=flags, sequence=sequence,
            acknowledged=acknowledged,
        )  # fmt: skip
    return replace(packet, payload=body[12:]) if layer4 == SCTP else packet
