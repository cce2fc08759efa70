"""A lab for a router: its interfaces as the inventory names them, and addresses for everybody.

Zones with networks use them. All other addresses come from ranges that nobody routes (RFC 5737, RFC
2544, RFC 1918, RFC 3849, RFC 9637), and never from one that the policy or a zone mentions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import chain, islice

from compiler.errors import ProofError
from compiler.model.device import Address, Device, Network, Zone
from compiler.model.finding import Code
from compiler.model.intent import Intent
from compiler.prove.lab import Client, Lan, Layout, Wan

#: What the kernel takes as the name of an interface, and the lab's tools as a word.
_INTERFACE = re.compile(r"[A-Za-z0-9_.@+][A-Za-z0-9_.@+-]{0,14}")
_RESERVED = frozenset({"lo", "all", "default", ".", ".."})
#: TOS values that routing can tell apart (IPTOS_RT_MASK), one for each WAN.
_TOS = (0x00, 0x10, 0x08, 0x04, 0x0C, 0x14, 0x18, 0x1C)
#: Where LANs without networks live, where links have addresses, and where servers are.
_LANS = {4: ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "198.18.0.0/15"),
         6: ("2001:db8:1000::/36", "3fff:1000::/36", "fd00:1000::/36")}  # fmt: skip
_LINKS = {4: ("203.0.113.0/24", "198.51.100.0/24", "198.19.0.0/16", "100.64.0.0/10"),
          6: ("2001:db8:f000::/36", "3fff:f00::/36", "fd00:f000::/36")}  # fmt: skip
_SERVERS = {4: ("192.0.2.0/24", "198.51.100.0/24", "198.18.0.0/16", "9.9.0.0/16", "1.0.0.0/8"),
            6: ("2001:db8:77::/64", "3fff:77::/64", "2620:fe::/64")}  # fmt: skip
_CLIENTS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """A layout, and servers' addresses that neither the policy nor a zone mentions."""

    layout: Layout
    servers4: tuple[Address, ...]
    servers6: tuple[Address, ...]

    def server(self, version: int, number: int) -> Address:
        """Give a server's address; numbers far apart may share one."""
        pool = self.servers4 if version == 4 else self.servers6
        return pool[number % len(pool)]

    def lans(self, zone: str) -> tuple[Lan, ...]:
        """Give the LAN interfaces of a zone."""
        return tuple(lan for lan in self.layout.lans if lan.zone == zone)

    def wans(self, zone: str) -> tuple[Wan, ...]:
        """Give the WAN interfaces of a zone."""
        return tuple(wan for wan in self.layout.wans if wan.zone == zone)


def plan(device: Device, intent: Intent) -> Plan:
    """Lay out a lab for a router.

    Raises:
        ProofError: E803, an interface's name or their number is beyond a lab.
    """
    return laid_out(device, _mentioned(intent))


def is_interface(name: str) -> bool:
    """Tell whether a lab can have an interface of this name."""
    return _INTERFACE.fullmatch(name) is not None and name not in _RESERVED


def laid_out(device: Device, mentioned: Iterable[Network]) -> Plan:
    """Lay out a lab whose own addresses nobody mentions.

    Raises:
        ProofError: E803, an interface's name or their number is beyond a lab.
    """
    names = [name for zone in device.zones for name in interfaces(zone)]
    for name in names:
        if not is_interface(name):
            message = f"a lab cannot have an interface {name[:40]!a}"
            raise ProofError.of(Code.E803, message, device.place, host=device.name)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"a lab cannot have the interface {twice[0]} in two places"
        raise ProofError.of(Code.E803, message, device.place, host=device.name)
    wans = [(zone, name) for zone in device.wan_zones for name in interfaces(zone)]
    if len(wans) > len(_TOS) or not wans or not device.lan_zones:
        message = f"a lab has a LAN and 1 to {len(_TOS)} WAN interfaces, not {len(wans)}"
        raise ProofError.of(Code.E803, message, device.place, host=device.name)
    own = [network for zone in device.zones for network in zone.networks]
    pool = _Pool([*own, *mentioned])
    layout = Layout(tuple(_lans(device, pool)), tuple(_wans(wans, pool)))
    return Plan(layout, *(tuple(pool.servers(version)) for version in (4, 6)))


def interfaces(zone: Zone) -> tuple[str, ...]:
    """Give the interfaces of a zone; its name stands for them where none is stated."""
    return zone.devices or (zone.name,)


def _mentioned(intent: Intent) -> list[Network]:
    """Give every network that the policy speaks of."""
    limits = [decision.limits for decision in intent.decisions]
    told = [network for one in limits for network in (*one.destinations, *one.sources)]
    served = [ip_network(exposure.to) for exposure in intent.exposures]
    peers = [network for exposure in intent.exposures for network in exposure.sources]
    return [*told, *served, *peers]


