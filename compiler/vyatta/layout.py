"""Where our rules go on one router: the options and facts of its inventory entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.model import modules
from compiler.model.device import Device, Zone
from compiler.model.finding import Code, Finding
from compiler.model.protocol import Family
from compiler.vyatta.dialect import RULESET, Dialect
from compiler.vyatta.read import Path

_FACTS = {
    "facts.ipv6": "whether the router forwards IPv6 (default: whether a zone has such a network)",
    f"facts.{modules.FACT}": modules.MEANING,
}
_BASES = {
    "rule_base": "first number of our rules where other rules stand too (default 1: before all)",
    "nat_rule_base": "first number of our destination NAT rules (default 1)",
}
FORWARD_OPTIONS = {
    **_BASES,
    "facts.zone_firewall": "true where the router has `firewall zone`: it may drop what we pass",
    **_FACTS,
}
RULESET_OPTIONS = {
    "ruleset": "name of the ruleset that the WAN interfaces have for direction out",
    "ruleset6": "name of the IPv6 ruleset (ipv6-name) that they have for direction out",
    "attach": "true, or a list of config nodes such as 'interfaces ethernet eth0': put rulesets of "
    "our own there, for direction out; for routers that have none",
    "ruleset_in": "name of the ruleset that the WAN interfaces have for direction in (expose)",
    "ruleset_in6": "the same for IPv6",
    **_BASES,
    "facts.other_rulesets": "false where no LAN interface has a ruleset and there is no "
    "zone-policy",
    **_FACTS,
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,27}")
_NODE = re.compile(r"interfaces( [A-Za-z0-9_.-]+)+")
_DEVICE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}(\.[0-9]{1,4})?")
_KINDS = {
    "eth": "ethernet",
    "bond": "bonding",
    "br": "bridge",
    "switch": "switch",
    "wlan": "wireless",
    "tun": "tunnel",
    "wg": "wireguard",
    "vtun": "openvpn",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where rules go; ``out`` and ``in_`` name rulesets by family where rules stand in rulesets."""

    base: int
    nat_base: int
    out: tuple[tuple[Family, str], ...]
    in_: tuple[tuple[Family, str], ...]
    nodes: tuple[Path, ...]

    def ruleset(self, family: Family) -> str:
        """Give the ruleset for what goes out; nothing where there is none."""
        return dict(self.out).get(family, "")

    def ruleset_in(self, family: Family) -> str:
        """Give the ruleset for what comes in; nothing where there is none."""
        return dict(self.in_).get(family, "")

    @property
    def own(self) -> bool:
        """Tell whether the ruleset for what goes out is ours alone."""
        return bool(self.nodes)


def layout_of(device: Device, dialect: Dialect) -> Layout:
    """Read the options of a router; what :func:`check` refuses is left out."""
    nodes = () if dialect.forward else tuple(_nodes(device))
    out = dict(RULESET) if nodes else _named(device, "ruleset", "ruleset6")
    in_ = _named(device, "ruleset_in", "ruleset_in6")
    base, nat_base = (_number(device, name, dialect.most) or 1 for name in _BASES)
    return Layout(base, nat_base, tuple(out.items()), tuple(in_.items()), nodes)


def _named(device: Device, *options: str) -> dict[Family, str]:
    stated = zip(Family, options, strict=True)
    found = {family: device.options.get(option) for family, option in stated}
    return {family: str(name) for family, name in found.items() if _is_name(name)}


def _is_name(stated: object) -> bool:
    return isinstance(stated, str) and _NAME.fullmatch(stated) is not None


def _number(device: Device, option: str, most: int) -> int | None:
    stated = device.options.get(option, 1)
    good = isinstance(stated, int) and not isinstance(stated, bool)
    return stated if good and isinstance(stated, int) and 1 <= stated <= most else None


def _nodes(device: Device) -> Iterator[Path]:
    stated = device.options.get("attach")
    if isinstance(stated, list):
        nodes = [each for each in stated if isinstance(each, str) and _NODE.fullmatch(each)]
        yield from (tuple(each.split()) for each in nodes)
    elif stated is True:
        found = (node_of(name) for zone in device.wan_zones for name in zone.devices)
        yield from (node for node in found if node)


