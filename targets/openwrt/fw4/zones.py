"""Zones: which packets are theirs, what they lead to, and which helpers they get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.addresses import Address, groups, split
from targets.openwrt.fw4.ruleset import Rule
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import (
    LONGEST_DEVICE,
    LONGEST_ZONE,
    Helper,
    Interface,
    State,
    Zone,
    infer_family,
)
from targets.openwrt.fw4.values import Named


def add(state: State, origin: str, options: dict[str, Any]) -> None:
    """Take a zone in.

    Raises:
        Vanishes: fw4 skips it.
    """
    name = options["name"]
    subnets = split(options.get("subnet"))
    family = infer_family(options.get("family"), subnets.family)
    if isinstance(family, str):
        raise Vanishes(family)
    _check(state, origin, name)
    state.check_addresses(origin, (*subnets.v4, *subnets.v6))
    networks = tuple(found for found in options.get("network", ()))
    devices = list(_devices(state, networks, options.get("device", ())))
    for each in devices:
        if len(each.word) > LONGEST_DEVICE:
            state.refusals.append(f"{origin}: nft refuses the device name '{each.word}'")
    matched = bool(devices or subnets.v4 or subnets.v6 or subnets.doubt)
    zone = Zone(
        name,
        origin,
        family,
        tuple(_interfaces(devices, family, subnets.v4, subnets.v6, subnets.doubt))
        if matched
        else (),
        tuple(each.word for each in map(_wildcard, devices) if each and not each.negated),
        {word: options[word] for word in ("input", "output", "forward")},
        options,
        tuple(each.word for each in networks if not each.negated),
        _related(state, networks, (*subnets.v4, *subnets.v6), subnets.doubt),
    )
    zone.leads_to.add(zone.policies["forward"])
    _add_helpers(state, zone)
    state.zones.append(zone)


def _check(state: State, origin: str, name: str) -> None:
    if any(zone.name == name for zone in state.zones):
        state.refusals.append(f"{origin}: nft refuses two zones of one name")
    if len(name) > LONGEST_ZONE:
        state.refusals.append(f"{origin}: nft may refuse a zone name of {len(name)} characters")


def _devices(state: State, networks: Sequence[Named], stated: Sequence[Named]) -> Iterator[Named]:
    for network in networks:
        device = state.networks.device(network.word)
        if device:
            yield Named(device, network.negated)
    yield from stated


def _wildcard(device: Named) -> Named | None:
    """Write a device as nft does; ``None``: every device, which fw4 leaves out."""
    if device.word in ("+", "*"):
        return Named("/never/") if device.negated else None
    if device.word.endswith("+"):
        return Named(device.word[:-1] + "*", device.negated)
    return device


def _interfaces(
    devices: Sequence[Named],
    family: int | None,
    v4: tuple[Address, ...],
    v6: tuple[Address, ...],
    doubt: str,
) -> Iterator[Interface]:
    found = [each for each in map(_wildcard, devices) if each is not None]
    negated = tuple(each.word for each in found if each.negated)
    positive = [each.word for each in found if not each.negated]
    plain = tuple(word for word in positive if not word.endswith("*"))
    sets: list[tuple[str, ...]] = [(word,) for word in positive if word.endswith("*")]
    if plain or not sets:
        sets.append(plain)
    for words in sets:
        if not family and not v4 and not v6:
            yield Interface(0, words, negated, doubt=doubt)
            continue
        for version, addresses in ((4, v4), (6, v6)):
            if family in (None, 0, version):
                for subnets, not_subnets, masked in groups(addresses):
                    yield Interface(version, words, negated, subnets, not_subnets, masked, doubt)


def _related(
    state: State, networks: Sequence[Named], subnets: tuple[Address, ...], doubt: str
) -> tuple[Address, ...] | None:
    """Give the addresses of a zone; ``None`` where not all are known."""
    found = list(subnets)
    for network in networks:
        known = state.networks.addresses(network.word)
        if isinstance(known, str):
            return None
        found += (Address(net.version, str(net)) for net in known or ())
    return None if doubt else tuple(found)


def _add_helpers(state: State, zone: Zone) -> None:
    listed: tuple[Helper, ...] = zone.options.get("helper", ())
    automatic = zone.options["auto_helper"] and state.defaults.get("auto_helper") is not False
    if not listed and (not automatic or zone.masquerades):
        return
    zone.helper = True
    for helper in listed or state.helpers.values():
        if helper.available:
            state.add(f"helper_{zone.name}", assignment(helper, zone))


def assignment(helper: Helper, zone: Zone) -> Rule:
    """Give the rule that assigns a helper to what comes from a zone."""
    parts = [nft.match("meta nfproto", ["ipv4"])] if helper.family == 4 else []
    parts.append(nft.match(f"{helper.layer4} dport", [str(helper.port)]))
    parts.append(nft.set_helper(helper.name))
    origin = f"{zone.origin} assigns the {helper.name} helper"
    return Rule(tuple(parts), origin, f"!fw4: {helper.title or helper.name}")


def matches(interface: Interface, *, egress: bool) -> Iterator[nft.Part]:
    """Match a zone's packets on their way in or out."""
    if interface.doubt:
        yield nft.doubt(interface.doubt)
    if interface.family:
        yield nft.match("meta nfproto", [f"ipv{interface.family}"])
    name = "oifname" if egress else "iifname"
    if interface.devices:
        yield nft.match(name, interface.devices)
    plain = [word for word in interface.not_devices if not word.endswith("*")]
    if plain:
        yield nft.match(name, plain, negated=True)
    for word in interface.not_devices:
        if word.endswith("*"):
            yield nft.match(name, [word], negated=True)
    left = f"{'ip' if interface.family == 4 else 'ip6'} {'daddr' if egress else 'saddr'}"
    if interface.subnets:
        yield nft.match(left, interface.subnets)
    if interface.not_subnets:
        yield nft.match(left, interface.not_subnets, negated=True)
    for each in interface.masked:
        yield nft.masked(left, each.mask, each.text, negated=each.negated)
