"""Which flows a decision is about: a protocol's own, its relatives', on the policy's ports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from compiler.catalogue import Catalogue
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import Action, Decision
from compiler.model.protocol import PORTED, Flow, Protocol, layer4_name
from compiler.policy.entry import Ports


def own_flows(protocol: Protocol, catalogue: Catalogue) -> tuple[Flow, ...]:
    """Give a protocol's flows, and those of its ancestors that serve it."""
    served = [
        flow
        for ancestor in catalogue.lineage(protocol.id)[1:]
        for flow in ancestor.flows
        if protocol.id in flow.serves
    ]
    return (*protocol.flows, *served)


def moved_flows(
    protocol: Protocol, ports: Ports, catalogue: Catalogue, place: Place
) -> tuple[tuple[Flow, ...], list[Finding]]:
    """Give a protocol's flows on the policy's ports instead of its own (P115 if it cannot move)."""
    portless = [flow for flow in protocol.flows if flow.layer4 not in PORTED]
    if portless or catalogue.children(protocol.id) or not protocol.movable:
        text = f"'{protocol.id}' cannot be moved to other ports"
        return protocol.flows, [Finding(Code.P115, text, place=place, hint="remove 'ports'")]
    families = protocol.flows[0].families
    moved = tuple(
        Flow(
            f"{protocol.id}.{layer4_name(layer4)}-{range_}",
            protocol.id,
            layer4,
            (range_,),
            families,
            shared=any(range_.overlaps(common) for common in catalogue.shared_ports(layer4)),
            purpose="on the policy's own ports",
        )
        for layer4, range_ in ports
    )
    return moved, []


def inbound_flows(
    protocol: Protocol, flows: Iterable[Flow], catalogue: Catalogue
) -> tuple[Flow, ...]:
    """Give what a server of the protocol receives: these flows, and those of its parts."""
    found = list(flows)
    for child in catalogue.children(protocol.id):
        if Action.PASS in child.follows_when:
            found.extend(child.flows)
    return tuple({flow.id: flow for flow in found}.values())


def without_collateral(
    protocol: Protocol, flows: tuple[Flow, ...], place: Place, *, refuse: bool
) -> tuple[tuple[Flow, ...], list[Finding]]:
    """Take the flows that other traffic shares out of a block.

    With ``refuse`` that is an error (P113), else a note (L607).
    """
    shared = [flow for flow in flows if flow.shared]
    names = ", ".join(f"{flow.id} ({flow.ports_text})" for flow in shared)
    findings = []
    if shared and not refuse:
        text = f"the default leaves {names} open: other traffic uses them too"
        findings.append(Finding(Code.L607, text, Severity.INFO, place))
    elif shared:
        findings.append(
            Finding(
                Code.P113,
                f"blocking '{protocol.id}' blocks what other traffic uses too: {names}",
                place=place,
                hint="write `collateral: accept` for this protocol, or leave it out",
            )
        )
    return tuple(flow for flow in flows if not flow.shared), findings


def without_relatives_flows(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Take flows out of blocks that a relative needs who is not blocked in the same way.

    ESP serves both IKE versions: blocking IKEv1 alone must not take it from IKEv2.
    """
    found = tuple(decisions)
    blocked = {d.protocol: d.limits for d in found if d.action is Action.BLOCK}

    def claimed(decision: Decision, flow: Flow) -> bool:
        return all(blocked.get(name) == decision.limits for name in flow.serves)

    kept = (
        replace(d, flows=tuple(flow for flow in d.flows if claimed(d, flow)))
        if d.action is Action.BLOCK
        else d
        for d in found
    )
    return tuple(decision for decision in kept if decision.flows)
