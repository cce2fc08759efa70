"""Every kind of tunnel by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from compiler.prove.vpn.guest.tunnels.contract import Tunnel
from compiler.prove.vpn.guest.tunnels.ipsec import Ipsec
from compiler.prove.vpn.guest.tunnels.l2tp import L2tp
from compiler.prove.vpn.guest.tunnels.openvpn import OpenVpn
from compiler.prove.vpn.guest.tunnels.pptp import Pptp
from compiler.prove.vpn.guest.tunnels.wireguard import WireGuard

_ALL: tuple[Tunnel, ...] = (
    Pptp(),
    L2tp(),
    Ipsec("l2tp-ipsec", 1, inside="l2tp"),
    Ipsec("ikev1", 1),
    Ipsec("ikev2", 2),
    Ipsec("ikev1-esp", 1, version=6),
    Ipsec("ikev2-esp", 2, version=6),
    OpenVpn("udp"),
    OpenVpn("tcp"),
    WireGuard(),
    WireGuard(userspace=True),
)
TUNNELS: Mapping[str, Tunnel] = MappingProxyType({tunnel.name: tunnel for tunnel in _ALL})
