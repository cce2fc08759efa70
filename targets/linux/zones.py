"""Zones as nft sees them: pairs of interfaces, with the direction of the connection.

A *pair set* holds ``direction . iifname . oifname``: packets of connections that were opened from
these LAN zones to the WAN, both their own packets and the replies. That one look-up tells both
ways of a tunnel, and never matches a connection that somebody in the WAN opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from compiler.model.device import Device, Zone
from targets.linux import nft

PAIR_KEY = "ct direction . iifname . oifname"
OUT_KEY = "iifname . oifname"
#: The kernel takes 255 bytes (NFT_NAME_MAXLEN); people read less.
_LONGEST_NAME = 120
_SAFE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,15}")


def _routes_within(zone: Zone) -> bool:
    """Tell whether packets of a zone to itself are forwarded: several interfaces or networks."""
    versions = [network.version for network in zone.networks]
    return len(zone.devices) > 1 or len(versions) > len(set(versions))


def quoted(names: Iterable[str]) -> tuple[str, ...]:
    """Give interface names as nft strings, sorted."""
    return tuple(sorted(f'"{name}"' for name in names))


def devices_of(zones: Iterable[Zone]) -> tuple[str, ...]:
    """Give the interfaces of zones as nft strings, sorted."""
    return quoted({name for zone in zones for name in zone.devices})


class PairSets:
    """Makes pair sets on demand and names them after their zones."""

    def __init__(self, device: Device) -> None:
        """Remember the device; no set exists until it is asked for."""
        self._device = device
        self._made: dict[str, nft.Set] = {}

    @property
    def sets(self) -> list[nft.Set]:
        """The sets that were asked for."""
        return list(self._made.values())

    def outbound(self, zones: tuple[str, ...] = (), *, both_ways: bool = False) -> str:
        """Give the set for connections from LAN zones (all of them by default) to the WAN.

        With ``both_ways`` it also holds connections that the WAN side opened: data channels that
        a NAT helper announced may begin at either end.
        """
        chosen = [z for z in self._device.lan_zones if not zones or z.name in zones]
        prefix = "tunnels" if both_ways else "clients"
        name = f"{prefix}_{'_'.join(self._label(z) for z in chosen)}_" if zones else f"{prefix}_"
        if len(name) > _LONGEST_NAME:
            name = f"{prefix}_{'_'.join(str(self._device.zones.index(z)) for z in chosen)}_"
        if name not in self._made:
            directions = [("original", "reply")] + ([("reply", "original")] if both_ways else [])
            elements = {
                element
                for inner in devices_of(chosen)
                for outer in devices_of(self._device.wan_zones)
                for there, back in directions
                for element in (f"{there} . {inner} . {outer}", f"{back} . {outer} . {inner}")
            }
            self._made[name] = nft.Set(name, PAIR_KEY, tuple(sorted(elements)))
        return name

    def within(self, name: str) -> str | None:
        """Give the set of pairs inside of one LAN zone, where something is routed within zones."""
        elements = sorted(
            f"{i} . {o}"
            for zone in self._device.lan_zones
            if _routes_within(zone)
            for i in quoted(zone.devices)
            for o in quoted(zone.devices)
        )
        if not elements:
            return None
        self._made.setdefault(name, nft.Set(name, OUT_KEY, tuple(elements)))
        return name

    def _label(self, zone: Zone) -> str:
        """Use a zone's name where nft can hold it and no other zone's label can equal it."""
        index = self._device.zones.index(zone)
        return zone.name if _SAFE_NAME.fullmatch(zone.name) else f"{index}"
