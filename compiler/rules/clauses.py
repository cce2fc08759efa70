"""From an intent to clauses: passes first, then blocks, each as plain as a firewall rule.

A flow passes where any decision passes it, and the first rule that matches decides, so one order
serves every intent: all that pass stand before all that block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from compiler.model.device import Device, Network, Zone
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent, Limits, Log
from compiler.model.judge import home_zone
from compiler.model.protocol import PORTED, TCP, UDP, Family, Flow, PortRange

#: How many ports one rule may list; netfilter's multiport takes 15, and a range counts as two.
_MOST_PORTS = 7


@dataclass(frozen=True, slots=True)
class Region:
    """Packets from LAN zones, from networks and to networks; no networks means any address."""

    zones: tuple[str, ...]
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule to be: whether packets of a flow in one address family and region pass.

    ``ports`` are few enough for one rule, sorted and disjoint; empty for a protocol without.
    """

    protocol: str
    flow: str
    layer4: int
    ports: tuple[PortRange, ...]
    family: Family
    passes: bool
    region: Region
    log: Log | None = None

    @property
    def matched(self) -> tuple[object, ...]:
        """What the rule matches, whatever it does."""
        return (self.layer4, self.ports, self.family, self.region)


@dataclass(frozen=True, slots=True)
class Entry:
    """One flow of an exposure: who may come in to which host, in the family of its address.

    ``number`` tells exposures apart; no ``sources`` means anybody.
    """

    protocol: str
    flow: str
    layer4: int
    ports: tuple[PortRange, ...]
    family: Family
    number: int
    exposure: Exposure
    sources: tuple[Network, ...]


def outbound(intent: Intent, device: Device) -> tuple[Clause, ...]:
    """Give the clauses for what clients open, in the order in which rules must stand."""
    ordered = [*_outbound(intent, device, passes=True), *_outbound(intent, device, passes=False)]
    first: dict[tuple[object, ...], Clause] = {}
    for clause in ordered:
        first.setdefault(clause.matched, clause)
    return tuple(first.values())


def inbound(intent: Intent) -> tuple[Entry, ...]:
    """Give the entries for what is let in."""
    return tuple(_inbound(intent))


def answering(entries: Iterable[Entry], clauses: Iterable[Clause]) -> tuple[Entry, ...]:
    """Pick the entries whose servers give answers that a block of what clients open might drop.

    Rules that know no connections take the answer of a server for a packet of a client: GRE has
    no ports, IKE has the same at both ends, and a client's port may be any.
    """
    blocked = {(clause.family, clause.layer4) for clause in clauses if not clause.passes}
    return tuple(entry for entry in entries if (entry.family, entry.layer4) in blocked)


def problems(intent: Intent, device: Device) -> Iterator[Finding]:
    """Say which flows have ports that rules cannot match: anything but TCP and UDP."""
    owners: list[Decision | Exposure] = [*intent.decisions, *intent.exposures]
    for owner in owners:
        if isinstance(owner, Decision) and owner.action is Action.KEEP:
            continue
        for flow in owner.flows:
            if flow.layer4 in PORTED - {TCP, UDP}:
                message = (
                    f"rules match ports of TCP and UDP only, not {flow.ports_text} ({flow.id})"
                )
                yield _finding(device, owner, message, Code.T406)
    for exposure in intent.exposures:
        if home_zone(device, exposure.to) is None:
            message = f"no lan zone's networks hold {exposure.to}"
            hint = "state the networks of the zone in passthru_zones"
            yield _finding(device, exposure, message, Code.T404, hint)


def _finding(
    device: Device, owner: Decision | Exposure, message: str, code: Code, hint: str = ""
) -> Finding:
    place = owner.origin.place
    return Finding(code, message, Severity.ERROR, place, hint, device.name, owner.protocol)


def helped(intent: Intent, name: str) -> bool:
    """Tell whether something that passes needs a NAT helper."""
    passing = [d.helper for d in intent.decisions if d.action is Action.PASS]
    found = [*passing, *(exposure.helper for exposure in intent.exposures)]
    return any(helper is not None and helper.name == name for helper in found)


