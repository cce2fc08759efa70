"""Servers behind a router that a config exposes, found by asking what comes in from the WAN.

A config that has rules names the hosts that it sends packets on to. Each is asked about with every
protocol; one whose every flow reaches it is exposed, exactly as ``expose`` means it. What reaches a
host that no rule names reaches everybody, and is no exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from compiler.audit.entries import alike, helper_is_off
from compiler.audit.mentioned import Mentioned
from compiler.catalogue import Catalogue
from compiler.model import judge
from compiler.model.device import Address, Network
from compiler.model.effect import Effect, Probe, Verdict
from compiler.model.finding import Place
from compiler.model.intent import Exposure, Intent, Origin
from compiler.model.protocol import Protocol
from compiler.model.survey import Survey
from compiler.policy.flows import inbound_flows

#: More hosts than these are not asked about, and no more packets for one flow.
_MOST_HOSTS, _MOST_PACKETS = 40, 800


@dataclass(frozen=True, slots=True)
class Exposed:
    """A protocol that reaches a host. ``partly``: an effect that ``expose`` cannot say."""

    protocol: str
    to: Address
    probes: tuple[Probe, ...]
    sources: tuple[Network, ...] = ()
    partly: Effect | None = None

    @property
    def entry(self) -> dict[str, str | list[str]]:
        """Give it as an entry of ``expose``."""
        limit = {"from": [str(net) for net in self.sources]} if self.sources else {}
        return {"protocol": self.protocol, "to": str(self.to), **limit}


@dataclass(slots=True)
class Servers:
    """What comes in from the WAN of a surveyed config.

    - ``exposed``: what ``expose`` says, or would but for its ``partly``
    - ``maybe``: protocols whose ports carry other traffic too, by host
    - ``doubtful``: protocols of which nobody knows whether they get in, by reason
    - ``open``: protocols that reach every host, with an effect
    - ``others``: hosts that rules name, of which none of this is said
    - ``unasked``: how many addresses more rules name than are asked about
    - ``are_rules``: rules decide, and not switches, which say nothing of servers
    """

    exposed: list[Exposed] = field(default_factory=list)
    maybe: dict[Address, list[str]] = field(default_factory=dict)
    doubtful: dict[str, dict[str, None]] = field(default_factory=dict)
    open: dict[str, Effect] = field(default_factory=dict)
    others: list[Address] = field(default_factory=list)
    unasked: int = 0
    are_rules: bool = True


def servers(survey: Survey, catalogue: Catalogue) -> Servers:
    """Ask what comes in, to each host that rules name and to one that none names."""
    return _Asking(survey, catalogue, Mentioned.of(survey)).run()


@dataclass(slots=True)
class _Asking:
    survey: Survey
    catalogue: Catalogue
    mentioned: Mentioned
    found: Servers = field(default_factory=Servers)
    sources: int = _MOST_PACKETS

    def run(self) -> Servers:
        """Ask about all."""
        if self.survey.networks is None:
            return Servers(are_rules=False)
        hosts = _hosts(self.mentioned)
        self.found.unasked = max(len(hosts) - _MOST_HOSTS, 0)
        hosts = hosts[:_MOST_HOSTS]
        self.sources = _MOST_PACKETS // max(len(hosts), 1)
        named = [len(self.mentioned.far(version)) for version in (4, 6)]
        self.found.unasked += sum(max(number - self.sources, 0) for number in named)
        protocols = [p for p in self.catalogue.protocols.values() if not self._parts(p)]
        anybody = {
            (protocol.id, version): self._effects(protocol, somebody)
            for version in (4, 6)
            if (somebody := self.mentioned.somebody(version)) is not None
            for protocol in protocols
        }
        for (name, _), effects in anybody.items():
            if passing := [e for e in effects if e.verdict is Verdict.PASS]:
                self.found.open.setdefault(name, passing[0])
            self._doubt(name, effects)
        for host in hosts:
            told = [
                self._ask(protocol, host, anybody.get((protocol.id, host.version), ()))
                for protocol in protocols
            ]
            if not any(told):
                self.found.others.append(host)
        return self.found

    def _parts(self, protocol: Protocol) -> bool:
        return bool(self.catalogue.children(protocol.id))

    def _ask(self, protocol: Protocol, host: Address, anybody: Sequence[Effect]) -> bool:
        """Say what reaches a host that does not reach everybody; whether there is anything."""
        effects = self._effects(protocol, host)
        if [e.verdict.blocks for e in effects] == [e.verdict.blocks for e in anybody]:
            return False
        if all(effect.verdict is not Verdict.PASS for effect in effects):
            return self._doubt(protocol.id, effects)
        if any(flow.shared for flow in protocol.flows):
            self.found.maybe.setdefault(host, []).append(protocol.id)
        else:
            self.found.exposed.append(_exposed(protocol, host, effects, self.mentioned))
        return True

    def _doubt(self, protocol: str, effects: Sequence[Effect]) -> bool:
        unknown = next((e for e in effects if e.verdict is Verdict.UNKNOWN), None)
        if unknown is not None:
            self.found.doubtful.setdefault(unknown.because, {})[protocol] = None
        return unknown is not None

    def _effects(self, protocol: Protocol, host: Address) -> tuple[Effect, ...]:
        """Ask from an address that no rule mentions, and from those that rules tell apart."""
        flows = inbound_flows(protocol, protocol.flows, self.catalogue)
        exposure = Exposure(protocol.id, host, flows, Origin(Place(""), ""), protocol.helper)
        device = self.survey.device
        plain = judge.probes(Intent(device.name, (), (exposure,)), device)
        far = self.mentioned.far(host.version)[: self.sources]
        more = [replace(probe, source_address=source) for probe in plain for source in far]
        return self.survey.effects([*plain, *more])


def _exposed(
    protocol: Protocol, host: Address, effects: Sequence[Effect], mentioned: Mentioned
) -> Exposed:
    probes = tuple(effect.probe for effect in effects)
    wrong = next((effect for effect in effects if not _reaches(effect)), None)
    if wrong is None:
        return Exposed(protocol.id, host, probes)
    asked = [(effect.probe.source_address, _reaches(effect)) for effect in effects]
    known = all(_reaches(effect) or effect.verdict.blocks for effect in effects)
    sources = alike(mentioned.outside, asked) if known else ()
    return Exposed(protocol.id, host, probes, sources, None if sources else wrong)


def _reaches(effect: Effect) -> bool:
    return effect.verdict is Verdict.PASS and not helper_is_off(effect)


def _hosts(mentioned: Mentioned) -> list[Address]:
    """Give the hosts of the LAN that rules name one by one; of another family, any."""
    own = {net.version for zone in mentioned.device.lan_zones for net in zone.networks}
    networks = [*mentioned.inside, *(n for n in mentioned.outside if n.version not in own)]
    return [net.network_address for net in networks if net.prefixlen == net.max_prefixlen]
