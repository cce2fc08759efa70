"""From an intent to sections: passes first, then blocks, then what comes in.

fw3 and fw4 take the first rule that matches, and a flow passes where any decision passes it,
so one order serves every intent: all ACCEPT rules stand before all DROP rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.errors import TargetError
from compiler.model.device import Device, Network, Zone
from compiler.model.finding import Finding
from compiler.model.intent import Action, Decision, Intent, Limits
from compiler.model.protocol import Family, Flow
from targets.openwrt import inbound, settings
from targets.openwrt.parts import (
    helper_problem,
    log_options,
    networks,
    port_problem,
    ports,
    proto,
)
from targets.openwrt.settings import NOTE, Settings, section_name, title
from targets.openwrt.uci import Section, Value


@dataclass(frozen=True, slots=True)
class Region:
    """The packets of one family and zone that lie inside some limits; empty means all of them."""

    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()


ALL = Region()


@dataclass(frozen=True, slots=True)
class Piece:
    """One rule to be: what it does to which packets of a family (``any``: both)."""

    target: str
    family: str
    region: Region


def solve(intent: Intent, device: Device) -> Settings:
    """Find the sections; see the contract.

    Raises:
        TargetError: the router lacks a helper or a zone, or rules cannot match a flow.
    """
    problems = [*_problems(intent, device), *inbound.problems(intent, device)]
    if problems:
        raise TargetError(problems)
    outbound = [*_outbound(intent, device, "ACCEPT"), *_outbound(intent, device, "DROP")]
    notes = list(_notes(intent, device))
    return settings.of([*_without_dead(outbound), *inbound.sections(intent, device), *notes])


def _problems(intent: Intent, device: Device) -> Iterator[Finding]:
    for decision in intent.decisions:
        if decision.action is Action.KEEP:
            continue
        place = decision.origin.place
        found = [port_problem(device, decision.protocol, place, flow) for flow in decision.flows]
        if decision.helper is not None and _helped_zones(decision, device):
            found.append(helper_problem(device, decision.protocol, place, decision.helper))
        yield from (each for each in found if each is not None)


def _outbound(intent: Intent, device: Device, target: str) -> Iterator[Section]:
    for decision in intent.decisions:
        for flow in decision.flows:
            for source in device.lan_zones:
                for piece in _pieces(decision, flow, source):
                    if piece.target == target:
                        for destination in device.wan_zones:
                            yield _rule(decision, flow, piece, source, destination, device)


def _pieces(decision: Decision, flow: Flow, zone: Zone) -> Iterator[Piece]:
    regions = {family: _region(decision.limits, zone, family) for family in Family}
    if decision.action is Action.BLOCK:
        yield from _joined("DROP", {f: region for f, region in regions.items() if region})
    elif decision.action is Action.PASS:
        open_ = {f: region for f, region in regions.items() if region and f in flow.families}
        yield from _joined("ACCEPT", open_)
        if decision.otherwise is Action.BLOCK:
            yield from _joined("DROP", {f: ALL for f, region in regions.items() if region != ALL})


def _region(limits: Limits, zone: Zone, family: Family) -> Region | None:
    """Give what lies inside the limits for a zone and family; ``None``: nothing does."""
    destinations = networks(limits.destinations, family)
    if family not in limits.families or (limits.destinations and not destinations):
        return None
    if zone.name in limits.zones or not (limits.zones or limits.sources):
        return Region((), destinations)
    sources = networks(limits.sources, family)
    return Region(sources, destinations) if sources else None


def _joined(target: str, regions: dict[Family, Region]) -> Iterator[Piece]:
    """One piece for each family, or one for both where addresses do not matter."""
    if len(regions) == len(Family) and all(region == ALL for region in regions.values()):
        yield Piece(target, "any", ALL)
        return
    for family, region in regions.items():
        yield Piece(target, str(family), region)


def _rule(
    decision: Decision, flow: Flow, piece: Piece, source: Zone, destination: Zone, device: Device
) -> Section:
    path = (source.name, destination.name, piece.family)
    own = flow.id.removeprefix(f"{decision.protocol}.")
    told = (own,) if own != flow.id else ("of", flow.id)
    word = {"ACCEPT": "pass", "DROP": "block"}[piece.target]
    name = title(decision.protocol, *told, word, source.name, "to", destination.name, piece.family)
    options: list[tuple[str, Value]] = [
        ("name", name),
        ("src", source.name),
        ("dest", destination.name),
        ("family", piece.family),
        ("proto", proto(flow)),
        ("target", piece.target),
        *log_options(decision.log, name, device),
    ]
    lists = {
        "dest_port": ports(flow),
        "src_ip": piece.region.sources,
        "dest_ip": piece.region.destinations,
    }
    options += [(option, tuple(map(str, items))) for option, items in lists.items() if items]
    return Section("rule", section_name(word, decision.protocol, *told, *path), tuple(options))


def _without_dead(sections: Sequence[Section]) -> Iterator[Section]:
    """Leave out rules that match only what an earlier one has taken already."""
    seen: set[tuple[object, ...]] = set()
    for section in sections:
        match = tuple(
            section.get(option)
            for option in ("src", "dest", "family", "proto", "dest_port", "src_ip", "dest_ip")
        )
        if match not in seen:
            seen.add(match)
            yield section


def _notes(intent: Intent, device: Device) -> Iterator[Section]:
    """Note the helpers that the router must assign by itself, with their zones."""
    zones: dict[str, set[str]] = {}
    for decision in intent.decisions:
        if decision.helper is not None:
            zones.setdefault(decision.helper.name, set()).update(_helped_zones(decision, device))
    for helper, names in sorted(zones.items()):
        if names:
            options: tuple[tuple[str, Value], ...] = (
                ("helper", helper),
                ("zone", tuple(sorted(names))),
            )
            yield Section(NOTE, section_name("helper", helper), options)


def _helped_zones(decision: Decision, device: Device) -> tuple[str, ...]:
    if decision.action is not Action.PASS or decision.helper is None:
        return ()
    return tuple(
        zone.name
        for zone in device.lan_zones
        if any(_region(decision.limits, zone, family) for family in decision.helper.families)
    )