def zones_of(device: Device, names: Iterable[str]) -> tuple[Zone, ...]:
    """Give the zones with these names, in the order of the inventory."""
    wanted = frozenset(names)
    return tuple(zone for zone in device.zones if zone.name in wanted)


def networks(listed: Iterable[Network], family: Family) -> tuple[Network, ...]:
    """Pick the networks of a family, sorted and without overlaps."""
    if family is Family.IPV4:
        return tuple(collapse_addresses(n for n in listed if isinstance(n, IPv4Network)))
    return tuple(collapse_addresses(n for n in listed if isinstance(n, IPv6Network)))


def _outbound(intent: Intent, device: Device, *, passes: bool) -> Iterator[Clause]:
    for decision in intent.decisions:
        for flow in decision.flows:
            for family in Family:
                for region in _regions(decision, flow, family, device, passes=passes):
                    for ports in _chunks(flow):
                        yield Clause(
                            decision.protocol, flow.id, flow.layer4, ports,
                            family, passes, region, decision.log,
                        )  # fmt: skip


def _regions(
    decision: Decision, flow: Flow, family: Family, device: Device, *, passes: bool
) -> Iterator[Region]:
    if not passes:
        yield from _blocked(decision, family, device)
    elif decision.action is Action.PASS and family in flow.families:
        yield from _inside(decision.limits, family, device)


def _blocked(decision: Decision, family: Family, device: Device) -> Iterator[Region]:
    everything = Region(tuple(zone.name for zone in device.lan_zones))
    inside = tuple(_inside(decision.limits, family, device))
    if decision.action is Action.BLOCK:
        yield from inside
    elif decision.otherwise is Action.BLOCK and everything not in inside:
        yield everything


def _inside(limits: Limits, family: Family, device: Device) -> Iterator[Region]:
    """Give the alternatives of "inside the limits"; none at all where nothing is inside."""
    destinations = networks(limits.destinations, family)
    if family not in limits.families or (limits.destinations and not destinations):
        return
    destinations = _unless_all(destinations)
    everywhere = tuple(zone.name for zone in device.lan_zones)
    if not (limits.zones or limits.sources):
        yield Region(everywhere, (), destinations)
        return
    listed = tuple(name for name in everywhere if name in limits.zones)
    if listed:
        yield Region(listed, (), destinations)
    sources = networks(limits.sources, family)
    if sources and listed != everywhere:
        yield Region(everywhere, _unless_all(sources), destinations)


def _unless_all(listed: tuple[Network, ...]) -> tuple[Network, ...]:
    """Give no networks instead of one that holds every address: lists cannot hold that one."""
    return () if any(network.prefixlen == 0 for network in listed) else listed


def _chunks(flow: Flow) -> Iterator[tuple[PortRange, ...]]:
    ports = _disjoint(flow.ports) if flow.layer4 in PORTED else ()
    if not ports:
        yield ()
    for start in range(0, len(ports), _MOST_PORTS):
        yield ports[start : start + _MOST_PORTS]


def _disjoint(ports: Iterable[PortRange]) -> tuple[PortRange, ...]:
    found: list[PortRange] = []
    for each in sorted(ports):
        if found and each.first <= found[-1].last + 1:
            found[-1] = PortRange(found[-1].first, max(found[-1].last, each.last))
        else:
            found.append(each)
    return tuple(found)


def _inbound(intent: Intent) -> Iterator[Entry]:
    for number, exposure in enumerate(intent.exposures, 1):
        family = Family.IPV4 if exposure.to.version == 4 else Family.IPV6
        sources = networks(exposure.sources, family)
        if exposure.sources and not sources:
            continue
        for flow in exposure.flows:
            if family in flow.families:
                for ports in _chunks(flow):
                    yield Entry(
                        exposure.protocol, flow.id, flow.layer4, ports,
                        family, number, exposure, _unless_all(sources),
                    )  # fmt: skip
