"""What the compiled gateway costs packets, beside other rulesets in the same run.

A client, a router and a server in network namespaces; every packet is forwarded by itself (no
segmentation offload). The rulesets take turns, so that what else the machine does meets all of
them; the figures are medians of the rounds, and of the ratios to the plainest ruleset in the same
round. The rules that a packet meets are counted, not timed: by the evaluator, on the kernel's own
listing.

    python -m benchmarks.datapath [ROUNDS] [SECONDS]
"""

from __future__ import annotations

import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from benchmarks import firewalld
from compiler.cli.main import main as passthru
from compiler.evaluate import Packet, Ruleset, load_nft
from compiler.evaluate.explore import Choices
from compiler.evaluate.ruleset import Chain, Move, Rule
from compiler.evaluate.walk import Walk
from compiler.model.protocol import TCP
from compiler.prove.lab.namespaces import Namespace, missing

_LAN, _WAN, _PORT = "br-lan", "wan", 5201
_CLIENT, _SERVER, _ROUTER = "192.168.1.11", "203.0.113.10", "203.0.113.2"
_PLAINEST = f"""table ip plain {{
	chain forward {{
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "{_LAN}" oifname "{_WAN}" accept
	}}
	chain post {{
		type nat hook postrouting priority 100; policy accept;
		oifname "{_WAN}" masquerade
	}}
}}
"""
_LINEAR = _PLAINEST.replace(
    "\t\tct state established,related accept\n",
    "".join(f"\t\ttcp dport {4000 + n} drop\n" for n in range(60))
    + "\t\tct state established,related accept\n",
)
_POLICIES = {
    "passthru, all passed": "pptp: pass\n    ipsec: pass\n    l2tp: pass",
    "passthru, all blocked": "default: block",
    "passthru, limits": (
        "default: block\n    ipsec: {action: pass, to: [198.51.100.0/28]}\n"
        "    openvpn: {action: block, from: [10.0.0.0/8]}\n    ikev1: block"
    ),
}
_HOSTS = f"""all:
  hosts:
    router:
      passthru_target: linux
      passthru_zones:
        lan: {{device: {_LAN}, networks: [192.168.1.0/24]}}
        wan: {{device: {_WAN}}}
"""


class Net:
    """Client, router and server; packets of at most 440 bytes, one by one."""

    def __init__(self) -> None:
        self.client, self.router, self.server = map(Namespace, ("client", "router", "server"))
        self._join(self.client, _CLIENT, _LAN, "192.168.1.1", "192.168.1.1")
        self._join(self.server, _SERVER, _WAN, _ROUTER, _ROUTER)
        self.router.set({"ipv4/ip_forward": "1"})
        self.router.ip("link set lo up")

    def _join(self, end: Namespace, address: str, name: str, near: str, gateway: str) -> None:
        self.router.ip(f"link add {name} type veth peer name eth0 netns {end.path}")
        for space, link, own in ((self.router, name, near), (end, "eth0", address)):
            space.ip(f"addr add {own}/24 dev {link}", f"link set {link} gso_max_segs 1 up")
        end.ip(f"route add default via {gateway} advmss 400", f"route change {_net(address)} "
               f"dev eth0 src {address} advmss 400")  # fmt: skip

    def load(self, rules: str) -> None:
        self.router.run("nft", "flush", "ruleset")
        self.router.run("nft", "-f", "-", text=rules)
        self.router.run("conntrack", "-F", check=False)

    def close(self) -> None:
        for space in (self.client, self.router, self.server):
            space.close()


def _net(address: str) -> str:
    return address.rpartition(".")[0] + ".0/24"


def throughput(net: Net, seconds: float) -> float:
    """Give the megabits that one connection carries in a second."""
    listener = net.server.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((_SERVER, _PORT))
    listener.listen()
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
    sender.connect((_SERVER, _PORT))
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
    listener = net.server.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((_SERVER, _PORT))
    listener.listen(512)
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
                one.connect((_SERVER, _PORT))
            made += 1
        return made / (time.monotonic() - start)

    rate = net.client.call(connect)
    over.set()
    thread.join()
    listener.close()
    return rate


class Counting(Walk):
    """Counts the rules of the forward hook that a packet meets, matching or not."""

    met = 0

    def _rule(self, chain: Chain, rule: Rule) -> Move:
        self.met += self.hook == "forward"
        return super()._rule(chain, rule)


def rules_met(ruleset: Ruleset, port: int) -> tuple[int, int]:
    """Count the rules that the first packet of a passed connection meets, and a later one."""
    client, server = ip_address(_CLIENT), ip_address(_SERVER)
    first = Packet(client, server, TCP, _LAN, _WAN, 40000, port, payload=b"")
    counts = []
    for packet in (first, replace(first, state="established", tcp_flags=0x10)):
        walk = Counting(ruleset, packet, Choices([]))
        walk.travel(("prerouting", "forward", "postrouting"))
        counts.append(walk.met)
    return counts[0], counts[1]


def compiled(folder: Path) -> dict[str, str]:
    """Compile the policies: the text of each ruleset."""
    (folder / "hosts.yml").write_text(_HOSTS)
    found = {}
    for name, entries in _POLICIES.items():
        policy = folder / "policy.yml"
        policy.write_text(f"- name: one\n  hosts: all\n  passthrough:\n    {entries}\n")
        out = folder / "out"
        arguments = ["-q", "compile", "-i", str(folder / "hosts.yml"), "-p", str(policy)]
        if passthru([*arguments, "-o", str(out)]) != 0:
            raise SystemExit(f"the benchmark's policy {name!r} does not compile")
        found[name] = (out / "router/etc/passthru/passthru.nft").read_text()
    return found


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    reason = missing()
    if reason:
        raise SystemExit(reason)
    net = Net()
    with tempfile.TemporaryDirectory() as scratch:
        rulesets = {"plainest masquerade": _PLAINEST, "60 linear rules": _LINEAR}
        rulesets |= compiled(Path(scratch))
        absent = firewalld.missing()
        if absent:
            print(f"without firewalld: {absent}")
        else:
            rulesets["firewalld"] = firewalld.ruleset(net.router, Path(scratch), _LAN, _WAN)
    speeds: dict[str, list[float]] = {name: [] for name in rulesets}
    rates: dict[str, list[float]] = {name: [] for name in rulesets}
    met: dict[str, tuple[int, int]] = {}
    for _ in range(rounds):
        for name, text in rulesets.items():
            net.load(text)
            met[name] = rules_met(load_nft(net.router.run("nft", "-j", "list", "ruleset")), _PORT)
            speeds[name].append(throughput(net, seconds))
            rates[name].append(connections(net, seconds))
    net.close()
    print(f"{rounds} rounds of {seconds:g} s; ratios are medians of the ratios of each round")
    print(
        f"{'':24}{'Mb/s':>8}{'ratio':>7}{'conn/s':>9}{'ratio':>7}{'rules: first':>14}{'later':>7}"
    )
    for name in rulesets:
        print(
            f"{name:24}{statistics.median(speeds[name]):8.0f}{_ratio(speeds, name):7.2f}"
            f"{statistics.median(rates[name]):9.0f}{_ratio(rates, name):7.2f}"
            f"{met[name][0]:14}{met[name][1]:7}"
        )


def _ratio(figures: dict[str, list[float]], name: str) -> float:
    plain = figures["plainest masquerade"]
    return statistics.median(a / b for a, b in zip(figures[name], plain, strict=True))


if __name__ == "__main__":
    main()
