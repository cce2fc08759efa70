"""Typical routers of a family: what the support matrix is computed on, and what tests try."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType

from compiler.model.device import Device, Fact, Role, Zone

_NOTHING: Mapping[str, Fact] = MappingProxyType({})
#: One LAN and one WAN, both address families (RFC 1918, RFC 3849).
_ZONES = (
    Zone("lan", Role.LAN, ("eth1",), (ip_network("192.168.1.0/24"), ip_network("2001:db8:1::/64"))),
    Zone("wan", Role.WAN, ("eth0",)),
)


def typical(
    name: str,
    target: str,
    facts: Mapping[str, Fact] = _NOTHING,
    options: Mapping[str, Fact] = _NOTHING,
) -> Device:
    """Give a router with one LAN (``eth1``), one WAN (``eth0``) and both address families.

    ``name`` is how the support matrix calls this kind of router, such as ``openwrt-fw3``.
    """
    stated, chosen = MappingProxyType(dict(facts)), MappingProxyType(dict(options))
    return Device(name, target, _ZONES, stated, chosen)
