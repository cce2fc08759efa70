"""What a whole Vyatta config does, whoever wrote it: its zones, its rules, its PPTP helper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_interface
from types import MappingProxyType

from compiler.errors import NativeError
from compiler.evaluate.experience import Conditions
from compiler.evaluate.survey import survey_of
from compiler.evaluate.zones import conclude
from compiler.model.device import Device, Fact, Network, Zone
from compiler.model.effect import HelperState
from compiler.model.finding import Code, Place
from compiler.model.survey import HelperFound, Survey
from compiler.vyatta.dialect import HELPER, Dialect
from compiler.vyatta.foreign import ruleset
from compiler.vyatta.read import read
from compiler.vyatta.tree import Tree, at, interfaces, tree_of

_FILE = "configuration"


def survey(native: str, device: Device | None, dialect: Dialect) -> Survey:
    """Read a config in either form.

    Raises:
        NativeError: T407.
    """
    text = native.removeprefix("\ufeff")
    commands = read(text, _FILE)
    tree = tree_of([command.path for command in commands if command.verb == "set"])
    if not at(tree, "interfaces"):
        message = "the config says nothing of interfaces, so it is not whole"
        hint = "give all that `show configuration commands` prints"
        raise NativeError.of(Code.T407, message, Place(_FILE), hint)
    known = device or Device("", dialect.name, ())
    rules = ruleset(tree, text)
    concluded = conclude(rules, known.zones, known.name)
    networks = dict(_networks(tree))
    zones = tuple(
        zone if zone in known.zones else _with_networks(zone, networks) for zone in concluded.zones
    )
    facts: Mapping[str, Fact] = dict(known.facts)
    if known.ipv6 is None:
        six = any(network.version == 6 for held in networks.values() for network in held)
        facts = {**facts, "ipv6": six}
    router = replace(known, zones=zones, facts=MappingProxyType(dict(facts)))
    state, because = _helper(tree, dialect, known)
    found = survey_of(rules, router, concluded.findings, Conditions(state, because))
    return replace(found, helpers=(HelperFound("pptp", state, because),))


def _with_networks(zone: Zone, networks: Mapping[str, tuple[Network, ...]]) -> Zone:
    found = tuple(net for link in zone.devices for net in networks.get(link, ()))
    return replace(zone, networks=found or zone.networks)


def _networks(tree: Tree) -> Iterator[tuple[str, tuple[Network, ...]]]:
    for name, node in interfaces(tree):
        found = []
        for word in at(node, "address"):
            try:
                found.append(ip_interface(word).network)
            except ValueError:
                continue  # dhcp, dhcpv6
        yield name, tuple(found)


def _helper(tree: Tree, dialect: Dialect, device: Device) -> tuple[HelperState, str]:
    node = at(tree, *HELPER)
    stated = "disable" in node or HELPER[-1] in at(tree, *HELPER[:-1])
    said = " ".join(HELPER)
    if "disable" in node:
        return HelperState.ABSENT, f"{said} disable"
    if dialect.forward and not stated:
        return HelperState.ABSENT, f"the config has no {said}, so both modules are removed"
    if not dialect.helper_off and not stated:
        because = f"the config has no {said}; what that means depends on the release"
        return HelperState.UNKNOWN, because
    if dialect.assigns:
        return HelperState.ASSIGNED, said
    automatic = device.facts.get("auto_helper")
    if isinstance(automatic, bool):
        state = HelperState.ASSIGNED if automatic else HelperState.IDLE
        return state, f"nf_conntrack_helper is {'on' if automatic else 'off'}"
    because = f"{said} is on, and whether the kernel assigns helpers is not known"
    return HelperState.UNKNOWN, because
