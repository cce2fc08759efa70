"""Servers behind a router that a config exposes, found by asking what comes in from the WAN.

A config that has rules names the hosts that it sends packets on to. Each is asked about with every
protocol; one whose every flow reaches it is exposed, exactly as ``expose`` means it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.catalogue import Catalogue
from compiler.model import judge
from compiler.model.device import Address
from compiler.model.effect import Effect, HelperState, Probe, Verdict
from compiler.model.finding import Place
from compiler.model.intent import Exposure, Intent, Origin
from compiler.model.protocol import Protocol
from compiler.model.survey import Survey
from compiler.policy.flows import inbound_flows

#: More hosts than these are not asked about.
_MOST_HOSTS = 40


@dataclass(frozen=True, slots=True)
class Exposed:
    """A protocol that reaches a host. ``partly``: an effect that ``expose`` cannot say."""

    protocol: str
    to: Address
    probes: tuple[Probe, ...]
    partly: Effect | None = None

    @property
    def entry(self) -> dict[str, str]:
        """Give it as an entry of ``expose``."""
        return {"protocol": self.protocol, "to": str(self.to)}


def exposed(survey: Survey, catalogue: Catalogue) -> Iterator[Exposed]:
    """Find what is exposed, whole or in part. Ports that the whole internet shares tell nothing."""
    for host in _hosts(survey):
        for protocol in catalogue.protocols.values():
            if catalogue.children(protocol.id) or any(flow.shared for flow in protocol.flows):
                continue
            found = _exposed(survey, protocol, host, catalogue)
            if found is not None:
                yield found


def _hosts(survey: Survey) -> tuple[Address, ...]:
    """Give the hosts of the LAN that rules name one by one."""
    networks = survey.rules.networks if survey.rules else frozenset()
    alone = {net.network_address for net in networks if net.prefixlen == net.max_prefixlen}
    own = [net for zone in survey.device.lan_zones for net in zone.networks]
    inside = (host for host in alone if any(host in n for n in own if n.version == host.version))
    return tuple(sorted(inside, key=lambda host: (host.version, int(host)))[:_MOST_HOSTS])


def _exposed(
    survey: Survey, protocol: Protocol, host: Address, catalogue: Catalogue
) -> Exposed | None:
    flows = inbound_flows(protocol, protocol.flows, catalogue)
    exposure = Exposure(protocol.id, host, flows, Origin(Place(""), ""), protocol.helper)
    probes = judge.probes(Intent(survey.device.name, (), (exposure,)), survey.device)
    effects = survey.effects(probes)
    if all(effect.verdict is not Verdict.PASS for effect in effects):
        return None
    wrong = next((effect for effect in effects if not _reaches(effect)), None)
    return Exposed(protocol.id, host, probes, wrong)


def _reaches(effect: Effect) -> bool:
    works = effect.helper in (HelperState.ASSIGNED, HelperState.NOT_NEEDED)
    return effect.verdict is Verdict.PASS and works
