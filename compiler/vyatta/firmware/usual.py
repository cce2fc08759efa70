"""What a router's config usually has besides our paths, so that a proof has a whole router.

Connections that were opened from inside may come back, nothing else comes in from the WAN, and
what goes out over IPv4 is masqueraded. EdgeOS: as its wizard leaves it. VyOS: with the state policy
for all chains as its documentation has it, which decides before any rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.model.device import Device
from compiler.model.protocol import Family
from compiler.vyatta.dialect import Dialect
from compiler.vyatta.layout import layout_of
from compiler.vyatta.read import Path

#: Behind every number of ours, and within what the routers allow.
_LAST = {"edgeos": 9990, "vyos-1.3": 999990, "vyos-1.4": 999990}
_POLICY = {
    "vyos-1.3": ("firewall", "state-policy"),
    "vyos-1.4": ("firewall", "global-options", "state-policy"),
}
_STATES = (("established", "accept"), ("invalid", "drop"), ("related", "accept"))
_WAN_IN = {Family.IPV4: "WAN_IN", Family.IPV6: "WANv6_IN"}


def beside(device: Device, dialect: Dialect) -> Iterator[Path]:
    """Give the paths."""
    last = _LAST[dialect.name]
    yield from _masquerade(device, dialect, last)
    if dialect.name in _POLICY:
        yield from ((*_POLICY[dialect.name], state, "action", done) for state, done in _STATES)
    for family in Family:
        if dialect.forward:
            yield from _forward(device, family, last)
        else:
            yield from _rulesets(device, dialect, family, last)


def _wans(device: Device) -> Iterator[str]:
    names = (name for zone in device.wan_zones for name in zone.devices)
    yield from dict.fromkeys(names)


def _masquerade(device: Device, dialect: Dialect, last: int) -> Iterator[Path]:
    node = dialect.nat if dialect.nat_kind else ("nat", "source")
    link = ("outbound-interface", "name") if dialect.forward else ("outbound-interface",)
    done = ("type",) if dialect.nat_kind else ("translation", "address")
    for number, name in enumerate(_wans(device), last):
        rule = (*node, "rule", str(number))
        yield (*rule, *link, name)
        yield (*rule, *done, "masquerade")


def _forward(device: Device, family: Family, last: int) -> Iterator[Path]:
    for number, name in enumerate(_wans(device), last):
        rule = ("firewall", str(family), "forward", "filter", "rule", str(number))
        yield (*rule, "action", "drop")
        yield (*rule, "inbound-interface", "name", name)


def _rulesets(device: Device, dialect: Dialect, family: Family, last: int) -> Iterator[Path]:
    """Give what the WAN interfaces have for each direction, where our options name it or not."""
    layout = layout_of(device, dialect)
    key = "name" if family is Family.IPV4 else "ipv6-name"
    came = layout.ruleset_in(family) or _WAN_IN[family]
    went = "" if layout.own else layout.ruleset(family)
    yield ("firewall", key, came, "default-action", "drop")
    for number, action, states in (
        (last, "accept", ("established", "related")),
        (last + 1, "drop", ("invalid",)),
    ):
        rule = ("firewall", key, came, "rule", str(number))
        yield (*rule, "action", action)
        yield from ((*rule, "state", state, "enable") for state in states)
    if went:
        yield ("firewall", key, went, "default-action", "accept")
    for name in _wans(device):
        node = ("interfaces", "ethernet", name, "firewall")
        yield (*node, "in", key, came)
        if went:
            yield (*node, "out", key, went)
