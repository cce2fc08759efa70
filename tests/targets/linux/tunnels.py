"""Packets of tunnels, sent from the lab's clients and answered by its internet."""

from __future__ import annotations

from ipaddress import ip_address

from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import ACK, SCTP, TCP, UDP, Packet

ESP, AH, ETHERIP, ICMP = 50, 51, 97, 1
V1, V2 = b"\x10", b"\x20"
SERVER = {4: "192.0.2.10", 6: "2001:db8:99::10"}
CLIENT = {
    "c1": {4: "192.168.1.11", 6: "2001:db8:1::11"},
    "c2": {4: "192.168.1.12", 6: "2001:db8:1::12"},
    "g1": {4: "192.168.2.11", 6: "2001:db8:2::11"},
}


def out(
    lab: Lab, layer4: int, port: int = 0, payload: bytes = b"\xff" * 40, *, version: int = 4,
    to: str = "", host: str = "c1", source_port: int = 41000,
) -> Packet:  # fmt: skip
    """Make a client's packet; protocols without ports have none."""
    ends = ip_address(CLIENT[host][version]), ip_address(to or SERVER[version])
    ported = layer4 in (TCP, UDP, SCTP)
    return Packet(layer4, *ends, lab.token(), source_port if ported else 0, port, payload)


def passes(lab: Lab, packet: Packet, host: str = "c1") -> bool:
    """Tell whether a packet and its answer come through."""
    seen = lab.reaches(packet, host, "internet")
    return seen is not None and lab.reaches(seen.answer(lab.token()), "internet", host) is not None


def open_(lab: Lab, packet: Packet, host: str = "c1") -> Packet:
    """Open a connection; give the far end's answer, to be sent again."""
    seen = lab.reaches(packet, host, "internet")
    assert seen is not None
    answer = seen.answer(lab.token())
    assert lab.reaches(answer, "internet", host) is not None
    return answer


def alive(lab: Lab, packet: Packet, answer: Packet, host: str = "c1") -> tuple[bool, bool]:
    """Send more of an open connection: what gets out, what gets in."""
    again = packet.again(lab.token(), flags=ACK, sequence=1001, acknowledged=5001)
    there = lab.reaches(again, host, "internet")
    here = lab.reaches(answer.again(lab.token(), flags=ACK, sequence=5001), "internet", host)
    return there is not None, here is not None


def ike(major: bytes, *, marked: bool = False) -> bytes:
    """Give an IKE header (RFC 7296 section 3.1), on port 4500 behind the non-ESP marker."""
    return (
        (b"\0" * 4 if marked else b"") + b"\x01" * 16 + b"\x21" + major + b"\x22\x08" + b"\0" * 24
    )
