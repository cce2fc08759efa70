"""What the compiled gateway costs packets, beside other rulesets in the same run.

A client, a router and a server in network namespaces; every packet is forwarded by itself (no
segmentation offload) and as large as Ethernet carries, as those of a download are. The rulesets
take turns, each round from another one on, so that what else the machine does meets all of them;
the figures are medians of the rounds, and of the ratios to the plainest ruleset in the same round.

Throughput and connections are what people notice, and vary by some hundredths from run to run.
The time for a packet of one established UDP flow is steadier and shows more: it holds no copying
of full packets and no answers. The rules that a packet meets are counted, not timed: by the
evaluator, on the kernel's own listing.

    python -m benchmarks.datapath [ROUNDS] [SECONDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

from benchmarks import firewalld
from benchmarks.traffic import (
    CLIENT,
    LAN,
    PORT,
    SERVER,
    WAN,
    Net,
    connections,
    nanoseconds,
    throughput,
)
from compiler.cli.main import main as passthru
from compiler.evaluate import Packet, Ruleset, load_nft
from compiler.evaluate.explore import Choices
from compiler.evaluate.ruleset import Chain, Move, Rule
from compiler.evaluate.walk import Walk
from compiler.model.protocol import TCP
from compiler.prove.lab.namespaces import missing

_PLAIN, _ENOUGH = "plainest masquerade", 0.97
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


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    reason = missing()
    if reason:
        raise SystemExit(reason)
    net = Net()
    with tempfile.TemporaryDirectory() as scratch:
        rulesets = {_PLAIN: _PLAINEST, "60 linear rules": _LINEAR}
        rulesets |= compiled(Path(scratch))
        absent = firewalld.missing()
        if absent:
            print(f"without firewalld: {absent}")
        else:
            rulesets["firewalld"] = firewalld.ruleset(net.router, Path(scratch), LAN, WAN)
    figures = {name: Figures() for name in rulesets}
    names = list(rulesets)
    for turn in range(rounds):
        first = turn % len(names)  # so that none always comes right after the same one
        for name in names[first:] + names[:first]:
            net.load(rulesets[name])
            figures[name].measure(net, seconds)
    net.close()
    print(f"{rounds} rounds of {seconds:g} s; ratios are medians of the ratios of each round")
    print(f"{'':24}{'Mb/s':>8}{'conn/s':>17}{'ns/packet':>17}{'rules: first':>23}{'later':>7}")
    for name, found in figures.items():
        print(f"{name:24}{found.line(figures[_PLAIN])}")
    print(f"ok: at least {_ENOUGH} of the plainest")


@dataclass(slots=True)
class Figures:
    """What was measured of one ruleset, round by round."""

    speeds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    met: tuple[int, int] = (0, 0)

    def measure(self, net: Net, seconds: float) -> None:
        """Measure the ruleset that is loaded."""
        self.met = rules_met(load_nft(net.router.run("nft", "-j", "list", "ruleset")), PORT)
        self.speeds.append(throughput(net, seconds))
        self.rates.append(connections(net, seconds))
        self.times.append(nanoseconds(net))

    def line(self, plain: Figures) -> str:
        """Print the medians, each with its ratio to the plainest: more is better."""
        return (
            f"{statistics.median(self.speeds):8.0f} {_ratio(self.speeds, plain.speeds)}"
            f"{statistics.median(self.rates):8.0f} {_ratio(self.rates, plain.rates)}"
            f"{statistics.median(self.times):8.0f} {_ratio(plain.times, self.times)}"
            f"{self.met[0]:14}{self.met[1]:7}"
        )


def _ratio(more: Sequence[float], less: Sequence[float]) -> str:
    found = statistics.median(a / b for a, b in zip(more, less, strict=True))
    return f"{found:5.3f} {'ok' if found >= _ENOUGH else 'no':2}"


if __name__ == "__main__":
    main()
