"""The IPv4 rules that net-wall writes for the three keys; sources are in README.md.

Whether it lets established traffic through before them has not been read: it is put first, as the
reading that claims less.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.model.datapath import DataPath
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
    unread,
)
from compiler.toggles.scripted import ScriptedSettings
from targets.netgear.family import HEEDS, NAME

_WAY = "-A loc2net -i {{lan}} -o {{wan}} {drop}"
_DROPS: Table = {
    ("wan_enable_ipsec", "0"): ("-p udp -m udp --dport 500 -j DROP",),
    ("wan_enable_l2tp", "0"): ("-p udp -m udp --dport 1701 -j DROP",),
    ("wan_enable_pptp", "0"): ("-p tcp -m tcp --dport 1723 -j DROP",),
}


def accelerated(path: DataPath) -> DataPath:
    """Let established traffic pass before our script too, as accelerated connections do."""
    line = f"{ESTABLISHED}\n"
    head, first, rest = path.iptables.partition("-A ")
    after = f"{first}{rest}".replace(line, "", 1)
    return replace(path, iptables=f"{head}{line}{after}")


def firmware_rules(settings: ScriptedSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of IPv4 for the keys (not for firewall-start.sh).

    Raises:
        TargetError: T406, the router forwards IPv6, whose rules nobody has read.
    """
    if device.facts.get("ipv6") is not False:
        raise unread(f"{NAME} for IPv6")
    end = list(everywhere([OUT], device))
    if family is Family.IPV6:
        return listing([], end)
    heeded = settings.toggles.as_dict() if device.facts.get(HEEDS) is True else {}
    drops = [_WAY.format(drop=drop) for drop in chosen(_DROPS, heeded)]
    rules = for_zones(drops, device.lan_zones[:1], device.wan_zones[:1])
    return listing(["loc2net"], [ESTABLISHED, "-A FORWARD -j loc2net", *end, *rules])
