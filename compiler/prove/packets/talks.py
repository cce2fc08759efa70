"""Talks: an intent's questions, as exchanges between the hosts of a lab."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network
from itertools import chain, repeat

from compiler.model.device import Address, Device
from compiler.model.effect import Direction, Probe
from compiler.model.intent import Action, Decision, Intent
from compiler.model.judge import home_zone, inside, probes, wants
from compiler.model.protocol import PORTED, Family, Flow
from compiler.prove.exchanges import Exchange, exchanges_of, plain
from compiler.prove.lab import Client, Lan, Wan
from compiler.prove.lab.network import INTERNET
from compiler.prove.packets.plan import Plan
from compiler.prove.packets.talk import Talk, Wanted
from compiler.prove.result import Kind

#: Layer-4 numbers that are headers of IPv6 or control messages of IP: the kernel answers or drops
#: such packets by itself, so nothing could be learnt.
_NOT_SENT = frozenset({0, 1, 2, 43, 44, 58, 60, 135, 139, 140})
#: More borders than these on one side of an exchange's limits are not all tried.
_MOST_BORDERS = 20
_FIRST_PORT, _PORTS = 20000, 40000


class Talks:
    """Gives the talks of an intent; counts what cannot be sent, by reason."""

    def __init__(self, intent: Intent, device: Device, plan: Plan) -> None:
        """Remember what is asked of whom."""
        self._intent, self._device, self._plan = intent, device, plan
        self._number = 0
        self.left_out: dict[str, int] = {}
        self._servers: dict[tuple[object, ...], int] = {}
        self._insisted: set[tuple[object, ...]] = set()
        self._own = [network for zone in device.lan_zones for network in zone.networks]

    def all(self, *, served: bool) -> list[Talk]:
        """Give all talks; with ``served``, also those with exposed servers."""
        outbound, inbound = _grouped(probes(self._intent, self._device))
        found = list(self._outbound(outbound))
        found += self._signatures()
        if served:
            found += self._inbound(inbound)
        return found

    def _outbound(self, asked: Mapping[tuple[object, ...], list[Probe]]) -> Iterator[Talk]:
        for borders in asked.values():
            for probe, kind in self._chosen(borders):
                for lan in self._plan.lans(probe.source):
                    for wan in self._plan.wans(probe.destination):
                        yield from self._from_lan(probe, lan, wan, kind)

    def _chosen(self, borders: Iterable[Probe]) -> Iterator[tuple[Probe, Kind]]:
        """Choose some borders, of both sides; the first of each meets whole exchanges."""
        sides: dict[Action, list[Probe]] = {}
        for probe in borders:
            sides.setdefault(wants(self._intent, probe)[0], []).append(probe)
        for found in sides.values():
            chosen = _spread(found, _MOST_BORDERS)
            self._count("more borders of limits than are tried", len(found) - len(chosen))
            yield from zip(chosen, chain([Kind.EXCHANGE], repeat(Kind.LIMIT)), strict=False)

    def _from_lan(self, probe: Probe, lan: Lan, wan: Wan, kind: Kind) -> Iterator[Talk]:
        version = 4 if probe.family is Family.IPV4 else 6
        clients = [(client, client.address(version)) for client in lan.clients]
        if probe.source_address is not None and self._limits_sources(probe):
            clients.insert(0, (lan.clients[0], probe.source_address))
        for client, source in clients if kind is Kind.EXCHANGE else clients[:1]:
            talk = self._out(replace(probe, source_address=source), lan, wan, client, kind)
            if talk is not None:
                yield talk

    def _limits_sources(self, probe: Probe) -> bool:
        return any(
            decision.limits.sources
            for decision in self._intent.decisions
            if decision.claims(probe.flow)
        )

    def _out(self, probe: Probe, lan: Lan, wan: Wan, client: Client, kind: Kind) -> Talk | None:
        source = probe.source_address
        assert source is not None  # noqa: S101 - every caller states it
        exchange = exchanges_of([probe.flow])[0]
        called = probe.destination_address or self._server(exchange, probe, source)
        if not self._can_travel(source, called, probe.flow):
            return None
        wanted = dict(self._wanted(exchange, replace(probe, destination_address=called)))
        if all(one.action is Action.KEEP for one in wanted.values()):
            return None
        self._number += 1
        return Talk(
            self._number, kind, exchange, probe.family, client.name, INTERNET, lan.zone,
            lan.interface, wan, source, called, self._port(exchange, probe, source, called),
            wanted, short=kind is Kind.LIMIT,
        )  # fmt: skip

    def _server(self, exchange: Exchange, probe: Probe, source: Address) -> Address:
        """Give every exchange a server of its own, a flow without ports one for each client."""
        key: tuple[object, ...] = (exchange.id, probe.port)
        if probe.flow.layer4 not in PORTED:
            key = (*key, source, probe.destination)
        number = self._servers.setdefault(key, len(self._servers))
        return self._plan.server(source.version, number)

    def _port(self, exchange: Exchange, probe: Probe, source: Address, called: Address) -> int:
        """Give the port that clients insist on, where no other exchange has taken it."""
        insisted = (source, exchange.source_port, called, probe.port, probe.flow.layer4)
        if exchange.source_port and insisted not in self._insisted:
            self._insisted.add(insisted)
            return exchange.source_port
        return self._any_port()

    def _wanted(self, exchange: Exchange, probe: Probe) -> Iterator[tuple[str, Wanted]]:
        """Ask the intent about every flow of an exchange that it decides."""
        flows = {probe.flow.id: probe.flow}
        for own in self._intent.decisions:
            flows.update({f.id: f for f in own.flows if f.id in exchange.flows})
        for exposure in self._intent.exposures if probe.direction is Direction.IN else ():
            flows.update({f.id: f for f in exposure.flows if f.id in exchange.flows})
        for flow in (flows[name] for name in exchange.flows if name in flows):
            port = probe.port if flow.id == probe.flow.id else 0
            if port == 0 and flow.layer4 in PORTED:
                port = flow.ports[0].first
            asked = replace(probe, flow=flow, port=port)
            action, decision = wants(self._intent, asked)
            if decision is None or (action is Action.PASS and probe.family not in flow.families):
                continue
            yield flow.id, Wanted(flow, port, asked, action, decision)

    def _can_travel(
        self, source: Address, called: Address, flow: Flow, *, far: bool = True
    ) -> bool:
        """Leave out what no router forwards, whatever its rules."""
        reason = unsendable(source, called, flow)
        if far and any(called in n for n in self._own if n.version == called.version):
            reason = reason or "destinations inside the LAN"
        if {source, called} & self._plan.layout.router_addresses:
            reason = reason or "the router's own addresses"
        self._count(reason, 1)
        return not reason

    def _count(self, reason: str, number: int) -> None:
        if reason and number > 0:
            self.left_out[reason] = self.left_out.get(reason, 0) + number

    def _any_port(self) -> int:
        return _FIRST_PORT + self._number % _PORTS

    def _inbound(self, asked: Iterable[Probe]) -> Iterator[Talk]:
        """Somebody in the WAN calls an exposed server; one who may not is wanted to be blocked."""
        for probe in asked:
            server = probe.destination_address
            home = home_zone(self._device, server) if server is not None else None
            if server is None or home is None:
                self._count("exposed servers in no known network", 1)
                continue
            lan = self._plan.lans(home.name)[0]
            for wan in self._plan.wans(probe.source):
                talk = self._in(probe, lan, wan, server)
                if talk is not None:
                    yield talk

    def _in(self, probe: Probe, lan: Lan, wan: Wan, server: Address) -> Talk | None:
        version = server.version
        self._number += 1
        source = probe.source_address or self._plan.server(version, self._number)
        called = wan.address(4) if version == 4 else server
        if not self._can_travel(source, server, probe.flow, far=False):
            return None
        exchange = exchanges_of([probe.flow])[0]
        wanted = dict(self._wanted_in(exchange, replace(probe, source_address=source)))
        if not wanted:
            return None
        return Talk(
            self._number, Kind.INBOUND, exchange, probe.family, INTERNET, lan.clients[0].name,
            lan.zone, lan.interface, wan, source, called, self._any_port(), wanted,
        )  # fmt: skip

    def _wanted_in(self, exchange: Exchange, probe: Probe) -> Iterator[tuple[str, Wanted]]:
        for exposure in self._intent.exposures:
            if exposure.to != probe.destination_address:
                continue
            for flow in exposure.flows:
                if flow.id not in exchange.flows or probe.family not in flow.families:
                    continue
                port = probe.port if flow.id == probe.flow.id else 0
                if port == 0 and flow.layer4 in PORTED:
                    port = flow.ports[0].first
                asked = replace(probe, flow=flow, port=port)
                action, _ = wants(self._intent, asked)
                action = Action.PASS if action is Action.PASS else Action.BLOCK
                yield flow.id, Wanted(flow, port, asked, action, exposure)

    def _signatures(self) -> Iterator[Talk]:
        """A blocked protocol that is detected by signature, on a port that is not its own."""
        for decision in self._intent.decisions:
            if decision.action is not Action.BLOCK:
                continue
            for index, (layer4, signature) in enumerate(decision.detect):
                flow = Flow(
                    f"{decision.protocol}.signature-{index + 1}", decision.protocol, layer4,
                    signature=signature,
                )  # fmt: skip
                yield from self._hidden(decision, flow)

    def _hidden(self, decision: Decision, flow: Flow) -> Iterator[Talk]:
        for family in self._device.families:
            version = 4 if family is Family.IPV4 else 6
            for lan in self._plan.layout.lans:
                for wan in self._plan.layout.wans:
                    self._number += 1
                    client = lan.clients[0]
                    source, called = client.address(version), self._plan.server(version, 7)
                    port = 47000 + self._number % 1000
                    probe = Probe(flow, family, lan.zone, wan.zone, port, source, called)
                    if not inside(decision.limits, probe):
                        continue
                    wanted = {flow.id: Wanted(flow, port, probe, Action.BLOCK, decision)}
                    yield Talk(
                        self._number, Kind.SIGNATURE, plain(flow), family, client.name, INTERNET,
                        lan.zone, lan.interface, wan, source, called, self._any_port(), wanted,
                    )  # fmt: skip


def unsendable(source: Address, called: Address, flow: Flow) -> str:
    """Say why a packet meets no rule of any router that forwards it; empty where it does."""
    if flow.layer4 in _NOT_SENT:
        return "packets that IP itself answers"
    if _special(source) or _special(called):
        return "addresses that no router forwards"
    return ""


def _special(address: Address) -> bool:
    whole = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"))
    return (
        address.is_multicast
        or address.is_loopback
        or address.is_unspecified
        or address.is_link_local
        or any(address in network for network in whole if address.version == 4)
    )


def _grouped(
    asked: Iterable[Probe],
) -> tuple[dict[tuple[object, ...], list[Probe]], list[Probe]]:
    """Part probes into groups that differ in addresses only, and those that come in.

    Flows that another flow of their exchange brings along are asked there.
    """
    outbound: dict[tuple[object, ...], list[Probe]] = {}
    inbound: list[Probe] = []
    for probe in asked:
        leading = exchanges_of([probe.flow])[0].flows[0] == probe.flow.id
        if not leading:
            continue
        if probe.direction is Direction.IN:
            inbound.append(probe)
            continue
        key = (probe.flow.id, probe.family, probe.source, probe.destination, probe.port)
        outbound.setdefault(key, []).append(probe)
    return outbound, inbound


def _spread(found: Sequence[Probe], most: int) -> Sequence[Probe]:
    """Choose some of many, evenly."""
    if len(found) <= most:
        return found
    return [found[n * len(found) // most] for n in range(most)]
