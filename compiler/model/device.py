"""One router, as the inventory describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from compiler.model.finding import Place
from compiler.model.protocol import Family

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: A fact is what JSON can hold; targets check the facts they use.
Fact = str | int | float | bool | None | list["Fact"] | dict[str, "Fact"]


class Role(StrEnum):
    """On which side of the router a zone lies."""

    LAN = "lan"
    WAN = "wan"


@dataclass(frozen=True, slots=True)
class Zone:
    """A named side of the router: its interfaces and the networks behind them."""

    name: str
    role: Role
    devices: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A router: its target, zones, facts and the target's own variables.

    ``facts`` hold what a target must know and nobody can guess (release, flavour, modules);
    ``options`` are the remaining ``passthru_*`` variables without their prefix (``mode``,
    ``forward``, ``observed`` ...), already templated. ``ipv6`` is ``None`` where neither
    a zone's network nor a fact says whether the router forwards IPv6.
    """

    name: str
    target: str
    zones: tuple[Zone, ...]
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    place: Place | None = None

    @property
    def lan_zones(self) -> tuple[Zone, ...]:
        """Zones whose traffic the policy is about, in the order of the inventory."""
        return tuple(zone for zone in self.zones if zone.role is Role.LAN)

    @property
    def wan_zones(self) -> tuple[Zone, ...]:
        """Zones towards the internet."""
        return tuple(zone for zone in self.zones if zone.role is Role.WAN)

    @property
    def ipv6(self) -> bool | None:
        """Whether the router forwards IPv6: the fact ``ipv6``, else the zones' networks."""
        stated = self.facts.get("ipv6")
        if isinstance(stated, bool):
            return stated
        networks = [network for zone in self.zones for network in zone.networks]
        if any(network.version == 6 for network in networks):
            return True
        return False if networks else None

    @property
    def families(self) -> tuple[Family, ...]:
        """Address families in which the router's effects are judged."""
        return (Family.IPV4, Family.IPV6) if self.ipv6 else (Family.IPV4,)

    def zone(self, name: str) -> Zone | None:
        """Find a zone by name."""
        return next((zone for zone in self.zones if zone.name == name), None)
