"""The first packets that a probe may be, where nobody knows which one it is.

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
#: More packets than this are not tried: what places there are is then not known well enough.
_MOST = 40


@dataclass(frozen=True, slots=True)
class Openings:
    """Finds the first packets of probes through a router."""

    places: Places
    device: Device

    def of(self, probe: Probe) -> tuple[list[Packet], bool]:
        """Give the first packets that a probe may be, and whether they are all."""
        found = list(islice(self._all(probe), _MOST + 1))
        return found[:_MOST], len(found) <= _MOST

    def _all(self, probe: Probe) -> Iterator[Packet]:
        incoming, outgoing = self.places.interfaces(probe.source), self._sides(probe)
        for iif, oif in product(incoming, outgoing):
            if iif != oif:
                yield from self._between(iif, oif, probe)

    def _sides(self, probe: Probe) -> tuple[str, ...]:
        if probe.destination:
            return self.places.interfaces(probe.destination)
        zones = self.device.lan_zones
        return tuple(link for zone in zones for link in self.places.interfaces(zone.name))

    def _between(self, iif: str, oif: str, probe: Probe) -> Iterator[Packet]:
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


def journey(opening: Packet) -> Journey:
    """Give the way of a packet as others see it."""
    ends = (opening.source, opening.destination)
    return Journey(opening.iif, opening.oif, *ends, opening.source_port)


def described(opening: Packet) -> str:
    """Say which packet it is."""
    port = f" port {opening.source_port}" if opening.source_port else ""
    return f"from {opening.source}{port} at {opening.iif or 'any'} to {opening.oif or 'any'}"


def _client_ports(probe: Probe) -> tuple[int, ...]:
    """Give the ports that a client may send from: any, or the protocol's own (RFC 7296, 2661)."""
    if probe.flow.layer4 not in WITH_PORTS:
        return (0,)
    if probe.flow.layer4 == UDP and probe.port < 32768:
        return (CLIENT_PORT, probe.port)
    return (CLIENT_PORT,)
