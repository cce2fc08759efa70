"""Random nft rulesets: several tables, base chains with priorities, user chains, sets and maps."""

# Rules read best on one line each, and all makers of rules share their signature.
# ruff: noqa: E501, ARG002, ISC004

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_ADDRESSES = {
    "ip": ("192.168.1.11", "192.168.1.0/24", "192.168.2.11", "203.0.113.0/24", "198.51.100.0-198.51.100.99",
           "192.0.2.128/25", "203.0.113.20-203.0.113.120", "0.0.0.0/1"),
    "ip6": ("2001:db8:1::11", "2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:aa::/48", "2001:db8:bb::-2001:db8:ff::",
            "2001:db8:ff::20-2001:db8:ff::90", "8000::/1"),
}  # fmt: skip
_LINKS = ('"br-lan"', '"br-guest"', '"wan"', '"wan2"', '"br*"', '"wan*"')
_SOME_LINKS = '{ "br-lan", "wan*" }'
_SETS = """
	set four_ { type ipv4_addr; flags interval; elements = { 192.168.1.11, 203.0.113.0/25, 198.51.100.40-198.51.100.200 } }
	set six_ { type ipv6_addr; flags interval; elements = { 2001:db8:1::/64, 2001:db8:aa::40-2001:db8:aa::f0 } }
	set ports_ { type inet_service; elements = { 80, 500, 1723 } }
	set spans_ { type inet_service; flags interval; elements = { 22, 440-1023, 4500-40000 } }
	set links_ { type ifname; elements = { "br-lan", "wan" } }
	set pairs_ { type ipv4_addr . inet_service; flags interval; elements = { 203.0.113.0/25 . 0-1023, 192.0.2.0/24 . 1723 } }
	map heads_ { type inet_proto : verdict; elements = { gre : drop, esp : accept, ah : jump u1_ } }
	map doors_ { type inet_proto . inet_service : verdict; elements = { tcp . 1723 : drop, udp . 1701 : accept, udp . 500 : goto u2_, tcp . 443 : continue } }
	map spread_ { type inet_service : verdict; flags interval; elements = { 0-79 : drop, 80 : jump u2_, 1024-4500 : return } }
"""


