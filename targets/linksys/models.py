"""The rules that WRT54G firmware writes, for the flavour ``classic``; sources are in README.md.

The drops stand before established traffic is accepted. What Smart Wi-Fi writes nobody has
published.
"""

from __future__ import annotations

from compiler.model.device import Device
from compiler.model.protocol import Family
from compiler.toggles.family import ToggleSettings
from compiler.toggles.firmware import ESTABLISHED, OUT, Table, chosen, everywhere, listing, unread

_DROPS: Table = {
    ("pptp_pass", "0"): ("-A FORWARD -o {wan} -p tcp -m tcp --dport 1723 -j DROP",),
    ("l2tp_pass", "0"): ("-A FORWARD -o {wan} -p udp -m udp --dport 1701 -j DROP",),
    ("ipsec_pass", "0"): ("-A FORWARD -o {wan} -p udp -m udp --dport 500 -j DROP",),
}
_LATE: Table = {
    ("ipsec_pass", "0"): ("-A FORWARD -o {wan} -p 50 -j DROP", "-A FORWARD -o {wan} -p 51 -j DROP"),
}


def firmware_rules(settings: ToggleSettings, device: Device, family: Family = Family.IPV4) -> str:
    """Write the filter table of one address family, for a firewall that is on.

    Raises:
        TargetError: the flavour is another one.
    """
    if device.facts.get("flavour") != "classic":
        raise unread("Linksys Smart Wi-Fi")
    end = list(everywhere([ESTABLISHED, OUT], device))
    if family is Family.IPV6:
        return listing([], end)
    values = settings.as_dict()
    late = chosen(_LATE, values) if device.facts.get("drops_esp") is True else ()
    drops = everywhere([*chosen(_DROPS, values), *late], device)
    return listing([], [*drops, *end])
