"""What is sent through a twin: every way of a probe, and what a client may do otherwise on it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.model.device import Address, Network
from compiler.model.effect import Effect, HelperState, Probe
from compiler.model.finding import Place
from compiler.model.intent import Action, Decision, Origin
from compiler.model.protocol import PORTED, Flow, PortRange
from compiler.model.survey import Journey
from compiler.prove.exchanges import Exchange, exchanges_of
from compiler.prove.lab import Lan, Wan
from compiler.prove.lab.network import INTERNET
from compiler.prove.packets.plan import Plan
from compiler.prove.packets.talk import Talk, Wanted
from compiler.prove.result import Kind

#: All DSCP values in use (IANA's registry of Differentiated Services Field Codepoints), and some
#: that are not; then hop counts that systems begin with, and one that is nearly used up.
_DSCP = (*range(0, 50, 2), 1, 56, 63)
_TTL = (128, 255, 9)
_PORTS = (1024, 33333, 65534)
#: Which of the lab's servers are called instead; where in a network its other hosts are, of 256.
_SERVERS, _HOSTS = (1, 40, 90), (3, 100, 250)


@dataclass(frozen=True, slots=True)
class Manner:
    """What a client may choose, and no policy and no rule that is understood speaks of.

    ``server`` and ``host`` choose another address on either side; 0 leaves it.
    """

    dscp: int = 0
    ttl: int = 64
    port: int = 0
    server: int = 0
    host: int = 0


PLAIN = (Manner(),)
MANNERS = (
    *(Manner(dscp) for dscp in _DSCP),
    *(Manner(ttl=ttl) for ttl in _TTL),
    *(Manner(port=port) for port in _PORTS),
    *(Manner(server=server) for server in _SERVERS),
    *(Manner(host=host) for host in _HOSTS),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One talk of one effect's probe."""

    effect: Effect
    manner: Manner
    talk: Talk

    def __str__(self) -> str:
        """Say what is sent, for people."""
        talk = self.talk
        port = f" port {talk.source_port}" if talk.source_port else ""
        odd = f", DSCP {self.manner.dscp}, {self.manner.ttl} hops"
        return f"from {talk.source}{port} at {talk.lan} to {talk.called}{odd}"


def askable(effect: Effect, absent: Container[str]) -> str:
    """Say why packets of a twin tell nothing of a probe; empty where they do."""
    flow = effect.probe.flow
    if flow.carried and effect.helper not in (HelperState.ASSIGNED, HelperState.NOT_NEEDED):
        return "whether a NAT helper is at work depends on the router's own kernel"
    if flow.carried and flow.helper and flow.helper.name in absent:
        return f"the twin's kernel has no NAT helper '{flow.helper.name}'"
    return ""


class Trials:
    """Makes trials, each with a number of its own."""

    def __init__(self, plan: Plan, mentioned: Iterable[Network]) -> None:
        """Take the lab's plan, and the networks that the rules speak of."""
        self._plan = plan
        self._mentioned = tuple(mentioned)
        self._number = 0

    def of(
        self, effect: Effect, journeys: tuple[Journey, ...], manners: tuple[Manner, ...]
    ) -> Iterator[Trial]:
        """Give the trials of a probe that leave by the lab's first interface."""
        wan = self._plan.layout.wans[0]
        lans = {lan.interface: lan for lan in self._plan.layout.lans}
        for journey in journeys:
            lan = lans.get(journey.iif)
            if lan is None or journey.oif != wan.interface:
                continue
            for manner in manners:
                way = self._varied(effect.probe, journey, manner, lan)
                if way is not None:
                    talk = self._talk(effect.probe, way, manner, lan, wan)
                    yield Trial(effect, manner, talk)

    def _varied(self, probe: Probe, way: Journey, manner: Manner, lan: Lan) -> Journey | None:
        """Change what a manner changes; nothing where the rules tell the change apart."""
        source, destination = way.source, way.destination
        port = manner.port if manner.port and way.source_port else way.source_port
        if manner.port and port != manner.port:
            return None
        if manner.server and probe.destination_address is None:
            destination = self._plan.server(source.version, manner.server)
        if manner.host and probe.source_address is None:
            source = _neighbour(source, lan.networks, manner.host)
        if not (self._alike(source, way.source) and self._alike(destination, way.destination)):
            return None
        found = replace(way, source=source, destination=destination, source_port=port)
        return None if found == way and (manner.server or manner.host) else found

    def _alike(self, one: Address, other: Address) -> bool:
        """Tell whether rules that speak of addresses cannot tell two apart."""
        nets = (net for net in self._mentioned if net.version == one.version)
        return all((one in net) is (other in net) for net in nets)

    def _talk(self, probe: Probe, way: Journey, manner: Manner, lan: Lan, wan: Wan) -> Talk:
        self._number += 1
        exchange = exchanges_of([probe.flow])[0]
        version = way.source.version
        owner = next((c for c in lan.clients if c.address(version) == way.source), lan.clients[0])
        # routing looks at no TOS in a twin, so the client may write any
        link = replace(wan, tos=manner.dscp << 2)
        return Talk(
            self._number, Kind.EXCHANGE, exchange, probe.family, owner.name, INTERNET, lan.zone,
            lan.interface, link, way.source, way.destination, way.source_port,
            _wanted(probe, exchange), short=True, ttl=manner.ttl, routed=True,
        )  # fmt: skip


def _neighbour(address: Address, networks: Iterable[Network], part: int) -> Address:
    """Give another host of the address's network."""
    for network in networks:
        if network.version == address.version and address in network:
            return network[min(network.num_addresses, 256) * part // 256]
    return address


def _wanted(probe: Probe, exchange: Exchange) -> Mapping[str, Wanted]:
    """Give the flows of a talk: the probe's own, after the one that announces it."""
    found: dict[str, Wanted] = {}
    helper = probe.flow.helper
    if probe.flow.carried and helper is not None:
        ports = (PortRange(helper.port, helper.port),)
        control = Flow(exchange.flows[0], probe.flow.protocol, helper.layer4, ports)
        found[control.id] = _one(control, helper.port, probe)
    port = probe.port if probe.flow.layer4 in PORTED else 0
    found[probe.flow.id] = _one(probe.flow, port, probe)
    return found


def _one(flow: Flow, port: int, probe: Probe) -> Wanted:
    nobody = Decision(flow.protocol, Action.KEEP, (flow,), Origin(Place(""), ""))
    return Wanted(flow, port, probe, Action.KEEP, nobody)