class _Pool:
    """Hands out networks and addresses that nobody has, and that nobody mentions if possible."""

    def __init__(self, mentioned: Iterable[Network]) -> None:
        self._taken = list(mentioned)
        #: a border outside of a network is mentioned as well
        self._borders = {address for network in self._taken for address in _around(network)}

    def network(self, ranges: dict[int, tuple[str, ...]], version: int, prefix: int) -> Network:
        """Take a network of a size from the ranges."""
        free = self._free(ranges[version], prefix)
        # Where the policy mentions everything, all that is left is to be unlike the others.
        found = next(free, None) or next(
            network for network in _parts(ranges[version][-1], prefix) if network not in self._taken
        )
        self._taken.append(found)
        return found

    def servers(self, version: int) -> Iterator[Address]:
        """Give addresses of servers, a hundred at least."""
        found = list(islice(self._addresses(version), 200))
        yield from found or [ip_address("192.0.2.10" if version == 4 else "2001:db8:77::10")]

    def _addresses(self, version: int) -> Iterator[Address]:
        for text in _SERVERS[version]:
            whole: Network = ip_network(text)
            if all(not _overlap(whole, taken) for taken in self._taken):
                some = (whole[number] for number in range(10, 250))
                yield from (address for address in some if address not in self._borders)

    def _free(self, ranges: Iterable[str], prefix: int) -> Iterator[Network]:
        for text in ranges:
            for network in islice(_parts(text, prefix), 1, 200):
                if all(not _overlap(network, taken) for taken in self._taken) and not any(
                    border in network for border in self._borders
                ):
                    yield network


def _parts(text: str, prefix: int) -> Iterator[Network]:
    whole: Network = ip_network(text)
    yield from whole.subnets(new_prefix=prefix)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and (
        int(one.network_address) <= int(other.broadcast_address)
        and int(other.network_address) <= int(one.broadcast_address)
    )


def _around(network: Network) -> Iterator[Address]:
    last = 2**network.max_prefixlen - 1
    if int(network.network_address) > 0:
        yield network.network_address - 1
    if int(network.broadcast_address) < last:
        yield network.broadcast_address + 1


def _lans(device: Device, pool: _Pool) -> Iterator[Lan]:
    claimed: set[Address] = set()
    number = 1
    for zone in device.lan_zones:
        for index, name in enumerate(interfaces(zone)):
            gateways = (pool.network(_LINKS, 4, 30)[1], pool.network(_LINKS, 6, 64)[1])
            four, six = (_network_of(zone, index, version, pool) for version in (4, 6))
            clients: list[Client] = []
            for _ in range(_CLIENTS):
                own = _address(four, claimed), _address(six, claimed)
                if not clients or not (set(own) & claimed):
                    clients.append(Client(f"c{number}", *own))
                    claimed.update(own)
                    number += 1
            routed = tuple(_routed(zone, index, (four, six)))
            yield Lan(name, zone.name, *gateways, tuple(clients), routed)


def _network_of(zone: Zone, index: int, version: int, pool: _Pool) -> Network:
    """Give the network of a zone's interface: its own of several, or the one that they share."""
    own = [network for network in zone.networks if network.version == version]
    if own:
        return own[index] if index < len(own) else own[0]
    return pool.network(_LANS, version, 24 if version == 4 else 64)


def _routed(zone: Zone, index: int, own: Iterable[Network]) -> Iterator[Network]:
    """Give the networks behind a zone's interface: its own; those left over are at the first."""
    for version in (4, 6):
        of_zone = [network for network in zone.networks if network.version == version]
        behind = of_zone[index : index + 1]
        if index == 0:
            behind += of_zone[max(len(interfaces(zone)), 1) :]
        yield from dict.fromkeys(behind)
    yield from (network for network in own if network not in zone.networks)


def _address(network: Network, claimed: set[Address]) -> Address:
    """Give an address for a client: .11, .12 ... where the network has room, else any."""
    size = network.num_addresses
    inner = range(1, size - 1) if size > 2 else range(size)
    wishes = (network[n] for n in chain(range(11, min(size - 1, 1000)), inner[:1000]))
    return next((address for address in wishes if address not in claimed), network[0])


def _wans(found: Iterable[tuple[Zone, str]], pool: _Pool) -> Iterator[Wan]:
    for tos, (zone, name) in zip(_TOS, found, strict=False):
        four, six = pool.network(_LINKS, 4, 30), pool.network(_LINKS, 6, 64)
        yield Wan(name, zone.name, four[2], six[2], four[1], six[1], tos)
