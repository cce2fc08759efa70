"""The rules that FreshTomato writes; sources are in README.md.

Nothing that goes out is dropped. From the WAN, IPsec is accepted for any host in the LAN; over IPv4
nothing but a port forwarding could bring it there.
"""

from __future__ import annotations

from compiler.model.device import Device
from compiler.model.protocol import Family
from compiler.toggles.firmware import ESTABLISHED, Table, chosen, everywhere, listing
from compiler.toggles.scripted import ScriptedSettings

_INVALID = "-A FORWARD -m state --state INVALID -j DROP"
_OUT = "-A FORWARD -i {lan} -j ACCEPT"
_IPV4 = (
    "-A FORWARD -i {wan} -p 50 -j ACCEPT",
    "-A FORWARD -i {wan} -p 51 -j ACCEPT",
    "-A FORWARD -i {wan} -p udp -m udp --dport 500 -j ACCEPT",
    "-A FORWARD -i {wan} -p udp -m udp --dport 4500 -j ACCEPT",
)
_IPV6 = (
    "-A FORWARD -i {wan} -p 50 -j ACCEPT",
    "-A FORWARD -i {wan} -p udp -m udp --dport 500 -j ACCEPT",
)
_RULES: dict[Family, Table] = {
    Family.IPV4: {("ipsec_pass", "1"): _IPV4, ("ipsec_pass", "3"): _IPV4},
    Family.IPV6: {("ipsec_pass", "1"): _IPV6, ("ipsec_pass", "2"): _IPV6},
}


def firmware_rules(settings: ScriptedSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of one address family for the switches (not for script_fire)."""
    inbound = chosen(_RULES[family], settings.toggles.as_dict())
    rules = everywhere([*inbound, _OUT], device)
    return listing([], [_INVALID, ESTABLISHED, *rules])
