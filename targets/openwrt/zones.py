"""Which zones of a config face the LAN, and which the WAN."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.model.device import Device, Role, Zone
from compiler.model.finding import Code, Finding, Severity
from targets.openwrt.world import ZoneFound

#: Names that OpenWrt's own config and its guides give to zones and networks of the WAN.
_WAN = re.compile(r"w?wan[0-9]*(_?[46]|6)?|modem|lte|mobile", re.IGNORECASE)
_LAN = re.compile(r"lan[0-9]*|guest|iot|dmz", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Concluded:
    """Zones: as people read them, and with the devices under which the rules know them.

    ``strangers`` are zones of the inventory that no zone of the config can be told to be.
    """

    zones: tuple[Zone, ...]
    inner: tuple[Zone, ...]
    strangers: frozenset[str]
    findings: tuple[Finding, ...]


def conclude(found: Sequence[ZoneFound], device: Device) -> Concluded:
    """Find the zones of a router; those that the inventory names win."""
    if {zone.role for zone in device.zones} == set(Role):
        return _stated(found, device)
    return _inferred(found, device)


def _stated(found: Sequence[ZoneFound], device: Device) -> Concluded:
    known = {zone.name: zone for zone in found}
    links = {link for zone in found for link in zone.devices}
    guessed = any(not zone.real for zone in found)
    inner: list[Zone] = []
    strangers = []
    for zone in device.zones:
        own = known.get(zone.name)
        devices = zone.devices or (own.devices if own else ())
        foreign = guessed and not set(devices) <= links
        if foreign or not devices or (own is not None and not own.anything):
            strangers.append(zone.name)
        inner.append(Zone(zone.name, zone.role, devices, zone.networks, zone.place))
    findings = [
        Finding(
            Code.A804,
            f"the config does not tell what packets zone '{name}' has",
            Severity.WARNING,
            hint="give the package network too: uci export network; uci export firewall",
            host=device.name,
        )
        for name in strangers
    ]
    return Concluded(device.zones, tuple(inner), frozenset(strangers), tuple(findings))


def _inferred(found: Sequence[ZoneFound], device: Device) -> Concluded:
    stated = {zone.name: zone for zone in device.zones}
    shown, inner = [], []
    for each in found:
        if not each.anything:
            continue
        known = stated.get(each.name)
        role = known.role if known else _role(each)
        devices = each.devices if each.real else ()
        shown.append(Zone(each.name, role, devices, each.networks))
        inner.append(Zone(each.name, role, each.devices, each.networks))
    return Concluded(
        tuple(shown), tuple(inner), frozenset(), tuple(_findings(found, shown, device))
    )


def _role(zone: ZoneFound) -> Role:
    names = (zone.name, *zone.members)
    if any(_WAN.fullmatch(name) for name in names):
        return Role.WAN
    if any(_LAN.fullmatch(name) for name in names):
        return Role.LAN
    return Role.WAN if zone.masquerades else Role.LAN


def _findings(
    found: Sequence[ZoneFound], zones: Sequence[Zone], device: Device
) -> Iterator[Finding]:
    roles = {role: [zone.name for zone in zones if zone.role is role] for role in Role}
    for role, word in ((Role.LAN, "LAN"), (Role.WAN, "WAN")):
        if not roles[role]:
            message = f"no zone of the config faces the {word}"
            yield Finding(Code.A802, message, Severity.WARNING, host=device.name)
    if all(roles.values()):
        lan, wan = (", ".join(roles[role]) for role in (Role.LAN, Role.WAN))
        message = f"LAN: {lan}; WAN: {wan} (by name, else by masquerading)"
        yield Finding(Code.A801, message, Severity.INFO, host=device.name)
    for zone in found:
        if not zone.anything:
            message = f"zone '{zone.name}' has no network and no device, so no packet is its own"
            yield Finding(Code.A805, message, Severity.INFO, host=device.name)
