"""Count a client's packets by flow: what it sent, and what came back.

This tells a blocked protocol from a program that never tried, and a control connection that opens
from data that gets lost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.prove.vpn.guest.node import Node


@dataclass(frozen=True)
class Watch:
    """A flow to count, in nft's words. A TCP reset is no answer: a router can send it."""

    flow: str
    sent: str
    back: str


@dataclass(frozen=True)
class Traffic:
    """Packets of one flow."""

    flow: str
    sent: int
    back: int

    def since(self, before: Traffic) -> Traffic:
        """Give what has come on top."""
        return Traffic(self.flow, self.sent - before.sent, self.back - before.back)


def udp(flow: str, port: int) -> Watch:
    """Watch a UDP port of the server."""
    return Watch(flow, f"udp dport {port}", f"udp sport {port}")


def tcp(flow: str, port: int) -> Watch:
    """Watch a TCP port of the server."""
    return Watch(flow, f"tcp dport {port}", f"tcp sport {port} tcp flags & rst == 0")


def portless(flow: str, number: int) -> Watch:
    """Watch an IP protocol. IPv6 without extension headers, as VPN software sends it."""
    match = f"meta l4proto {number}"
    return Watch(flow, match, match)


def table(watches: Sequence[Watch]) -> str:
    """Give the rules that count; they decide nothing."""
    names = [(f"f{number}", watch) for number, watch in enumerate(watches)]
    declared = "".join(f"\tcounter sent_{n} {{ }}\n\tcounter back_{n} {{ }}\n" for n, _ in names)
    out = "".join(f'\t\toifname "eth0" {w.sent} counter name sent_{n}\n' for n, w in names)
    back = "".join(f'\t\tiifname "eth0" {w.back} counter name back_{n}\n' for n, w in names)
    return f"""table inet watch {{
{declared}
	chain out {{
		type filter hook output priority 300; policy accept;
{out}
	}}
	chain back {{
		type filter hook input priority -300; policy accept;
{back}
	}}
}}
"""


def load(node: Node, watches: Sequence[Watch]) -> None:
    """Start counting."""
    node.run("nft", "-f", "-", text=table(watches))


def counters(node: Node, watches: Sequence[Watch]) -> list[Traffic]:
    """Read the counters, which only ever grow."""
    return read(node.run("nft", "-j", "list", "counters"), watches)


def read(listing: str, watches: Sequence[Watch]) -> list[Traffic]:
    """Read ``nft -j list counters``."""
    items = json.loads(listing)["nftables"]
    count = {c["name"]: int(c["packets"]) for item in items if (c := item.get("counter"))}
    return [
        Traffic(watch.flow, count.get(f"sent_f{number}", 0), count.get(f"back_f{number}", 0))
        for number, watch in enumerate(watches)
    ]
