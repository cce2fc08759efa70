"""Where the packets of a probe come from and go to, as far as rules can tell places apart.

A probe that names no address means one that no rule mentions; a zone whose interfaces nobody knows
stands for any interface, so every one that the rules tell apart is a candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from compiler.evaluate.ruleset import Rules
from compiler.model.device import Address, Device, Network, Role
from compiler.model.protocol import Family

#: Networks wider than this are no mention of an address: they only name the family.
_NARROW = {4: 4, 6: 8}
_PRIVATE = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
_NO_CLIENTS = (ip_network("fe80::/10"), ip_network("ff00::/8"), ip_network("::/16"))


def _parsed(texts: dict[int, tuple[str, ...]]) -> dict[int, tuple[Address, ...]]:
    return {version: tuple(map(ip_address, some)) for version, some in texts.items()}


#: Public addresses far apart, of which rules hardly mention all; then the documentation's.
_FAR = _parsed({
    4: ("9.9.9.9", "1.1.1.1", "151.101.1.69", "62.75.141.9", "84.17.46.51", "128.31.0.62",
        "193.0.6.139", "200.3.14.184", "202.12.29.5", "41.63.0.7", "212.58.244.70", "66.35.62.44",
        "13.33.88.7", "34.107.221.82", "52.84.150.3", "103.86.96.100", "192.0.2.77",
        "198.51.100.77", "203.0.113.77"),
    6: ("2620:fe::9", "2606:4700::1111", "2001:500:1::53", "2a00:1450:4001::200e", "2c0f:feb0::7",
        "2803:f800::7", "2404:6800::200e", "2001:db8:77::77"),
})  # fmt: skip
_INNER = _parsed({
    4: ("10.213.77.11", "172.27.77.11", "192.168.213.11", "10.93.7.11", "192.168.77.11",
        "172.19.213.11", "100.99.77.11"),
    6: ("2a02:d47a:77::11", "2600:77ff:77::11", "fd77:d47a:77::11"),
})  # fmt: skip
#: Hosts of a network, counted from its start, of which rules hardly mention all.
OFFSETS = (11, 77, 133, 201, 5, 99, 171, 230, 2, 3, 254)


class Places:
    """The places of one router under some rules."""

    def __init__(self, rules: Rules, device: Device) -> None:
        """Sort what the rules mention."""
        self._device = device
        self.mentioned = tuple(
            sorted(
                (net for net in rules.networks if net.prefixlen >= _NARROW[net.version]),
                key=lambda net: (net.version, -net.prefixlen, int(net.network_address)),
            )
        )
        self.links = concrete(rules.links)
        self._others = others(rules.links)

    def interfaces(self, name: str) -> tuple[str, ...]:
        """Give the interfaces that a zone may have; all must agree."""
        zone = self._device.zone(name)
        if zone is not None and zone.devices:
            return zone.devices
        role = zone.role if zone else Role.LAN
        taken = {link for each in self._device.zones for link in each.devices}
        left = tuple(link for link in self.links if link not in taken)
        return (*left, self._others[role is Role.WAN])

    def inner(self, name: str, family: Family) -> tuple[Address, ...]:
        """Give the addresses that a client in a zone may have, as far as rules tell them apart."""
        version = 4 if family is Family.IPV4 else 6
        zone = self._device.zone(name)
        own = [net for net in zone.networks if net.version == version] if zone else []
        if own:
            parts = [n for n in self.mentioned if _holds(n) and any(_inside(n, net) for net in own)]
            return tuple(dict.fromkeys(self.host(net) for net in (*own, *parts)))
        found = [self.host(net) for net in self.mentioned if net.version == version and _holds(net)]
        return tuple(dict.fromkeys([*found, self.unmentioned(_INNER[version])]))

    def far(self, family: Family) -> Address:
        """Give an address of the internet that no rule mentions."""
        return self.unmentioned(_FAR[4 if family is Family.IPV4 else 6])

    def own(self, other: Address) -> Address:
        """Give an address that the router itself may have in the WAN, another than ``other``."""
        return self.unmentioned(address for address in _FAR[other.version] if address != other)

    def host(self, network: Network) -> Address:
        """Give a host of a network that no rule mentions by a narrower one."""
        within = [net for net in self.mentioned if _inside(net, network) and net != network]
        size = network.num_addresses
        some = [network[offset % size] for offset in OFFSETS] if size > 2 else [network[size - 1]]
        return next((a for a in some if not any(a in net for net in within)), some[0])

    def unmentioned(self, some: Iterable[Address]) -> Address:
        """Give the address that the fewest mentions hold; of equals, the first."""
        return min(some, key=lambda a: sum(a in net for net in self.mentioned))


def concrete(links: Iterable[str]) -> tuple[str, ...]:
    """Give one interface for each name that rules mention; ``ppp*`` is ``ppp0``."""
    named = {link for link in links if not link.endswith("*")}
    for pattern in links:
        if pattern.endswith("*") and not any(link.startswith(pattern[:-1]) for link in named):
            named.add(f"{pattern[:-1]}0")
    return tuple(sorted(named - {"lo", "", "0"}))


def others(links: Iterable[str]) -> tuple[str, str]:
    """Give two interfaces that no rule names."""
    known = tuple(links)
    free = [
        name
        for name in (f"{word}{number}" for word in ("other", "zz", "q") for number in range(9))
        if not any(_named_by(pattern, name) for pattern in known)
    ]
    return (free[0], free[1]) if len(free) > 1 else ("other0", "other1")


def _named_by(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _holds(net: Network) -> bool:
    """Tell whether clients of a LAN may live in a network; a single host is none."""
    if net.prefixlen == net.max_prefixlen:
        return False
    if isinstance(net, IPv4Network):
        return any(_inside(net, private) or net == private for private in _PRIVATE)
    return not any(_inside(net, odd) for odd in _NO_CLIENTS)


@cache
def _inside(net: Network, other: Network) -> bool:
    if isinstance(net, IPv4Network) and isinstance(other, IPv4Network):
        return net.subnet_of(other)
    if isinstance(net, IPv6Network) and isinstance(other, IPv6Network):
        return net.subnet_of(other)
    return False


def private(networks: Iterable[Network]) -> Iterator[Network]:
    """Give the networks in which clients of a LAN may live."""
    return (net for net in networks if _holds(net))
