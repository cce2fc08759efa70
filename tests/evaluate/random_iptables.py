"""Random rulesets for iptables-restore and ip6tables-restore: all tables, user chains, matches."""

# Rules read best on one line each.
# ruff: noqa: E501

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

_ADDRESSES = {
    "ip": ("192.168.1.11/32", "192.168.1.0/24", "203.0.113.0/24", "198.51.100.64/26", "192.0.2.0/255.255.255.128",
           "0.0.0.0/1", "192.168.0.11/255.255.0.255"),
    "ip6": ("2001:db8:1::11/128", "2001:db8:1::/64", "2001:db8:aa::/48", "8000::/1", "2001:db8:ff::80/121"),
}  # fmt: skip
_CHAINS: Mapping[str, Sequence[str]] = {
    "raw": ("PREROUTING",),
    "mangle": ("PREROUTING", "FORWARD", "POSTROUTING"),
    "filter": ("FORWARD",),
}
#: Every table that is written, with the built-in chains.
BUILT_IN: Mapping[str, Sequence[str]] = {**_CHAINS, "nat": ("PREROUTING", "POSTROUTING")}
_STATES = ("NEW", "RELATED,ESTABLISHED", "INVALID", "NEW,ESTABLISHED", "UNTRACKED", "SNAT", "DNAT")


