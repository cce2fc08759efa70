"""Is a router sane, whatever a policy says? For routers that no play decides; ``--health``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compiler.audit.experience import Answer, experienced, with_facts
from compiler.audit.finding import AuditFinding, Cell, Standing, evidence
from compiler.audit.judge import Judged, joined
from compiler.audit.redact import clean
from compiler.catalogue import Catalogue
from compiler.model.device import Address, Device
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Severity
from compiler.model.intent import Action, Intent
from compiler.model.judge import plain_probes
from compiler.model.protocol import Family, Protocol
from compiler.model.target import Target
from compiler.policy.flows import own_flows

#: How the catalogue calls protocols that protect nobody.
_UNSOUND = frozenset({"broken", "none"})


@dataclass(frozen=True, slots=True)
class _Asked:
    protocol: Protocol
    out: tuple[Probe, ...]
    into: tuple[Probe, ...]


def health(
    device: Device, intent: Intent, answer: Answer, target: Target[Any], catalogue: Catalogue
) -> Judged:
    """Judge a router without a policy. What its intent decides is left to :func:`.judge.audit`.

    Raises:
        NativeError: T407, the answer cannot be read.
    """
    known = with_facts(device, answer.facts)
    asked = [
        _Asked(protocol, _outward(protocol, catalogue, device), _inward(protocol, device))
        for protocol in catalogue.protocols.values()
        if protocol.id not in {decision.protocol for decision in intent.decisions}
    ]
    probes = [probe for one in asked for probe in (*one.out, *one.into)]
    effects, said = experienced(target, known, answer, probes)
    rest = iter(effects)
    findings = list(said)
    cells = {}
    for one in asked:
        out = tuple(next(rest) for _ in one.out)
        into = tuple(next(rest) for _ in one.into)
        mine = [*_passing(one.protocol, out), *_exposed(one.protocol, into, intent)]
        mine += _helper(one.protocol, out, intent)
        findings += mine
        if out:
            bad = any(found.severity > Severity.INFO for found in mine)
            standing = Standing.WARNED if bad else Standing.FREE
            cells[one.protocol.id] = Cell("", joined(out), standing)
    return Judged(tuple(sorted(findings, key=lambda f: f.sort_key)), cells)


def _outward(protocol: Protocol, catalogue: Catalogue, device: Device) -> tuple[Probe, ...]:
    return plain_probes(own_flows(protocol, catalogue), device)


def _inward(protocol: Protocol, device: Device) -> tuple[Probe, ...]:
    """Ask whether somebody in the internet gets through to a host of the LAN."""
    if protocol.security not in _UNSOUND:
        return ()
    return tuple(
        Probe(
            flow, Family.IPV4, source.name, home.name, port, None, address, Direction.IN
        )
        for source in device.wan_zones
        for home in device.lan_zones
        for address in _hosts(home.networks)
        for flow in protocol.flows
        if not flow.carried and Family.IPV4 in flow.families
        for port in (flow.ports[0].first if flow.ports else 0,)
    )  # fmt: skip


def _hosts(networks: Any) -> Iterator[Address]:
    """Give one host of the LAN; a port that is forwarded to any shows in the rules as well."""
    for network in networks:
        if network.version == 4 and network.num_addresses > 2:
            yield network[2]
            return


def _passing(protocol: Protocol, effects: tuple[Effect, ...]) -> Iterator[AuditFinding]:
    if protocol.security not in _UNSOUND:
        return
    passing = [effect for effect in effects if effect.verdict is Verdict.PASS]
    if passing:
        yield AuditFinding(
            Code.A871,
            Severity.WARNING if protocol.security == "broken" else Severity.INFO,
            f"'{protocol.id}' passes, and it protects nothing that is sent through it",
            protocol.id,
            *_packets(passing),
            evidence=evidence(clean(effect.because) for effect in passing),
            mend=f"a play that says `{protocol.id}: block`; `passthru explain {protocol.id}` "
            "tells what to use instead",
        )


def _exposed(
    protocol: Protocol, effects: tuple[Effect, ...], intent: Intent
) -> Iterator[AuditFinding]:
    if any(exposure.protocol == protocol.id for exposure in intent.exposures):
        return
    reached = [effect for effect in effects if effect.verdict is Verdict.PASS]
    if reached:
        yield AuditFinding(
            Code.A872,
            Severity.ERROR,
            f"'{protocol.id}' can be reached from the internet, and it protects nobody",
            protocol.id,
            *_packets(reached),
            evidence=evidence(clean(effect.because) for effect in reached),
            mend="remove the rule or the port forwarding that lets it in",
        )


def _helper(
    protocol: Protocol, effects: tuple[Effect, ...], intent: Intent
) -> Iterator[AuditFinding]:
    if protocol.helper is None:
        return
    named = protocol.helper.name
    needed = any(
        decision.action is Action.PASS and decision.helper and decision.helper.name == named
        for decision in intent.decisions
    ) or any(exposure.helper and exposure.helper.name == named for exposure in intent.exposures)
    at_work = [effect for effect in effects if effect.helper is HelperState.ASSIGNED]
    if at_work and not needed:
        yield AuditFinding(
            Code.A873,
            Severity.INFO,
            f"the NAT helper '{named}' reads along although no policy asks for it",
            protocol.id,
            evidence=evidence(clean(effect.because) for effect in at_work),
            mend=f"a play that says `{protocol.id}: block` turns it off where the router can",
        )


def _packets(effects: list[Effect]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (
        tuple(sorted({effect.probe.flow.id for effect in effects})),
        tuple(sorted({str(effect.probe.family) for effect in effects})),
    )
