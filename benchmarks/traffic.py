"""Traffic through a router in network namespaces, and what it costs: three ways to measure."""

from __future__ import annotations

import socket
import statistics
import struct
import threading
import time

from compiler.prove.lab.namespaces import Namespace

LAN, WAN, PORT = "br-lan", "wan", 5201
CLIENT, SERVER, ROUTER = "192.168.1.11", "203.0.113.10", "203.0.113.2"
_UDP_PORT, _PAYLOAD = 4433, bytes(200)
_BATCH, _BATCHES = 150, 60


class Net:
    """Client, router and server; full packets (MTU 1500), each forwarded by itself."""

    def __init__(self) -> None:
        self.client, self.router, self.server = map(Namespace, ("client", "router", "server"))
        self._join(self.client, CLIENT, LAN, "192.168.1.1", "192.168.1.1")
        self._join(self.server, SERVER, WAN, ROUTER, ROUTER)
        self.router.set({"ipv4/ip_forward": "1"})
        self.router.ip("link set lo up")

    def _join(self, end: Namespace, address: str, name: str, near: str, gateway: str) -> None:
        self.router.ip(f"link add {name} type veth peer name eth0 netns {end.path}")
        for space, link, own in ((self.router, name, near), (end, "eth0", address)):
            space.ip(f"addr add {own}/24 dev {link}", f"link set {link} gso_max_segs 1 up")
        end.ip(f"route add default via {gateway}")

    def load(self, rules: str) -> None:
        self.router.run("nft", "flush", "ruleset")
        self.router.run("nft", "-f", "-", text=rules)
        self.router.run("conntrack", "-F", check=False)

    def close(self) -> None:
        for space in (self.client, self.router, self.server):
            space.close()


def _listener(net: Net) -> socket.socket:
    listener = net.server.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((SERVER, PORT))
    listener.listen(512)
    return listener


def throughput(net: Net, seconds: float) -> float:
    """Give the megabits that one connection carries in a second."""
    listener = _listener(net)
    received = 0

    def drain() -> None:
        nonlocal received
        connection, _ = listener.accept()
        while data := connection.recv(1 << 18):
            received += len(data)
        connection.close()

    thread = threading.Thread(target=drain)
    thread.start()
    sender = net.client.socket(socket.AF_INET, socket.SOCK_STREAM)
    sender.connect((SERVER, PORT))
    block, start = bytes(1 << 16), time.monotonic()
    while time.monotonic() - start < seconds:
        sender.sendall(block)
    sender.close()
    thread.join()
    took = time.monotonic() - start
    listener.close()
    return received * 8 / took / 1e6


def connections(net: Net, seconds: float) -> float:
    """Give how many connections can be opened and torn down in a second."""
    listener = _listener(net)
    listener.settimeout(0.5)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                listener.accept()[0].close()
            except TimeoutError:
                continue

    thread = threading.Thread(target=accept)
    thread.start()

    def connect() -> float:
        made, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.connect((SERVER, PORT))
            made += 1
        return made / (time.monotonic() - start)

    rate = net.client.call(connect)
    over.set()
    thread.join()
    listener.close()
    return rate


def nanoseconds(net: Net) -> float:
    """Give the time that a packet of one established UDP flow takes, on its way out.

    One thread sends, and the kernel forwards in its stead, so the time of a batch is that of its
    packets; a batch that did not come through whole is left out. What else the machine does only
    makes batches slower, so of many short ones the fastest tenth is taken.
    """
    server = net.server.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((SERVER, _UDP_PORT))
    server.settimeout(5)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client = net.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect((SERVER, _UDP_PORT))
    with server, client:
        client.send(b"open")
        server.sendto(b"established", server.recvfrom(64)[1])
        client.recv(64)
        server.settimeout(0)
        batches = sorted(filter(None, (_batch(client, server) for _ in range(_BATCHES))))
    if not batches:
        raise SystemExit("no batch of packets came through whole; the machine is too busy")
    return statistics.median(batches[: max(1, len(batches) // 5)])


def _batch(client: socket.socket, server: socket.socket) -> float:
    """Send a batch: nanoseconds for each packet; 0 if not all of them are there at its end."""
    send = client.send
    start = time.perf_counter_ns()
    for _ in range(_BATCH):
        send(_PAYLOAD)
    took = time.perf_counter_ns() - start
    return took / _BATCH if _arrived(server) == _BATCH else 0.0


def _arrived(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.recv(2048)
        except BlockingIOError:
            return count
        count += 1