class Writer:
    """Writes the rules of one family."""

    def __init__(self, rng: random.Random, family: str) -> None:
        self._rng, self._family = rng, family

    def ruleset(self, *, nat: bool, notrack: bool) -> str:
        """Write all tables."""
        tables = [self._table(table, chains, notrack=notrack) for table, chains in _CHAINS.items()]
        if nat:
            tables.append(self._nat())
        return "".join(tables)

    def _nat(self) -> str:
        to = "198.51.100.7" if self._family == "ip" else "2001:db8:ff::7"
        lines = [
            "*nat",
            ":PREROUTING ACCEPT [0:0]",
            ":POSTROUTING ACCEPT [0:0]",
            f"-A PREROUTING -i br-lan -p tcp -m tcp --dport 443 -j DNAT --to-destination {to}",
            "-A POSTROUTING -o wan+ -j MASQUERADE",
            "COMMIT",
        ]
        return "\n".join(lines) + "\n"

    def _table(self, table: str, chains: Sequence[str], *, notrack: bool) -> str:
        lines = [f"*{table}"]
        for chain in chains:
            policy = "DROP" if table == "filter" and self._rng.random() < 0.4 else "ACCEPT"
            lines.append(f":{chain} {policy} [0:0]")
        lines += [":one - [0:0]", ":two - [0:0]"]
        if table == "raw" and notrack:
            lines.append("-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack")
        for chain in chains:
            most = 5 if table == "filter" else 2
            lines += [
                self._rule(table, chain, ("one", "two")) for _ in range(self._rng.randint(1, most))
            ]
        late = "POSTROUTING" if "POSTROUTING" in chains else ""
        lines += [self._rule(table, late, ("two",), "one") for _ in range(2)]
        lines += [self._rule(table, late, (), "two") for _ in range(2)]
        return "\n".join([*lines, "COMMIT"]) + "\n"

    def _rule(self, table: str, chain: str, below: Sequence[str], name: str = "") -> str:
        rng = self._rng
        protocol = rng.choice(("tcp", "tcp", "udp", "udp", "icmp", "any"))
        pool = self._general(table, chain)
        parts = [
            f"-A {name or chain}",
            *[pick() for pick in rng.sample(pool, rng.choice((0, 1, 1, 2)))],
        ]
        parts += self._protocol(protocol)
        return " ".join([*parts, self._target(table, below)])

    def _target(self, table: str, below: Sequence[str]) -> str:
        pool = ["-j ACCEPT", "-j DROP", "-j ACCEPT", "-j DROP", "-j RETURN"]
        pool += [f"{how} {chain}" for how in ("-j", "-g") for chain in below] * 2
        if table == "filter":
            pool.append("-j REJECT")
        if table == "mangle":
            pool += [
                "-j MARK --set-xmark 0x10/0xffffffff",
                "-j MARK --set-xmark 0x1/0x1",
                "-j CONNMARK --set-xmark 0x3/0xffffffff",
            ]
        return self._rng.choice(pool)

    def _not(self) -> str:
        return self._rng.choice(("", "", "! "))

    def _general(self, table: str, chain: str) -> list[Callable[[], str]]:
        pick, maybe_not, some = self._rng.choice, self._not, _ADDRESSES[self._family]
        last = some[1].split("/")[0]
        pool: list[Callable[[], str]] = [
            lambda: f"{maybe_not()}-s {pick(some)}",
            lambda: f"{maybe_not()}-d {pick(some)}",
            lambda: f"-m mark {maybe_not()}--mark {pick(('0x10', '0x1/0x1', '0x0'))}",
            lambda: f"-m length {maybe_not()}--length {pick(('60:100', '0:80', '84'))}",
            lambda: (
                f"-m iprange {maybe_not()}--{pick(('src', 'dst'))}-range {last}-{some[0].split('/')[0]}"
            ),
            lambda: '-m comment --comment "-j DROP, or not"',
        ]
        if table != "raw":
            pool += [
                lambda: f"-m conntrack {maybe_not()}--ctstate {pick(_STATES)}",
                lambda: f"-m conntrack --ctdir {pick(('ORIGINAL', 'REPLY'))}",
                lambda: (
                    f"-m conntrack --ctstate {pick(_STATES)} {maybe_not()}--ctorigdst {pick(some[:4])}"
                ),
                lambda: f"-m connmark {maybe_not()}--mark {pick(('0x3', '0x1/0x1'))}",
                lambda: f"-m state --state {pick(_STATES[:4])}",
                lambda: f"-m addrtype {maybe_not()}--dst-type LOCAL",
            ]
        if chain != "POSTROUTING" and chain:
            pool.append(lambda: f"{maybe_not()}-i {pick(('br-lan', 'br+', 'wan', 'wan2'))}")
        if chain in ("FORWARD", "POSTROUTING"):
            pool.append(lambda: f"{maybe_not()}-o {pick(('br-lan', 'wan', 'wan+'))}")
        return pool

    def _protocol(self, protocol: str) -> list[str]:
        pick, maybe_not = self._rng.choice, self._not
        if protocol == "any":
            return [pick(("", "", "-p gre", "-p esp", "! -p tcp", "-p 115"))]
        if protocol == "icmp":
            four = self._family == "ip"
            head = "-p icmp -m icmp" if four else "-p ipv6-icmp -m icmp6"
            option = "--icmp-type" if four else "--icmpv6-type"
            kinds = ("8", "0", "8/0") if four else ("128", "129", "128/0")
            return [head, f"{maybe_not()}{option} {pick(kinds)}"]
        found = [
            f"-p {protocol} -m {protocol}",
            f"{maybe_not()}--dport {pick(('80', '22:443', '500:1723', '1024:'))}",
        ]
        if protocol == "tcp":
            found.append(
                pick(("", f"{maybe_not()}--tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags ALL NONE"))
            )
        return [
            *found,
            pick(
                (
                    "",
                    "",
                    f"-m multiport {maybe_not()}--dports 22,443,1000:2000",
                    "-m multiport --ports 53,80",
                )
            ),
        ]


def rulesets(rng: random.Random) -> tuple[str, str]:
    """Give the texts for iptables-restore and ip6tables-restore."""
    nat, notrack = rng.random() < 0.4, rng.random() < 0.2
    four, six = (
        Writer(rng, family).ruleset(nat=nat, notrack=notrack and not nat)
        for family in ("ip", "ip6")
    )
    return four, six
