"""The rules that TP-Link's cgi firmware writes; sources are in README.md.

Boot logs show a chain with one rule for each switch that is off. What luci firmware and Omada
gateways write nobody has published. Where established traffic is accepted has not been read; here
it is first. IPv6 gets none.
"""

from __future__ import annotations

from compiler.model.device import Device
from compiler.model.protocol import Family
from compiler.toggles.family import ToggleSettings
from compiler.toggles.firmware import ESTABLISHED, OUT, Table, chosen, everywhere, listing, unread

_CHAIN = "FORWARD_VPN_PASSTHROUGH"
_DROPS: Table = {
    ("pptpAlg", "0"): (f"-A {_CHAIN} -p tcp -m tcp --dport 1723 -j DROP",),
    ("l2tpAlg", "0"): (f"-A {_CHAIN} -p udp -m udp --dport 1701 -j DROP",),
    ("ipSecAlg", "0"): (f"-A {_CHAIN} -p udp -m udp --dport 500 -j DROP",),
}


def firmware_rules(settings: ToggleSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of one address family.

    Raises:
        TargetError: the flavour is another one.
    """
    if device.facts.get("flavour") != "cgi":
        raise unread("this TP-Link firmware")
    end = list(everywhere([OUT], device))
    if family is Family.IPV6:
        return listing([], [ESTABLISHED, *end])
    drops = chosen(_DROPS, settings.as_dict())
    return listing([_CHAIN], [ESTABLISHED, f"-A FORWARD -j {_CHAIN}", *end, *drops])
