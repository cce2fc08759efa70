"""Addresses that rules tell apart: the packets that an import must ask about, one for each.

A probe without addresses is one that no rule mentions. Where rules mention some, packets on both
sides of each border are asked about too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import product

from compiler.evaluate.places import OFFSETS
from compiler.model.device import Address, Device, Network, Zone
from compiler.model.effect import Probe
from compiler.model.judge import plain_probes
from compiler.model.protocol import Family, Flow
from compiler.model.survey import Survey

#: Networks wider than this are no mention of an address.
_NARROW = {4: 4, 6: 8}
_NOBODYS = tuple(
    ip_network(text) for text in ("224.0.0.0/3", "127.0.0.0/8", "fe80::/10", "ff00::/8")
)
#: So many addresses are asked about on a side; with so many pairs, each alone.
MOST, _MOST_PAIRS = 120, 48
_HALF = 64


@dataclass(frozen=True, slots=True)
class Mentioned:
    """What rules mention, as seen from one router."""

    device: Device
    #: Networks of clients, and those of everybody else.
    inside: tuple[Network, ...] = ()
    outside: tuple[Network, ...] = ()

    @classmethod
    def of(cls, survey: Survey) -> Mentioned:
        """Sort what a survey's rules mention."""
        device = survey.device
        own = [net for zone in device.lan_zones for net in zone.networks]
        inside: list[Network] = []
        outside: list[Network] = []
        stated = {each for net in survey.networks or () for each in _prefixed(net, own)}
        for net in sorted(stated, key=_order):
            if net.prefixlen < _NARROW[net.version] or _within(net, _NOBODYS):
                continue
            if net in own or any(_within(mine, [net]) for mine in own):
                continue  # all of a LAN: nothing is told apart
            homes = [mine for mine in own if mine.version == net.version]
            home = _within(net, own) or (not homes and net.is_private)
            (inside if home else outside).append(net)
        return cls(device, tuple(inside), tuple(outside))

    @property
    def unasked(self) -> int:
        """Count the addresses that are too many to ask about."""
        sides = ((self.inside, 4), (self.inside, 6), (self.outside, 4), (self.outside, 6))
        return sum(max(len(_borders(nets, version)) - MOST, 0) for nets, version in sides)

    @property
    def alone(self) -> bool:
        """Tell whether pairs are too many, so that the addresses of each side are asked alone."""
        return any(
            (1 + len(_borders(self.inside, version))) * (1 + len(self.far(version))) > _MOST_PAIRS
            for version in (4, 6)
            if _borders(self.inside, version)
        )

    def far(self, version: int) -> tuple[Address, ...]:
        """Give addresses in the internet on both sides of what rules mention."""
        return _borders(self.outside, version)[:MOST]

    def somebody(self, version: int) -> Address | None:
        """Give a host of the LAN that no rule mentions."""
        found = (self._host(zone, version) for zone in self.device.lan_zones)
        return next((host for host in found if host is not None), None)

    def probes(self, flows: Iterable[Flow]) -> tuple[Probe, ...]:
        """Ask about flows to the WAN: plainly, and at every address that rules tell apart."""
        return tuple(
            replace(plain, source_address=source, destination_address=to)
            for plain in plain_probes(flows, self.device)
            for source, to in self._ends(plain)
        )

    def _ends(self, plain: Probe) -> Iterator[tuple[Address | None, Address | None]]:
        version = 4 if plain.family is Family.IPV4 else 6
        zone = self.device.zone(plain.source)
        own = [net for net in zone.networks if net.version == version] if zone else []
        some = [a for a in _borders(self.inside, version)[:MOST] if not own or _is_in(a, own)]
        other = self._host(zone, version) if some and zone else None
        sources = (other, *some)
        destinations = (None, *self.far(version))
        if len(sources) * len(destinations) <= _MOST_PAIRS:
            yield from product(sources, destinations)
            return
        yield from ((source, None) for source in sources)
        yield from ((other, to) for to in destinations[1:])

    def _host(self, zone: Zone, version: int) -> Address | None:
        """Give a client of a zone that no rule mentions."""
        for net in zone.networks:
            if net.version == version:
                some = (net[offset] for offset in OFFSETS if offset < net.num_addresses)
                yes = (address for address in some if not _is_in(address, self.inside))
                return next(yes, None)
        return None


def _prefixed(net: Network, own: Iterable[Network]) -> Iterator[Network]:
    """Give the hosts that a rule means by the last half of their address, in every own network."""
    homes = [mine for mine in own if mine.version == 6 and mine.prefixlen <= _HALF]
    if net.version == 4 or net.prefixlen < 128 or int(net.network_address) >> _HALF or not homes:
        yield net
        return
    for mine in homes:
        yield ip_network(mine.network_address + int(net.network_address))


def _borders(networks: Iterable[Network], version: int) -> tuple[Address, ...]:
    """Give the first address of each network, and the one behind it."""
    found: dict[Address, None] = {}
    for net in networks:
        if net.version == version:
            found[net.network_address] = None
            if int(net.broadcast_address) < 2**net.max_prefixlen - 1:
                found[net.broadcast_address + 1] = None
    return tuple(address for address in found if not _is_in(address, _NOBODYS))


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)


def _within(net: Network, networks: Iterable[Network]) -> bool:
    return _is_in(net.network_address, networks) and _is_in(net.broadcast_address, networks)


def _order(net: Network) -> tuple[int, int, int]:
    return net.version, int(net.network_address), net.prefixlen