def node_of(name: str) -> Path:
    """Give the config node of an interface; nothing where its name does not tell it."""
    base, dot, vlan = name.partition(".")
    kind = _KINDS.get(base.rstrip("0123456789"))
    if kind is None or not _DEVICE.fullmatch(name):
        return ()
    return ("interfaces", kind, base, *(("vif", vlan) if dot else ()))


def check(device: Device, dialect: Dialect) -> Iterator[Finding]:
    """Judge zones, options and facts."""
    for zones, role in ((device.lan_zones, "lan"), (device.wan_zones, "wan")):
        if not zones:
            yield _finding(
                device, Code.T404, f"the router has no {role} zone", "set passthru_zones"
            )
    yield from modules.fact_findings(device)
    for name in _BASES:
        if _number(device, name, dialect.most) is None:
            stated = device.options.get(name)
            message = (
                f"passthru_{name} must be a number from 1 to {dialect.most}, not {stated!r:.40}"
            )
            yield _finding(device, Code.I206, message)
    fact = "zone_firewall" if dialect.forward else "other_rulesets"
    stated = device.facts.get(fact, False)
    if not isinstance(stated, bool):
        message = f"passthru_facts.{fact} must be true or false, not {stated!r:.40}"
        yield _finding(device, Code.T404, message)
    if dialect.forward:
        yield from _interfaces(device)
    else:
        yield from _rulesets(device)


def _interfaces(device: Device) -> Iterator[Finding]:
    for zone in device.zones:
        if not zone.devices:
            message = f"zone '{zone.name}' names no device"
            yield _finding(device, Code.T404, message, "add `device:`", zone)
        for name in zone.devices:
            if not _DEVICE.fullmatch(name):
                message = f"{name[:40]!a} cannot be the name of an interface"
                yield _finding(device, Code.T408, message, "a name as in `show interfaces`", zone)


def _rulesets(device: Device) -> Iterator[Finding]:
    options = device.options
    attach = options.get("attach", False)
    for name in ("ruleset", "ruleset6", "ruleset_in", "ruleset_in6"):
        if name in options and not _is_name(options[name]):
            message = f"passthru_{name} must be the name of a ruleset, not {options[name]!r:.40}"
            yield _finding(device, Code.I206, message, "up to 28 of A-Z a-z 0-9 _ . -")
    if "ruleset" not in options and attach is False:
        message = "it is not known which ruleset the WAN interfaces have for direction out"
        hint = "passthru_ruleset: its name; or, if there is none, passthru_attach: true"
        yield _finding(device, Code.T404, message, hint)
    if attach is not False and ("ruleset" in options or "ruleset6" in options):
        message = "passthru_attach and passthru_ruleset exclude one another"
        yield _finding(device, Code.I206, message, "an interface has one ruleset for a direction")
    if attach is True:
        names = [name for zone in device.wan_zones for name in zone.devices]
        for name in [name for name in names if not node_of(name)]:
            message = f"the config node of the interface {name[:40]!a} is not known"
            hint = (
                "passthru_attach: ['interfaces ethernet eth0 pppoe 0'], one for each WAN interface"
            )
            yield _finding(device, Code.T404, message, hint)
        if not names:
            yield _finding(device, Code.T404, "the wan zone names no device", "add `device:`")
    elif attach is not False and not (
        isinstance(attach, list) and attach and len(tuple(_nodes(device))) == len(attach)
    ):
        message = "passthru_attach must be true, or a list such as ['interfaces ethernet eth0']"
        yield _finding(device, Code.I206, message)
    if attach is False and Family.IPV6 in device.families and "ruleset6" not in options:
        message = "it is not known which IPv6 ruleset the WAN interfaces have for direction out"
        yield _finding(
            device, Code.T404, message, "passthru_ruleset6, or passthru_facts: {ipv6: false}"
        )


def _finding(
    device: Device, code: Code, message: str, hint: str = "", zone: Zone | None = None
) -> Finding:
    place = (zone.place if zone else None) or device.place
    return Finding(code, message, place=place, hint=hint, host=device.name)
