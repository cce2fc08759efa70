"""What is known of the router's networks: their devices and addresses.

fw3 and fw4 ask ubus. Here the package ``network`` answers where the text holds it, and the
inventory, whose devices win. For other networks a name stands for the device: OpenWrt's own
``br-NAME`` for a bridge, and one that no device has for the WAN, whose device may be any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_interface
from itertools import cycle

from compiler.model.device import Device
from targets.openwrt.uci import Section

Network = IPv4Network | IPv6Network
#: Protocols whose interface is a device of its own, named after protocol and network.
_TUNNELS = frozenset({"pppoe", "pptp", "l2tp", "pppoa", "3g", "ppp", "6in4", "6to4", "6rd", "gre"})
#: Protocols whose interface has the name of the network.
_NAMED = frozenset({"wireguard", "vti", "xfrm", "openconnect", "vpnc", "batadv", "sstp"})
#: The longest name of a device that the kernel takes.
_LONGEST = 15
#: Stands for the device of a WAN network that nothing tells.
SOME = "~"
_WAN = re.compile(r"(w?wan|modem|lte|mobile|pppoe)[0-9]*(_?[46]|6)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Net:
    """One network: its device (empty: it has none) and addresses (``None``: not known)."""

    device: str
    addresses: tuple[Network, ...] | None = None


@dataclass(frozen=True, slots=True)
class Networks:
    """All networks. ``complete``: there are no others."""

    known: Mapping[str, Net] = field(default_factory=dict)
    complete: bool = False

    def device(self, name: str) -> str:
        """Give the device of a network, empty where there is no such network."""
        if name in self.known:
            return self.known[name].device
        if self.complete:
            return ""
        if name == "loopback":
            return "lo"
        if _WAN.fullmatch(name):
            return (SOME + re.sub(r"_?[46]$", "", name))[:_LONGEST]
        return f"br-{name}"[:_LONGEST]

    def told(self, name: str) -> bool:
        """Tell whether something says which device a network has."""
        return name in self.known or self.complete

    def addresses(self, name: str) -> tuple[Network, ...] | str | None:
        """Give a network's addresses; a text says why nobody knows; ``None``: no such network."""
        net = self.known.get(name)
        if net is None:
            return None if self.complete else f"the addresses of network '{name}' are not known"
        if net.addresses is None:
            return f"the addresses of network '{name}' are not known"
        return net.addresses


def read(sections: Sequence[Section]) -> Networks:
    """Read the package ``network``."""
    bridges = {
        section.text("name")
        for section in sections
        if section.type == "device" and section.text("type") == "bridge"
    }
    interfaces = {s.name: s for s in sections if s.type == "interface" and s.name}
    known = {
        name: Net(_device(section, interfaces, bridges), _addresses(section))
        for name, section in interfaces.items()
        if section.text("disabled") != "1"
    }
    # every router has it, so a text without it is a part of the package
    return Networks(known, complete="loopback" in interfaces)


def of_device(networks: Networks, sections: Sequence[Section], device: Device | None) -> Networks:
    """Let the zones of an inventory say which devices and addresses their networks have."""
    known = dict(networks.known)
    for section in sections:
        zone = device.zone(section.text("name")) if device and section.type == "zone" else None
        names = section.text("network").split()
        if zone is None or not zone.devices or not names:
            continue
        addresses = tuple(zone.networks) if len(names) == 1 and zone.networks else None
        for name, link in zip(names, cycle(zone.devices), strict=False):
            stated = known[name].addresses if name in known else None
            known[name] = Net(link, addresses or stated)
    return replace(networks, known=known)


def _device(
    section: Section, interfaces: Mapping[str, Section], bridges: set[str], depth: int = 0
) -> str:
    protocol = section.text("proto")
    if protocol in _TUNNELS:
        return f"{protocol}-{section.name}"[:_LONGEST]
    if protocol in _NAMED:
        return section.name[:_LONGEST]
    stated = section.text("device") or section.text("ifname")
    if stated.startswith("@"):
        other = interfaces.get(stated[1:])
        if other is None or depth > len(interfaces):
            return ""
        return _device(other, interfaces, bridges, depth + 1)
    if section.text("type") == "bridge" and stated not in bridges:
        return f"br-{section.name}"[:_LONGEST]
    return (stated.split() or [""])[0]


def _addresses(section: Section) -> tuple[Network, ...] | None:
    """Give static addresses, whose networks fw4 matches; ``None`` where a server gives them."""
    if section.text("proto") != "static" or section.get("ip6assign") is not None:
        return None
    found: list[Network] = []
    mask = section.text("netmask")
    words = section.text("ipaddr").split() + section.text("ip6addr").split()
    for word in words:
        stated = word if "/" in word or ":" in word or not mask else f"{word}/{mask}"
        try:
            found.append(ip_interface(stated).network)
        except ValueError:
            return None
    return tuple(found)