class Writer:
    """Writes rules. A rule keeps to one family and one protocol, as nft demands."""

    def __init__(self, rng: random.Random, family: str) -> None:
        self._rng, self._family = rng, family

    def ruleset_table(self, name: str, *, nat: bool, raw: bool) -> str:
        """Write one table."""
        rng = self._rng
        chains = [self._chain(f"u{i}_", "", [f"u{j}_" for j in range(i + 1, 4)]) for i in (3, 2, 1)]
        below = ["u1_", "u2_", "u3_"]
        for i in range(rng.choice((1, 1, 2))):
            policy = rng.choice(("accept", "accept", "drop"))
            at = rng.choice(("filter", "-10", "5", "20", "mangle"))
            head = f"type filter hook forward priority {at}; policy {policy};"
            chains.append(self._chain(f"f{i}_", head, below))
        for hook, at in (
            ("prerouting", rng.choice(("raw", "mangle", "filter"))),
            ("postrouting", "filter"),
        ):
            if rng.random() < 0.4:
                head = f"type filter hook {hook} priority {at}; policy accept;"
                chains.append(self._chain(f"{hook}_", head, below, raw=raw and at == "raw"))
        if nat:
            chains += self._nat_chains()
        return f"table {self._family} {name} {{{_SETS}\n" + "\n".join(chains) + "\n}\n"

    def _nat_chains(self) -> list[str]:
        to = self._dnat()
        return [
            "\tchain src_ {\n\t\ttype nat hook postrouting priority srcnat;\n"
            f'\t\toifname "wan*" {self._rng.choice(("masquerade", "meta l4proto udp masquerade"))}\n\t}}',
            "\tchain dst_ {\n\t\ttype nat hook prerouting priority dstnat;\n"
            f'\t\tiifname "br-lan" {to}\n\t}}',
        ]

    def _dnat(self) -> str:
        found = []
        if self._family in ("ip", "inet"):
            found += [
                "tcp dport 443 dnat ip to 198.51.100.7",
                "udp dport 53 dnat ip to 192.0.2.5:5353",
            ]
        if self._family in ("ip6", "inet"):
            found += ["tcp dport 22 dnat ip6 to 2001:db8:ff::7"]
        return self._rng.choice(found)

    def _chain(self, name: str, head: str, below: Sequence[str], *, raw: bool = False) -> str:
        count = self._rng.randint(2, 6) if head else self._rng.randint(1, 3)
        late = name == "postrouting_"
        rules = [self._rule(() if late else below, late=late) for _ in range(count)]
        if raw:
            rules.append("udp dport 53 notrack")
        return (
            f"\tchain {name} {{\n"
            + "".join(f"\t\t{line}\n" for line in [head, *rules] if line)
            + "\t}"
        )

    def _rule(self, below: Sequence[str], *, late: bool) -> str:
        rng = self._rng
        family = rng.choice(("ip", "ip6")) if self._family == "inet" else self._family
        protocol = rng.choice(("tcp", "tcp", "udp", "udp", "icmp", "any"))
        general = self._general()[:-1] if late else self._general()
        pool = [*general, *self._addresses(family), *self._transport(protocol, family)]
        parts = [pick() for pick in rng.sample(pool, rng.choice((1, 1, 2, 2, 3)))]
        # nft 1.0.6 lists `tcp dport < 500 th sport > 2000` as `tcp sport != 500-2000`.
        compared = [part for part in parts if "<" in part or ">" in part]
        parts = [part for part in parts if part not in compared[1:]]
        end = rng.choice((self._verdict, self._verdict, self._verdict, self._map, self._mark))
        text = end(() if late else below, protocol)
        if late:
            text = text.replace("reject", "drop")
        return " ".join([*parts, rng.choice(("", "counter")), text]).replace("  ", " ")

    def _verdict(self, below: Sequence[str], protocol: str) -> str:
        plain = ["accept", "drop", "accept", "drop", "reject", "return", "continue"]
        return self._rng.choice(
            [*plain, *[f"{word} {chain}" for word in ("jump", "goto") for chain in below]]
        )

    def _map(self, below: Sequence[str], protocol: str) -> str:
        if len(below) < 3:
            return self._verdict(below, protocol)
        ported = f"tcp dport vmap {{ 22 : drop, 80-443 : jump {below[0]}, * : return }}"
        return self._rng.choice(
            (
                *([ported] if protocol == "tcp" else []),
                "meta l4proto vmap @heads_",
                "meta l4proto . th dport vmap @doors_",
                "meta l4proto { tcp, udp } th dport vmap @spread_",
                f'iifname vmap {{ "br-lan" : jump {below[1]}, "br-guest" : drop, "wan" : accept }}',
                "ct state vmap { new : return, established : accept, invalid : drop }",
            )
        )

    def _mark(self, below: Sequence[str], protocol: str) -> str:
        mapped = ["meta mark set tcp dport map { 22 : 0x10, 80 : 0x21 }"] * (protocol == "tcp")
        word = self._rng.choice(
            ["meta mark set 0x10", "meta mark set 0x21", "ct mark set 0x3",
             "meta mark set meta mark or 0x100", "meta mark set ct mark", *mapped],
        )  # fmt: skip
        return f"{word} {self._rng.choice(('', 'accept', 'drop'))}".strip()

    def _op(self) -> str:
        return self._rng.choice(("", "", "!= "))

    def _general(self) -> list[Callable[[], str]]:
        pick, op = self._rng.choice, self._op
        return [
            lambda: f"iifname {op()}{pick((*_LINKS, '@links_', _SOME_LINKS))}",
            lambda: f"oifname {op()}{pick((*_LINKS, '@links_'))}",
            lambda: f"iif {op()}{pick(_LINKS[:4])}",
            lambda: 'iifname . oifname { "br-lan" . "wan", "wan" . "br-lan", "br-guest" . "wan2" }',
            lambda: f"ct state {pick(('new', 'established,related', 'invalid', '{ new, established }', '!= new', '!= { established, invalid }', 'untracked'))}",
            lambda: f"ct direction {pick(('original', 'reply'))}",
            lambda: f"ct status {pick(('snat', 'dnat', 'snat,dnat'))}",
            lambda: pick(("meta mark 0x10", "meta mark != 0x21", "meta mark & 0x1 == 0x1", "meta mark and 0xf0 != 0x10")),
            lambda: pick(("ct mark 0x3", "ct mark != 0x3", "ct mark & 0x1 == 0x1")),
            lambda: pick(("meta length > 60", "meta length 40-100", "meta length != { 20-60, 84 }", "meta length < 200")),
            lambda: pick(("@nh,72,8 17", "@th,16,16 1701", "@th,0,8 & 0xf0 == 0x30", "@th,64,32 0x01000000", "@th,0,32 0x3b040001")),
            lambda: pick(("th dport 500", "th dport != 80", "th sport > 2000", "th dport { 0, 500-1800 }")),
            lambda: f"fib daddr type {op()}local",
        ]  # fmt: skip

    def _addresses(self, family: str) -> list[Callable[[], str]]:
        pick, op = self._rng.choice, self._op
        named = "@four_" if family == "ip" else "@six_"
        some = _ADDRESSES[family]
        return [
            lambda: f"{family} saddr {op()}{pick((*some, named))}",
            lambda: f"{family} daddr {op()}{pick((*some, named))}",
            lambda: f"{family} daddr {op()}{{ {some[0]}, {some[3]} }}",
            lambda: f"{family} saddr {pick(('<', '>=', '>'))} {some[0]}",
            lambda: f"ct original {family} {pick(('saddr', 'daddr'))} {pick(some)}",
            lambda: f"ct reply {family} saddr {op()}{pick(some)}",
            lambda: (
                f"{family} {pick(('ttl' if family == 'ip' else 'hoplimit',))} {pick(('< 64', '63', '> 63'))}"
            ),
            lambda: f"{family} dscp {op()}{pick(('0x04', '0x00', 'ef'))}",
        ]

    def _transport(self, protocol: str, family: str) -> list[Callable[[], str]]:
        pick, op = self._rng.choice, self._op
        if protocol == "any":
            inner = "ip protocol" if family == "ip" else "ip6 nexthdr"
            return [
                lambda: (
                    f"meta l4proto {op()}{pick(('tcp', 'gre', 'esp', '{ tcp, ah, 115 }', '{ udp, gre }'))}"
                ),
                lambda: f"{inner} {op()}{pick(('tcp', '{ udp, esp }', '47'))}",
            ]
        if protocol == "icmp":
            word = "icmp" if family == "ip" else "icmpv6"
            return [
                lambda: (
                    f"{word} type {op()}{pick(('echo-request', 'echo-reply', '{ echo-request, echo-reply }'))}"
                )
            ] * 3
        pairs = (
            "ip daddr . {} dport @pairs_"
            if family == "ip"
            else "{} dport . meta mark {{ 80 . 0x10, 22 . 0x0 }}"
        )
        found: list[Callable[[], str]] = [
            lambda: (
                f"{protocol} dport {op()}{pick(('80', '22-80', '@ports_', '@spans_', '{ 53, 443, 1024-2000 }'))}"
            ),
            lambda: f"{protocol} dport {pick(('<', '>', '<=', '>='))} {pick((80, 500, 1723))}",
            lambda: f"{protocol} sport {op()}{pick(('1024-3000', '@spans_'))}",
            lambda: pairs.format(protocol),
            lambda: f"meta l4proto . th dport {{ {protocol} . 80, {protocol} . 1000-2000 }}",
        ]
        if protocol == "udp":
            return [*found, lambda: f"udp length {op()}{pick(('156', '8-60', '{ 8, 28 }'))}"]
        flags = (
            "syn",
            "& (syn|ack) == syn",
            "!= syn",
            "== syn",
            "! syn",
            "& (fin|syn|rst|ack) != syn",
            "{ syn, ack }",
        )
        return [*found, *[lambda: f"tcp flags {pick(flags)}"] * 2]


def ruleset(rng: random.Random) -> str:
    """Give the text of a ruleset with one to three tables."""
    families = rng.choice(
        (("inet",), ("inet", "inet"), ("ip", "ip6"), ("inet", "ip", "ip6"), ("ip6", "inet"))
    )
    nat = rng.random() < 0.5
    raw = rng.random() < 0.2
    return "".join(
        Writer(rng, family).ruleset_table(f"t{i}_", nat=nat and i == 0, raw=raw and not nat)
        for i, family in enumerate(families)
    )
