"""The rules that D-Link firmware writes; sources are in README.md.

rgdb: a chain FOR_VPN for everything that is forwarded, entered only if PPTP or IPsec is off.
xmldb (and HNAP above it): the drops stand in a chain of each LAN. IPv6 gets none.
Where established traffic is accepted has not been read; here it is first.
"""

from __future__ import annotations

from compiler.model.device import Device
from compiler.model.protocol import Family
from compiler.toggles.family import ToggleSettings
from compiler.toggles.firmware import (
    ESTABLISHED,
    OUT,
    Table,
    chosen,
    everywhere,
    for_zones,
    listing,
)

_NAT_T = "-A FOR_VPN -p udp -m udp --dport 4500 -j DROP"
_FOR_VPN: Table = {
    ("/nat/passthrough/pptp", "0"): ("-A FOR_VPN -p tcp -m tcp --dport 1723 -j DROP",),
    ("/nat/passthrough/ipsec", "0"): (
        "-A FOR_VPN -p udp -m udp --dport 500 -j DROP",
        _NAT_T,
        "-A FOR_VPN -p 51 -j DROP",
        "-A FOR_VPN -p 50 -j DROP",
    ),
    ("/nat/passthrough/l2tp", "0"): (
        "-A FOR_VPN -p udp -m udp --dport 500 -j DROP",
        "-A FOR_VPN -p udp -m udp --dport 1701 -j DROP",
    ),
}
_PPTP = ("-p tcp -m tcp --dport 1723 -j DROP",)
_IPSEC = (
    "-p udp -m udp --dport 500 -j DROP",
    "-p udp -m udp --dport 4500 -j DROP",
    "-p 51 -j DROP",
    "-p 50 -j DROP",
)
_FWD_LAN: Table = {
    ("/device/passthrough/pptp", "0"): _PPTP,
    ("ALGPPTP", "false"): _PPTP,
    ("/device/passthrough/ipsec", "0"): _IPSEC,
    ("ALGIPSec", "false"): _IPSEC,
}


def firmware_rules(settings: ToggleSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of one address family."""
    end = list(everywhere([OUT], device))
    if family is Family.IPV6:
        return listing([], [ESTABLISHED, *end])
    if device.facts.get("flavour") == "rgdb":
        return _rgdb(settings, device, end)
    chains = [f"FWD.LAN-{number}" for number, _ in enumerate(device.lan_zones, start=1)]
    drops = list(chosen(_FWD_LAN, settings.as_dict()))
    jumps: list[str] = []
    for chain, zone in zip(chains, device.lan_zones, strict=True):
        jump = f"-A FORWARD -i {{lan}} -j {chain}"
        jumps += for_zones([jump], [zone], device.wan_zones)
    rules = [f"-A {chain} {drop}" for chain in chains for drop in drops]
    return listing(chains, [ESTABLISHED, *jumps, *end, *rules])


def _rgdb(settings: ToggleSettings, device: Device, end: list[str]) -> str:
    values = settings.as_dict()
    natt = device.facts.get("drops_natt") is True
    drops = [rule for rule in chosen(_FOR_VPN, values) if natt or rule != _NAT_T]
    open_keys = ("/nat/passthrough/ipsec", "/nat/passthrough/pptp")
    entered = any(values.get(key) != "1" for key in open_keys)
    jump = ["-A FORWARD -j FOR_VPN"] if entered else []
    return listing(["FOR_VPN"], [ESTABLISHED, *jump, *end, *drops])
