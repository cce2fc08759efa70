"""What a lab looks like: the router's interfaces, who lives behind them, all addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from compiler.model.device import Address, Network


@dataclass(frozen=True, slots=True)
class Client:
    """A host in a LAN; the first one of a LAN also owns every address that nobody else has."""

    name: str
    ipv4: Address
    ipv6: Address

    def address(self, version: int) -> Address:
        """Give its own address."""
        return self.ipv4 if version == 4 else self.ipv6


@dataclass(frozen=True, slots=True)
class Lan:
    """An interface of the router with its clients; ``networks`` are routed to the first client."""

    interface: str
    zone: str
    ipv4: Address
    ipv6: Address
    clients: tuple[Client, ...]
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Wan:
    """An interface of the router towards the internet: both ends of the link.

    A packet whose TOS (IPv6: traffic class) is ``tos`` leaves by it; the first has 0.
    """

    interface: str
    zone: str
    ipv4: Address
    ipv6: Address
    far4: Address
    far6: Address
    tos: int = 0

    def address(self, version: int) -> Address:
        """Give the router's address on this link."""
        return self.ipv4 if version == 4 else self.ipv6


@dataclass(frozen=True, slots=True)
class Layout:
    """A router with its LANs and WANs."""

    lans: tuple[Lan, ...]
    wans: tuple[Wan, ...]

    @property
    def clients(self) -> tuple[Client, ...]:
        """All clients of all LANs."""
        return tuple(client for lan in self.lans for client in lan.clients)

    @property
    def router_addresses(self) -> frozenset[Address]:
        """The router's own addresses."""
        links: tuple[Lan | Wan, ...] = (*self.lans, *self.wans)
        return frozenset(address for link in links for address in (link.ipv4, link.ipv6))

    def lan_of(self, client: str) -> Lan:
        """Find the LAN of a client."""
        return next(lan for lan in self.lans if any(c.name == client for c in lan.clients))


def _office_lan(number: int, interface: str, zone: str, names: tuple[str, ...]) -> Lan:
    four, six = f"192.168.{number}", f"2001:db8:{number}:"
    clients = tuple(
        Client(name, ip_address(f"{four}.{last}"), ip_address(f"{six}:{last}"))
        for last, name in enumerate(names, 11)
    )
    return Lan(
        interface,
        zone,
        ip_address(f"{four}.254"),
        ip_address(f"{six}:fe"),
        clients,
        (ip_network(f"{four}.0/24"), ip_network(f"{six}:/64")),
    )


def _office_wan(number: int, name: str, near: str, tos: int) -> Wan:
    six = f"2001:db8:f{number}:"
    four = ip_address(near)
    return Wan(name, name, four, ip_address(f"{six}:2"), four - 1, ip_address(f"{six}:1"), tos)


#: A LAN with two clients, a guest LAN with one, two WANs.
OFFICE = Layout(
    (
        _office_lan(1, "br-lan", "lan", ("c1", "c2")),
        _office_lan(2, "br-guest", "guest", ("g1",)),
    ),
    (_office_wan(1, "wan", "203.0.113.2", 0), _office_wan(2, "wan2", "198.51.100.2", 0x10)),
)
