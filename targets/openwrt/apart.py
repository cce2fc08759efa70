"""Which packets must be told apart by what is in them, and with which bits of the mark.

A port alone does where all that is said of it is the same, whatever the signatures: then nothing
is marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.model.device import Device
from compiler.model.finding import Code, Finding
from compiler.model.intent import Action, Decision, Intent
from compiler.model.protocol import UDP, Flow
from targets.openwrt.facts import (
    U32,
    U32_PACKAGE,
    Firewall,
    firewall_of,
    install_command,
    lacks_u32,
)
from targets.openwrt.fw4.signatures import BITS, Mark, Sight, mark
from targets.openwrt.parts import ports, problem

_Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """What an intent asks to tell apart: flows of decisions, and protocols on any port."""

    intent: Intent
    marks: dict[_Words, Mark] = field(default_factory=dict)

    def mark_of(self, decision: Decision, flow: Flow) -> Mark | None:
        """Give the mark of a flow's packets, where ports do not tell them."""
        marked = told_apart(self.intent, decision, flow)
        return self.marks.get((decision.protocol,)) if marked else None

    def anywhere(self, decision: Decision) -> Mark | None:
        """Give the mark of a protocol's packets on any port, where a block must find them."""
        return self.marks.get((decision.protocol, "anywhere"))


def of(intent: Intent) -> Apart:
    """Say what must be told apart on a router."""
    found = Apart(intent)
    for number, (words, sights) in enumerate(_wanted(intent)):
        if number < len(BITS):
            found.marks[words] = mark(number, words, sights)
    return found


def problems(intent: Intent, device: Device) -> Iterator[Finding]:
    """Say that there are more kinds of packets than bits, or that fw3 lacks what looks for them."""
    lacks = firewall_of(device) is Firewall.FW3 and lacks_u32(device)
    for number, (words, _) in enumerate(_wanted(intent)):
        decision = intent.decision(words[0])
        assert decision is not None  # noqa: S101 - the words come from it
        place = decision.origin.place
        if lacks:
            message = f"what is in its packets tells {words[0]}, and the router lacks {U32}"
            hint = f"on the router: {install_command(device, U32_PACKAGE)}"
            yield problem(device, words[0], place, Code.T405, message, hint)
        if number >= len(BITS):
            message = f"only {len(BITS)} kinds of packets can be told by what is in them"
            hint = "leave out `detect` of some protocols"
            yield problem(device, words[0], place, Code.T406, message, hint)


def told_apart(intent: Intent, decision: Decision, flow: Flow) -> bool:
    """Tell whether a decision's flow shares its ports with packets that others decide, or nobody.

    It does where what is said of these ports differs, and where all that is said is about one
    signature: nobody spoke of the other packets.
    """
    if flow.signature is None or flow.layer4 != UDP or decision.action is Action.KEEP:
        return False
    rivals = list(_rivals(intent, flow))
    shapes = {(d.action, d.limits, d.otherwise) for d, _ in rivals}
    return len(shapes) > 1 or {other.signature for _, other in rivals} == {flow.signature}


def _rivals(intent: Intent, flow: Flow) -> Iterator[tuple[Decision, Flow]]:
    for decision in intent.decisions:
        if decision.action is not Action.KEEP:
            for other in decision.flows:
                if other.overlaps(flow):
                    yield decision, other


def _wanted(intent: Intent) -> Iterator[tuple[_Words, list[Sight]]]:
    for decision in intent.decisions:
        sights = [
            Sight(ports(flow), flow.signature)
            for flow in decision.flows
            if flow.signature is not None and told_apart(intent, decision, flow)
        ]
        if sights:
            yield (decision.protocol,), sights
        anywhere = [Sight((), signature) for layer4, signature in decision.detect if layer4 == UDP]
        if anywhere and decision.action is Action.BLOCK:
            yield (decision.protocol, "anywhere"), anywhere
