"""Hold effects against an intent: which packets to ask about, what is wanted, what deviates.

An intent is judged by *probes*: packets chosen so that every limit of every decision is met on
both of its sides (the first and the last address of every listed network, and the addresses just
outside). Compile, audit and proof ask the same probes, of settings, of routers and of a kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network

from compiler.model.device import Address, Device, Network, Role, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent, Limits
from compiler.model.protocol import PORTED, Family, Flow

#: Addresses to stand for "anywhere else": documentation ranges (RFC 5737, RFC 3849), then public
#: ones that no policy will list on purpose.
_ELSEWHERE = {
    4: [
        ip_address(a) for a in ("192.0.2.77", "198.51.100.77", "203.0.113.77", "9.9.9.9", "1.1.1.1")
    ],
    6: [
        ip_address(a)
        for a in ("2001:db8:77::77", "2620:fe::9", "2606:4700::1111", "2001:500:1::53")
    ],
}


def wants(intent: Intent, probe: Probe) -> tuple[Action, Decision | Exposure | None]:
    """Say what the intent wants of a probe, and which decision says so.

    A flow that several protocols of one tree need passes where any of them passes it.
    """
    if probe.direction is Direction.IN:
        return _wants_inbound(intent, probe)
    blocking: Decision | None = None
    for decision in intent.decisions:
        if not decision.claims(probe.flow):
            continue
        action = wanted_by(decision, probe)
        if action is Action.PASS:
            return Action.PASS, decision
        if action is Action.BLOCK:
            blocking = blocking or decision
    return (Action.BLOCK, blocking) if blocking else (Action.KEEP, None)


def _wants_inbound(intent: Intent, probe: Probe) -> tuple[Action, Exposure | None]:
    for exposure in intent.exposures:
        if all(flow.id != probe.flow.id for flow in exposure.flows):
            continue
        source = probe.source_address
        inside = not exposure.sources or (source is not None and _within(source, exposure.sources))
        if inside and exposure.to.version == _version(probe.family):
            return Action.PASS, exposure
    return Action.KEEP, None


def wanted_by(decision: Decision, probe: Probe) -> Action:
    """Say what one decision wants of a probe that belongs to one of its flows."""
    if inside(decision.limits, probe):
        if decision.action is Action.PASS and probe.family not in probe.flow.families:
            return Action.KEEP
        return decision.action
    return decision.otherwise if decision.action is Action.PASS else Action.KEEP


def inside(limits: Limits, probe: Probe) -> bool:
    """Tell whether a probe lies inside the limits of a decision."""
    if probe.family not in limits.families:
        return False
    if limits.destinations:
        address = probe.destination_address
        if address is None or not _within(address, limits.destinations):
            return False
    if not (limits.zones or limits.sources):
        return True
    if probe.source in limits.zones:
        return True
    address = probe.source_address
    return address is not None and _within(address, limits.sources)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)


def probes(intent: Intent, device: Device) -> tuple[Probe, ...]:
    """Give every probe that the intent must be judged by on this device, in a stable order."""
    found: dict[Probe, None] = {}
    for decision in intent.decisions:
        for flow in decision.flows:
            for family in _judged_families(decision, device):
                found.update(dict.fromkeys(_probes_of(decision, flow, family, device)))
    for exposure in intent.exposures:
        found.update(dict.fromkeys(_inbound_probes(exposure, device)))
    return tuple(found)


def plain_probes(flows: Iterable[Flow], device: Device) -> tuple[Probe, ...]:
    """Give one probe for each flow, family and zone pair: what an audit without a policy asks."""
    return tuple(
        Probe(flow, family, source.name, destination.name, port)
        for flow in flows
        for family in device.families
        if family in flow.families
        for source in device.lan_zones
        for destination in device.wan_zones
        for port in _ports(flow)
    )


def _judged_families(decision: Decision, device: Device) -> tuple[Family, ...]:
    listed = {net.version for net in (*decision.limits.destinations, *decision.limits.sources)}
    return tuple(f for f in Family if f in device.families or _version(f) in listed)


def _probes_of(decision: Decision, flow: Flow, family: Family, device: Device) -> Iterator[Probe]:
    limits = decision.limits
    for source in device.lan_zones:
        for destination in device.wan_zones:
            for port in _ports(flow):
                for from_ in _source_addresses(limits, source, family):
                    for to in _landmarks(limits.destinations, _version(family)):
                        yield Probe(flow, family, source.name, destination.name, port, from_, to)


def _inbound_probes(exposure: Exposure, device: Device) -> Iterator[Probe]:
    family = Family.IPV4 if exposure.to.version == 4 else Family.IPV6
    home = next((zone for zone in device.lan_zones if _holds(zone, exposure.to)), None)
    for source in device.wan_zones:
        for flow in exposure.flows:
            if family not in flow.families:
                continue
            for port in _ports(flow):
                for from_ in _landmarks(exposure.sources, exposure.to.version):
                    yield Probe(
                        flow, family, source.name, home.name if home else "", port, from_,
                        exposure.to, Direction.IN,
                    )  # fmt: skip


def _holds(zone: Zone, address: Address) -> bool:
    return zone.role is Role.LAN and _within(address, zone.networks)


def home_zone(device: Device, address: Address) -> Zone | None:
    """Find the LAN zone whose networks hold an address."""
    return next((zone for zone in device.lan_zones if _holds(zone, address)), None)


def _ports(flow: Flow) -> tuple[int, ...]:
    if flow.layer4 not in PORTED:
        return (0,)
    return tuple(dict.fromkeys(port for r in flow.ports for port in (r.first, r.last)))


def _source_addresses(limits: Limits, zone: Zone, family: Family) -> Iterator[Address | None]:
    version = _version(family)
    own = [net for net in zone.networks if net.version == version]
    listed = [net for net in limits.sources if net.version == version]
    if not listed:
        yield own[0][1] if own and own[0].num_addresses > 1 else None
        return
    for address in _landmarks(limits.sources, version):
        if address is None or not own or _within(address, own):
            yield address
    outside = next((net for net in own if not any(_covers(big, net) for big in listed)), None)
    if outside is not None:
        yield next((a for a in _edges(outside) if not _within(a, listed)), None)


def _covers(big: Network, small: Network) -> bool:
    return big.version == small.version and (
        int(big.network_address) <= int(small.network_address)
        and int(small.broadcast_address) <= int(big.broadcast_address)
    )


@cache
def _landmarks(networks: tuple[Network, ...], version: int) -> tuple[Address | None, ...]:
    """Addresses on both sides of every border that the networks draw, and one far away."""
    if not networks:
        return (None,)
    own = [net for net in networks if net.version == version]
    found: dict[Address | None, None] = {}
    for net in own:
        found.update(dict.fromkeys(_edges(net)))
        found.update(dict.fromkeys(a for a in _neighbours(net) if not _within(a, own)))
    elsewhere = next((a for a in _ELSEWHERE[version] if not _within(a, own)), None)
    if elsewhere is not None:  # else the networks hold every address, and nothing is outside
        found[elsewhere] = None
    return tuple(found)


def _edges(net: Network) -> tuple[Address, ...]:
    return tuple(dict.fromkeys((net.network_address, net.broadcast_address)))


def _neighbours(net: Network) -> Iterator[Address]:
    everything = ip_network("0.0.0.0/0" if net.version == 4 else "::/0")
    if net.network_address != everything.network_address:
        yield net.network_address - 1
    if net.broadcast_address != everything.broadcast_address:
        yield net.broadcast_address + 1


def _version(family: Family) -> int:
    return 4 if family is Family.IPV4 else 6


@dataclass(frozen=True, slots=True)
class Deviation:
    """Effects that differ from what one decision wants, all for the same kind of reason."""

    code: Code
    severity: Severity
    protocol: str
    wanted: Action
    decision: Decision | Exposure
    effects: tuple[Effect, ...]

    @property
    def flows(self) -> tuple[str, ...]:
        """Ids of the flows concerned, sorted."""
        return tuple(sorted({effect.probe.flow.id for effect in self.effects}))

    @property
    def families(self) -> tuple[str, ...]:
        """Address families concerned, sorted."""
        return tuple(sorted({str(effect.probe.family) for effect in self.effects}))

    @property
    def because(self) -> tuple[str, ...]:
        """The settings or rules that made it so, sorted."""
        return tuple(sorted({effect.because for effect in self.effects}))


def compare(intent: Intent, effects: Sequence[Effect]) -> tuple[Deviation, ...]:
    """Compare effects with the intent; group what differs by protocol and kind, worst first.

    A block that leaves running tunnels alone and an effect that is unknown are warnings; all else
    is an error.
    """
    groups: dict[tuple[Code, str], list[tuple[Action, Decision | Exposure, Effect]]] = {}
    for effect in effects:
        action, decision = wants(intent, effect.probe)
        if decision is None:
            continue
        code = difference(action, effect)
        if code is not None:
            groups.setdefault((code, decision.protocol), []).append((action, decision, effect))
    found = [
        Deviation(
            code, _SEVERITY[code], protocol, rows[0][0], rows[0][1], tuple(row[2] for row in rows)
        )
        for (code, protocol), rows in groups.items()
    ]
    return tuple(sorted(found, key=lambda d: (-d.severity, d.protocol, d.code.name)))


_SEVERITY = {
    Code.D501: Severity.ERROR,
    Code.D502: Severity.ERROR,
    Code.D503: Severity.ERROR,
    Code.D504: Severity.WARNING,
    Code.D505: Severity.WARNING,
}


def difference(wanted: Action, effect: Effect) -> Code | None:
    """Say how an effect differs from what is wanted; ``None`` when it does not."""
    if wanted is Action.KEEP:
        return None
    if effect.verdict is Verdict.UNKNOWN:
        return Code.D504
    return _not_blocked(effect) if wanted is Action.BLOCK else _not_passed(effect)


def _not_blocked(effect: Effect) -> Code | None:
    if effect.verdict is Verdict.PASS:
        return Code.D501
    return None if effect.cuts_running else Code.D505


def _not_passed(effect: Effect) -> Code | None:
    if effect.verdict.blocks:
        return Code.D502
    if effect.helper in (HelperState.IDLE, HelperState.ABSENT):
        return Code.D503
    return Code.D504 if effect.helper is HelperState.UNKNOWN else None
