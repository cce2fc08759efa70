"""What the compiled gateway costs packets, beside other rulesets in the same run.

For each ruleset a client, a router and a server in network namespaces; every packet is forwarded
by itself (no segmentation offload) and as large as Ethernet carries, as those of a download are.
The rulesets take short turns, each round from another one on, so that what else the machine does
meets all of them. A ratio is the median of what each round says, with its standard error; the
plainest ruleset runs twice, and the second time shows what the figures are worth.

Throughput and connections are what people notice. The time for a packet of one established UDP
flow shows more: it holds no copying of full packets, no answers and no connection tracking of
TCP. The rules that a packet meets are counted, not timed: by the evaluator, on the kernel's own
listing.

    python -m benchmarks.datapath [ROUNDS]
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from benchmarks import firewalld
from benchmarks.traffic import CLIENT, LAN, PORT, SERVER, WAN, Net
from compiler.cli.main import main as passthru
from compiler.evaluate import Packet, Ruleset, load_nft
from compiler.evaluate.explore import Choices
from compiler.evaluate.ruleset import Chain, Move, Rule
from compiler.evaluate.walk import Walk
from compiler.model.protocol import TCP
from compiler.prove.lab.namespaces import Namespace, missing

_PLAIN, _AGAIN, _ENOUGH = "plainest masquerade", "the same once more", 0.97
#: How much of each a turn is: some milliseconds.
_BLOCKS, _CONNECTIONS, _PACKETS = 4, 20, 150
_PLAINEST = f"""table ip plain {{
	chain forward {{
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "{LAN}" oifname "{WAN}" accept
	}}
	chain post {{
		type nat hook postrouting priority 100; policy accept;
		oifname "{WAN}" masquerade
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
        "    openvpn: {action: block, from: [10.0.0.0/8]}"
    ),
    "passthru, IKE versions": "default: block\n    ipsec: pass\n    ikev1: block",
}
_HOSTS = f"""all:
  hosts:
    router:
      passthru_target: linux
      passthru_zones:
        lan: {{device: {LAN}, networks: [192.168.1.0/24]}}
        wan: {{device: {WAN}}}
"""


class Counting(Walk):
    """Counts the rules of the forward hook that a packet meets, matching or not."""

    met = 0

    def _rule(self, chain: Chain, rule: Rule) -> Move:
        self.met += self.hook == "forward"
        return super()._rule(chain, rule)


def rules_met(ruleset: Ruleset, port: int) -> tuple[int, int]:
    """Count the rules that the first packet of a passed connection meets, and a later one."""
    client, server = ip_address(CLIENT), ip_address(SERVER)
    first = Packet(client, server, TCP, LAN, WAN, 40000, port, payload=b"")
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


def rulesets(folder: Path) -> dict[str, str]:
    """Give every ruleset that can be measured here."""
    found = {_PLAIN: _PLAINEST, _AGAIN: _PLAINEST, "60 linear rules": _LINEAR}
    found |= compiled(folder)
    absent = firewalld.missing()
    if absent:
        print(f"without firewalld: {absent}")
    else:
        with Namespace("firewalld") as space:
            found["firewalld"] = firewalld.ruleset(space, folder, LAN, WAN)
    return found


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    reason = missing()
    if reason:
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as scratch:
        nets = {name: Net(rules) for name, rules in rulesets(Path(scratch)).items()}
    figures = {name: Figures(net) for name, net in nets.items()}
    names = list(nets)
    for turn in range(rounds):
        first = turn % len(names)  # so that none always comes right after the same one
        for name in names[first:] + names[:first]:
            figures[name].measure()
    for net in nets.values():
        net.close()
    print(f"{rounds} rounds; ratios are medians of the rounds, with their standard errors;")
    print(
        f"!: less than {_ENOUGH} of the plainest; rules that a first packet meets, and a later one"
    )
    print(f"{'':22}{'Mb/s':>5}{'':12}{'conn/s':>6}{'':10}{'ns/packet':>9}{'rules':>15}")
    for name, found in figures.items():
        print(f"{name:22}{found.line(figures[_PLAIN])}")


class Figures:
    """What was measured of one ruleset, round by round: seconds."""

    def __init__(self, net: Net) -> None:
        """Count the rules, and make a first turn that does not count."""
        self.net = net
        listed = load_nft(net.router.run("nft", "-j", "list", "ruleset"))
        self.met = rules_met(listed, PORT)
        self.blocks: list[float] = []
        self.connections: list[float] = []
        self.packets: list[float] = []
        self.measure()
        for turns in (self.blocks, self.connections, self.packets):
            turns.clear()

    def measure(self) -> None:
        """Take one turn."""
        self.blocks.append(self.net.stream(_BLOCKS))
        self.connections.append(self.net.connections(_CONNECTIONS))
        self.packets.append(self.net.packets(_PACKETS))

    def line(self, plain: Figures) -> str:
        """Print the medians, each with its ratio to the plainest: more is better."""
        megabits = 8 * 65536 / 1e6 / statistics.median(self.blocks)
        return (
            f"{megabits:5.0f} {_ratio(plain.blocks, self.blocks)}"
            f"{1 / statistics.median(self.connections):6.0f} "
            f"{_ratio(plain.connections, self.connections)}"
            f"{1e9 * statistics.median(self.packets):5.0f} {_ratio(plain.packets, self.packets)}"
            f"{self.met[0]:2}/{self.met[1]}"
        )


def _ratio(plain: Sequence[float], own: Sequence[float]) -> str:
    """Print the median of the ratios, and 1.25 times the error of their mean (normal errors)."""
    ratios = sorted(a / b for a, b in zip(plain, own, strict=True))
    found, count = statistics.median(ratios), len(ratios)
    spread = (ratios[3 * count // 4] - ratios[count // 4]) / 1.349
    error = f"{1.253 * spread / math.sqrt(count):.3f}".lstrip("0")
    return f"{found:.3f}+-{error}{' ' if found >= _ENOUGH else '!'}"


if __name__ == "__main__":
    main()
