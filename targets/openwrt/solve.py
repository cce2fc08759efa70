"""From an intent to sections: passes first, then blocks, then what comes in.

fw3 and fw4 take the first rule that matches, and a flow passes where any decision passes it,
so one order serves every intent: all ACCEPT rules stand before all DROP rules. Rules about packets
with a signature stand before those about whole ports, which know less, and what is blocked on
any port comes last, when nobody has spoken of the port.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from compiler.errors import TargetError
from compiler.model.device import Device, Network, Zone
from compiler.model.finding import Finding
from compiler.model.intent import Action, Decision, Intent, Limits
from compiler.model.protocol import UDP, Family, Flow
from targets.openwrt import apart, inbound, settings
from targets.openwrt.apart import Apart
from targets.openwrt.facts import Firewall, firewall_of
from targets.openwrt.fw3 import signatures as fw3
from targets.openwrt.fw4 import signatures
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule asks beside its piece: a flow, with words for it, and bits of the mark."""

    decision: Decision
    flow: Flow
    words: tuple[str, ...]
    mark: str = ""
    verb: str = ""


def solve(intent: Intent, device: Device) -> Settings:
    """Find the sections; see the contract.

    Raises:
        TargetError: the router lacks a helper or a zone, or rules cannot match a flow.
    """
    problems = [
        *_problems(intent, device),
        *apart.problems(intent, device),
        *inbound.problems(intent, device),
    ]
    if problems:
        raise TargetError(problems)
    told = apart.of(intent)
    outbound = list(_without_dead(list(_outbound(told, device))))
    notes = [*_notes(intent, device), *_marks(told, outbound, device)]
    return settings.of([*outbound, *inbound.sections(intent, device), *notes])


def _problems(intent: Intent, device: Device) -> Iterator[Finding]:
    for decision in intent.decisions:
        if decision.action is Action.KEEP:
            continue
        place = decision.origin.place
        found = [port_problem(device, decision.protocol, place, flow) for flow in decision.flows]
        if decision.helper is not None and _helped_zones(decision, device):
            found.append(helper_problem(device, decision.protocol, place, decision.helper))
        yield from (each for each in found if each is not None)


def _outbound(told: Apart, device: Device) -> Iterator[Section]:
    asked = list(_asked(told))
    marked, plain = [a for a in asked if a.mark], [a for a in asked if not a.mark]
    for listed, target in product((marked, plain), ("ACCEPT", "DROP")):
        yield from _rules(listed, target, device)
    yield from _rules(list(_anywhere(told)), "DROP", device)


def _asked(told: Apart) -> Iterator[Asked]:
    for decision in told.intent.decisions:
        for flow in decision.flows:
            mark = told.mark_of(decision, flow)
            bits = f"{mark.bit:#x}/{mark.bit:#x}" if mark else ""
            yield Asked(decision, flow, _words(decision, flow), bits)


def _anywhere(told: Apart) -> Iterator[Asked]:
    """Ask for what a block must also find on other ports."""
    for decision in told.intent.decisions:
        mark = told.anywhere(decision)
        if mark is not None:
            flow = Flow(f"{decision.protocol}.anywhere", decision.protocol, UDP)
            bits = f"{mark.bit:#x}/{mark.bit:#x}"
            yield Asked(decision, flow, (), bits, "detect")


def _words(decision: Decision, flow: Flow) -> tuple[str, ...]:
    own = flow.id.removeprefix(f"{decision.protocol}.")
    return (own,) if own != flow.id else ("of", flow.id)


def _rules(listed: Sequence[Asked], target: str, device: Device) -> Iterator[Section]:
    for asked in listed:
        for source in device.lan_zones:
            for piece in _pieces(asked.decision, asked.flow, source):
                if piece.target == target:
                    for destination in device.wan_zones:
                        yield _rule(asked, piece, source, destination, device)


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


def _rule(asked: Asked, piece: Piece, source: Zone, destination: Zone, device: Device) -> Section:
    decision, flow = asked.decision, asked.flow
    path = (source.name, destination.name, piece.family)
    word = asked.verb or {"ACCEPT": "pass", "DROP": "block"}[piece.target]
    words = (decision.protocol, *asked.words)
    name = title(*words, word, source.name, "to", destination.name, piece.family)
    options: list[tuple[str, Value]] = [
        ("name", name),
        ("src", source.name),
        ("dest", destination.name),
        ("family", piece.family),
        ("proto", proto(flow)),
        ("target", piece.target),
        *log_options(decision.log, name, device),
    ]
    if asked.mark:
        options.append(("mark", asked.mark))
    lists = {
        "dest_port": ports(flow),
        "src_ip": piece.region.sources,
        "dest_ip": piece.region.destinations,
    }
    options += [(option, tuple(map(str, items))) for option, items in lists.items() if items]
    return Section("rule", section_name(word, *words, *path), tuple(options))


def _without_dead(sections: Sequence[Section]) -> Iterator[Section]:
    """Leave out rules that match only what an earlier one has taken already."""
    seen: set[tuple[object, ...]] = set()
    for section in sections:
        match = tuple(
            section.get(option)
            for option in (
                "src",
                "dest",
                "family",
                "proto",
                "dest_port",
                "src_ip",
                "dest_ip",
                "mark",
            )
        )
        if match not in seen:
            seen.add(match)
            yield section


def _marks(told: Apart, rules: Sequence[Section], device: Device) -> Iterator[Section]:
    """Write down the marks that rules ask for, and have them set: by rules, or a file for fw4."""
    marks = tuple(told.marks.values())
    zones = dict.fromkeys(rule.text("src") for rule in rules if rule.get("mark"))
    if not zones:
        return
    if firewall_of(device) is Firewall.FW3:
        yield from fw3.sections(marks, rules)
    else:
        yield from signatures.includes(marks, zones)
    yield from (mark.section() for mark in marks)


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
