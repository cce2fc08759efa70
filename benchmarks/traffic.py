"""Traffic through a router in network namespaces, and what it costs: three ways to measure.

One thread is client and server at once. The kernel forwards a packet while its sender waits, so
nothing is scheduled in between, and the time of a turn is that of its packets.
"""

from __future__ import annotations

import socket
import struct
import time

from compiler.prove.lab.namespaces import Namespace

LAN, WAN, PORT = "br-lan", "wan", 5201
CLIENT, SERVER, ROUTER = "192.168.1.11", "203.0.113.10", "203.0.113.2"
_UDP_PORT, _PAYLOAD = 4433, bytes(200)
_BLOCK = bytes(1 << 16)
_RESET = struct.pack("ii", 1, 0)
_PATIENCE = 5


class Net:
    """Client, router and server; full packets (MTU 1500), each forwarded by itself."""

    def __init__(self, rules: str) -> None:
        """Make them, load the router's rules and open one UDP flow through it."""
        self.client, self.router, self.server = map(Namespace, ("client", "router", "server"))
        self._join(self.client, CLIENT, LAN, "192.168.1.1", "192.168.1.1")
        self._join(self.server, SERVER, WAN, ROUTER, ROUTER)
        self.router.set({"ipv4/ip_forward": "1"})
        self.router.ip("link set lo up")
        self.router.run("nft", "-f", "-", text=rules)
        self._listener = self.server.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind((SERVER, PORT))
        self._listener.listen(64)
        self._flow = self._opened_flow()

    def _join(self, end: Namespace, address: str, name: str, near: str, gateway: str) -> None:
        self.router.ip(f"link add {name} type veth peer name eth0 netns {end.path}")
        for space, link, own in ((self.router, name, near), (end, "eth0", address)):
            space.ip(f"addr add {own}/24 dev {link}", f"link set {link} gso_max_segs 1 up")
        end.ip(f"route add default via {gateway}")

    def _opened_stream(self) -> tuple[socket.socket, socket.socket]:
        near = self.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        near.settimeout(_PATIENCE)
        near.connect((SERVER, PORT))
        far = self._listener.accept()[0]
        near.settimeout(0)
        far.settimeout(0)
        return near, far

    def _opened_flow(self) -> tuple[socket.socket, socket.socket]:
        far = self.server.socket(socket.AF_INET, socket.SOCK_DGRAM)
        far.bind((SERVER, _UDP_PORT))
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        near = self.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        near.connect((SERVER, _UDP_PORT))
        for end in (near, far):
            end.settimeout(_PATIENCE)
        near.send(b"open")
        far.sendto(b"established", far.recvfrom(64)[1])
        near.recv(64)
        far.settimeout(0)
        return near, far

    def stream(self, blocks: int) -> float:
        """Give the seconds that a block of 64 KiB takes, over a TCP connection of its own.

        One that lived on would find ways around the one packet at a time after a while.
        """
        near, far = self._opened_stream()
        with near, far:
            wanted = blocks * len(_BLOCK)
            sent = received = 0
            start = time.perf_counter()
            while received < wanted:
                if time.perf_counter() - start > _PATIENCE:
                    raise SystemExit("the stream stands still")
                sent += _sent(near, min(wanted - sent, len(_BLOCK)))
                received += _drained(far)
            return (time.perf_counter() - start) / blocks

    def connections(self, count: int) -> float:
        """Give the seconds that it takes to open a TCP connection and tear it down."""

        def connect() -> float:
            start = time.perf_counter()
            for _ in range(count):
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    one.connect((SERVER, PORT))
                    self._listener.accept()[0].close()
            return time.perf_counter() - start

        return self.client.call(connect) / count

    def packets(self, count: int) -> float:
        """Give the seconds that a packet of an established UDP flow takes, on its way out."""
        near, far = self._flow
        send = near.send
        start = time.perf_counter()
        for _ in range(count):
            send(_PAYLOAD)
        took = time.perf_counter() - start
        if _arrived(far) != count:
            raise SystemExit("packets are lost on their way")
        return took / count

    def close(self) -> None:
        """End the flows and let the namespaces go."""
        for end in (self._listener, *self._flow):
            end.close()
        for space in (self.client, self.router, self.server):
            space.close()


def _sent(end: socket.socket, size: int) -> int:
    try:
        return end.send(_BLOCK[:size]) if size else 0
    except BlockingIOError:
        return 0


def _drained(end: socket.socket) -> int:
    size = 0
    while True:
        try:
            size += len(end.recv(1 << 18))
        except BlockingIOError:
            return size


def _arrived(end: socket.socket) -> int:
    count = 0
    while True:
        try:
            end.recv(2048)
        except BlockingIOError:
            return count
        count += 1
