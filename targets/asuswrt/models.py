"""The rules that ASUS firmware writes; sources are in README.md.

The main LAN's drops stand in the chain NSFW, those of SDN bridges in SDN_FILTER_FORWARD; with two
WANs in load balance they are there once for each, else for the one in use (the first zone). IPv6
gets none.
"""

from __future__ import annotations

from compiler.model.device import Device
from compiler.model.protocol import Family
from compiler.toggles.firmware import (
    ESTABLISHED,
    OUT,
    Table,
    chosen,
    everywhere,
    for_zones,
    listing,
)
from compiler.toggles.scripted import ScriptedSettings

_INVALID = "-A FORWARD -m state --state INVALID -j DROP"
_WAY = "-A {chain} -i {{lan}} -o {{wan}} "
_DROPS: Table = {
    ("fw_pt_pptp", "0"): ("-p tcp -m tcp --dport 1723 -j DROP", "-p 47 -j DROP"),
    ("fw_pt_l2tp", "0"): ("-p udp -m udp --dport 1701 -j DROP",),
    ("fw_pt_ipsec", "0"): (
        "-p udp -m udp --dport 500 -j DROP",
        "-p udp -m udp --dport 4500 -j DROP",
        "-p 50 -j DROP",
        "-p 51 -j DROP",
    ),
}


def firmware_rules(settings: ScriptedSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of one address family for the switches (not for firewall-start)."""
    end = list(everywhere([OUT], device))
    if family is Family.IPV6:
        return listing([], [ESTABLISHED, *end])
    drops = list(chosen(_DROPS, settings.toggles.as_dict()))
    main, *more = device.lan_zones
    wans = device.wan_zones if device.facts.get("wans_mode") == "lb" else device.wan_zones[:1]
    main_drops = [_WAY.format(chain="NSFW") + drop for drop in drops]
    chains, jumps = ["NSFW"], ["-A FORWARD -j NSFW"]
    rules = list(for_zones(main_drops, [main], wans))
    if more and device.facts.get("sdn") is True:
        chains.append("SDN_FILTER_FORWARD")
        jumps.append("-A FORWARD -j SDN_FILTER_FORWARD")
        sdn_drops = [_WAY.format(chain="SDN_FILTER_FORWARD") + drop for drop in drops]
        rules += for_zones(sdn_drops, more, wans)
    return listing(chains, [ESTABLISHED, _INVALID, *jumps, *end, *rules])
