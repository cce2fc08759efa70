"""The ways that the packets of a probe may take, where nobody knows which one it is.

A probe names zones; rules ask for interfaces, addresses and ports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

from compiler.evaluate.packet import WITH_PORTS, Packet
from compiler.evaluate.places import Places
from compiler.model.device import Address, Device
from compiler.model.effect import Direction, Probe
from compiler.model.protocol import TCP, UDP, Family
from compiler.model.survey import Journey

#: A port that a client may send from.
CLIENT_PORT = 40000
#: More ways than this are not walked: what places there are is then not known well enough.
_MOST_WAYS = 40


@dataclass(frozen=True, slots=True)
class Way:
    """One way that the packets of a probe may take."""

    iif: str
    oif: str
    packet: Packet

    @property
    def journey(self) -> Journey:
        """The way as others see it."""
        packet = self.packet
        return Journey(self.iif, self.oif, packet.source, packet.destination, packet.source_port)

    def __str__(self) -> str:
        packet = self.packet
        port = f" port {packet.source_port}" if packet.source_port else ""
        return f"from {packet.source}{port} at {self.iif or 'any'} to {self.oif or 'any'}"


@dataclass(frozen=True, slots=True)
class Ways:
    """Finds the ways of probes through a router."""

    places: Places
    device: Device

    def of(self, probe: Probe) -> tuple[list[Way], bool]:
        """Give the first ways of a probe, and whether they are all."""
        found = list(islice(self._all(probe), _MOST_WAYS + 1))
        return found[:_MOST_WAYS], len(found) <= _MOST_WAYS

    def _all(self, probe: Probe) -> Iterator[Way]:
        incoming, outgoing = self.places.interfaces(probe.source), self._sides(probe)
        for iif, oif in product(incoming, outgoing):
            if iif != oif:
                for packet in self._openings(probe, iif, oif):
                    yield Way(iif, oif, packet)

    def _sides(self, probe: Probe) -> tuple[str, ...]:
        if probe.destination:
            return self.places.interfaces(probe.destination)
        zones = self.device.lan_zones
        return tuple(link for zone in zones for link in self.places.interfaces(zone.name))

    def _openings(self, probe: Probe, iif: str, oif: str) -> Iterator[Packet]:
        """Give the first packets that a probe may be."""
        inbound = probe.direction is Direction.IN
        far = self.places.far(probe.family)
        to = probe.destination_address or far
        unseen: frozenset[str] = frozenset()
        if inbound and probe.family is Family.IPV4:
            unseen = frozenset({"destination"})
        if probe.source_address is not None:
            sources: tuple[Address, ...] = (probe.source_address,)
        else:
            sources = (far,) if inbound else self.places.inner(probe.source, probe.family)
        for source, port in product(sources, _client_ports(probe)):
            yield Packet(
                source,
                to,
                probe.flow.layer4,
                iif,
                oif,
                port,
                probe.port,
                b"" if probe.flow.layer4 == TCP else None,
                unseen=unseen,
                glimpse=probe.flow.signature if probe.flow.layer4 != TCP else None,
                router=frozenset(),
                hosts=not unseen,
                ttl=None,
                dscp=None,
            )


def _client_ports(probe: Probe) -> tuple[int, ...]:
    """Give the ports that a client may send from: any, or the protocol's own (RFC 7296, 2661)."""
    if probe.flow.layer4 not in WITH_PORTS:
        return (0,)
    if probe.flow.layer4 == UDP and probe.port < 32768:
        return (CLIENT_PORT, probe.port)
    return (CLIENT_PORT,)
