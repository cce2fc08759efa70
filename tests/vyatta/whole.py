"""Whole configs of routers with rulesets on interfaces, and packets for them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from compiler.evaluate import Packet
from compiler.model.protocol import Family
from compiler.vyatta.dialect import Dialect
from compiler.vyatta.read import Path

LINKS = ("eth0", "eth1", "eth2")
_HOSTS = {
    Family.IPV4: ("192.168.1.50", "192.168.3.9", "198.51.100.8", "203.0.113.9", "10.0.0.5"),
    Family.IPV6: ("2001:db8:1::50", "fd00:1::9", "2001:db8:77::77", "2001:db8:fe::9"),
}
_NETWORKS = {
    Family.IPV4: ("192.168.1.0/24", "203.0.113.0/28", "198.51.100.8", "!192.168.3.0/24"),
    Family.IPV6: ("2001:db8:1::/64", "fd00:1::/64", "!2001:db8:77::/64"),
}
_PROTOCOLS = ("", "tcp", "udp", "tcp", "udp", "tcp_udp", "47", "esp", "17", "all", "!udp")
_PORTS = ("500", "1723", "500,4500", "400-600", "!500", "1-1000,40000")
_STATES = ("new", "established", "related", "invalid")


def config(rng: random.Random, dialect: Dialect) -> tuple[Path, ...]:
    """Give rulesets with random rules, on random interfaces."""
    return tuple(_config(rng, dialect))


def _config(rng: random.Random, dialect: Dialect) -> Iterator[Path]:
    for family in Family:
        members = [name for name in _NETWORKS[family] if "/" in name and "!" not in name]
        group = dialect.group(family, f"G{family}")
        yield from ((*group, dialect.member(family), member) for member in members)
        names = [f"{family}-{letter}" for letter in "ABC"]
        for name in names:
            node = dialect.ruleset(family, name)
            yield (*node, "default-action", rng.choice(("accept", "drop", "reject")))
            for number in rng.sample(range(1, 200), rng.randrange(4)):
                rule = (*node, "rule", str(number))
                yield from ((*rule, *leaf) for leaf in _rule(rng, dialect, family))
        key = "name" if family is Family.IPV4 else "ipv6-name"
        for link in LINKS:
            for way in ("in", "out"):
                if rng.random() < 0.5:
                    node = ("interfaces", "ethernet", link, "firewall", way, key)
                    yield (*node, rng.choice(names))


def _rule(rng: random.Random, dialect: Dialect, family: Family) -> Iterator[Path]:
    yield ("action", rng.choice(("accept", "drop", "reject")))
    protocol = rng.choice(_PROTOCOLS)
    if protocol:
        yield ("protocol", protocol)
    if protocol in ("tcp", "udp", "tcp_udp") and rng.random() < 0.7:
        yield (rng.choice(("source", "destination")), "port", rng.choice(_PORTS))
    for end in ("source", "destination"):
        chance = rng.random()
        if chance < 0.2:
            yield (end, "address", rng.choice(_NETWORKS[family]))
        elif chance < 0.35:
            yield (end, "group", dialect.reference(family), f"G{family}")
    if rng.random() < 0.3:
        for state in rng.sample(_STATES, rng.choice((1, 2))):
            yield ("state", state, rng.choice(("enable", "enable", "disable")))
    if rng.random() < 0.1:
        yield ("disable",)
    if rng.random() < 0.1:
        yield ("log", "enable")


def packets(rng: random.Random, count: int) -> Iterator[Packet]:
    """Give packets between the interfaces."""
    for _ in range(count):
        hosts: Sequence[str] = _HOSTS[rng.choice(tuple(Family))]
        source, destination = rng.sample(hosts, 2)
        iif, oif = rng.sample(LINKS, 2)
        layer4 = rng.choice((6, 17, 6, 17, 47, 50))
        ports = (rng.choice((40000, 500)), rng.choice((500, 4500, 1723, 22)))
        yield Packet(
            ip_address(source),
            ip_address(destination),
            layer4,
            iif,
            oif,
            *(ports if layer4 in (6, 17) else (0, 0)),
            state=rng.choice(("new", "new", *_STATES)),
        )
