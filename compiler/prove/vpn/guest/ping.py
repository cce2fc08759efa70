"""Ping through a tunnel without starting a program: a raw socket in each node."""

from __future__ import annotations

import os
import select
import socket
import struct
import time

from compiler.prove.vpn.guest.node import Node

_REQUEST, _REPLY = 8, 0


class Pinger:
    """Asks from one node. Use it from one thread at a time."""

    def __init__(self, node: Node) -> None:
        """Open the socket inside of the node."""
        self._node = node
        self._number = 0

    def ask(self, source: str, destination: str, seconds: float = 2.0) -> bool:
        """Tell whether a reply comes. No address, no route and no answer are all a no."""
        self._number = self._number % 0xFFFF + 1
        key = struct.pack("!HH", os.getpid() & 0xFFFF, self._number)
        with self._node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as one:
            one.setblocking(False)  # noqa: FBT003 - the standard library's
            try:
                one.bind((source, 0))
                one.sendto(request(key), (destination, 0))
            except OSError:
                return False
            return _wait(one, key, destination, time.monotonic() + seconds)


def _wait(one: socket.socket, key: bytes, destination: str, until: float) -> bool:
    while (left := until - time.monotonic()) > 0:
        if not select.select([one], [], [], left)[0]:
            return False
        try:
            data, sender = one.recvfrom(2048)
        except OSError:
            return False
        if sender[0] == destination and is_reply(data, key):
            return True
    return False


def request(key: bytes) -> bytes:
    """Give an echo request (RFC 792) with an identifier and a number."""
    body = b"passthru" * 4
    head = struct.pack("!BBH", _REQUEST, 0, 0) + key
    return head[:2] + struct.pack("!H", checksum(head + body)) + head[4:] + body


def is_reply(packet: bytes, key: bytes) -> bool:
    """Tell whether an IPv4 packet is the echo reply to a key."""
    start = (packet[0] & 0x0F) * 4
    return packet[start] == _REPLY and packet[start + 4 : start + 8] == key


def checksum(data: bytes) -> int:
    """Sum up as RFC 1071 says."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
