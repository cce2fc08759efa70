"""Firmware models: the rules that a router would write for settings, as iptables-save prints them.

A model is written from the firmware's own rules, apart from the effect table of its family, so that
a kernel that is given the rules can hold the table to the truth. It has what matters to a VPN
packet from LAN to WAN, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from compiler.errors import PassthruError, TargetError
from compiler.model.device import Device, Zone
from compiler.model.finding import Code
from compiler.toggles.family import Scalar

#: Rules by the switch and the value that make the firmware write them.
Table = Mapping[tuple[str, Scalar], tuple[str, ...]]

#: What lets replies and related packets through, where firmware puts it before its drops.
ESTABLISHED = "-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT"
#: What lets the LAN out, at the end.
OUT = "-A FORWARD -i {lan} -o {wan} -m state --state NEW -j ACCEPT"

#: What a Linux interface may be called and a rule can name.
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")


def listing(chains: Iterable[str], rules: Iterable[str]) -> str:
    """Print a filter table with these chains of the firmware's own."""
    lines = [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD DROP [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        *(f":{chain} - [0:0]" for chain in chains),
        *rules,
        "COMMIT",
    ]
    return "".join(f"{line}\n" for line in lines)


def chosen(table: Table, values: Mapping[str, Scalar]) -> Iterator[str]:
    """Give the rules of the values that hold, in the order of the table."""
    for (key, value), rules in table.items():
        held = values.get(key)
        if type(held) is type(value) and held == value:
            yield from rules


def for_zones(rules: Iterable[str], lans: Iterable[Zone], wans: Iterable[Zone]) -> Iterator[str]:
    """Give each rule once for every interface that it speaks of as ``{lan}`` or ``{wan}``."""
    inner = [name for zone in lans for name in interfaces(zone)]
    outer = [name for zone in wans for name in interfaces(zone)]
    for rule in rules:
        found = {rule.format(lan=lan, wan=wan): None for lan in inner for wan in outer}
        yield from found


def everywhere(rules: Iterable[str], device: Device) -> Iterator[str]:
    """Give each rule for all zones of a device."""
    return for_zones(rules, device.lan_zones, device.wan_zones)


def interfaces(zone: Zone) -> tuple[str, ...]:
    """Give the interfaces of a zone; its name stands for them where none is stated.

    Raises:
        TargetError: no rule can name such an interface.
    """
    names = zone.devices or (zone.name,)
    for name in names:
        if not _INTERFACE.fullmatch(name):
            raise TargetError.of(Code.T408, f"no interface can be called {name!r}", zone.place)
    return names


def unread(family: str) -> PassthruError:
    """Give the error for a family whose rules nobody has published."""
    return TargetError.of(Code.T406, f"nobody has read the rules that {family} writes")
