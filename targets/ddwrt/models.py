"""The rules that DD-WRT writes; sources are in README.md.

They speak of the WAN interface alone. Builds differ in whether the rules for further bridges
stand before or after them. IPv6 gets none.
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

_BRIDGE = "-A FORWARD -i {lan} -o {wan} -j ACCEPT"
_RULES: Table = {
    ("pptp_pass", "1"): (
        "-A FORWARD -o {wan} -p tcp -m tcp --dport 1723 -j ACCEPT",
        "-A FORWARD -o {wan} -p 47 -j ACCEPT",
    ),
    ("pptp_pass", "0"): ("-A FORWARD -o {wan} -p tcp -m tcp --dport 1723 -j DROP",),
    ("l2tp_pass", "0"): ("-A FORWARD -o {wan} -p udp -m udp --dport 1701 -j DROP",),
    ("ipsec_pass", "0"): ("-A FORWARD -o {wan} -p udp -m udp --dport 500 -j DROP",),
}


def firmware_rules(settings: ScriptedSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of one address family for the switches (not for rc_firewall)."""
    end = list(everywhere([OUT], device))
    if family is Family.IPV6:
        return listing([], [ESTABLISHED, *end])
    values = settings.toggles.as_dict()
    rules = (
        [] if values.get("filter") == "off" else list(everywhere(chosen(_RULES, values), device))
    )
    bridges = list(for_zones([_BRIDGE], device.lan_zones[1:], device.wan_zones))
    first = [] if device.facts.get("covers_bridges") is True else bridges
    return listing([], [ESTABLISHED, *first, *rules, *end])
