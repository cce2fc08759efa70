"""The rules that a router has under our settings: OpenWrt's default config with our sections."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.errors import TargetError
from compiler.model.datapath import DataPath
from compiler.model.device import Device, Role, Zone
from compiler.model.finding import Code
from targets.openwrt.facts import HELPERS, Firewall, firewall_of, module_state
from targets.openwrt.fw3 import load as fw3
from targets.openwrt.fw4 import load as fw4
from targets.openwrt.networks import Networks
from targets.openwrt.running import ended
from targets.openwrt.settings import Settings
from targets.openwrt.uci import Section, Value

_BASIS = "our own reading of what {} makes of OpenWrt's default config with our sections"


def data_path(settings: Settings, device: Device) -> DataPath:
    """Give the ruleset of the firewall that the device runs.

    Raises:
        TargetError: T406, the firewall would not load these settings.
    """
    sections = (*base(device), *settings.sections)
    modules = frozenset(
        HELPERS[name][0] for name in HELPERS if module_state(device, name) is not False
    )
    fw3_runs = firewall_of(device) is Firewall.FW3
    load = fw3.load if fw3_runs else fw4.load
    found = load(sections, Networks(complete=True), modules)
    if found.ruleset is None:
        raise TargetError.of(Code.T406, found.why, device.place, host=device.name)
    basis = _BASIS.format("firewall3" if fw3_runs else "firewall4 b6e5157")
    return DataPath(nft=found.ruleset.text(), basis=basis, ends=tuple(_ended(settings, device)))


def _ended(settings: Settings, device: Device) -> Iterator[tuple[str, ...]]:
    """Give the connections that apply.sh ends."""
    for one in ended(settings):
        for each in device.families if one.family == "any" else [one.family]:
            found = ("-f", str(each), "-p", one.protocol)
            if one.last == "0":
                yield found
            for port in range(int(one.first), int(one.last) + 1) if one.last != "0" else ():
                yield (*found, "--orig-port-dst", str(port))


def base(device: Device) -> Iterator[Section]:
    """Give the zones of a device as OpenWrt's default config would hold them.

    Every LAN zone may go to every WAN zone. Source: package/network/config/firewall4 (openwrt)
    and root/etc/config/firewall (firewall4).
    """
    yield _section("defaults", "defaults", input="REJECT", output="ACCEPT", forward="REJECT")
    for zone in device.zones:
        yield _zone(zone)
    for source in device.lan_zones:
        for destination in device.wan_zones:
            name = f"{len(source.name)}_{source.name}_{destination.name}"
            yield _section("forwarding", name, src=source.name, dest=destination.name)


def _zone(zone: Zone) -> Section:
    wan = zone.role is Role.WAN
    return _section(
        "zone",
        zone.name,
        name=zone.name,
        device=zone.devices,
        input="REJECT" if wan else "ACCEPT",
        output="ACCEPT",
        forward="REJECT" if wan else "ACCEPT",
        masq="1" if wan else "0",
        mtu_fix="1" if wan else "0",
    )


def _section(type_: str, word: str, **options: Value) -> Section:
    stated = tuple((name, value) for name, value in options.items() if value)
    return Section(type_, f"base_{word}", stated)
