"""What a policy may say, but deserves a word: findings of warning and info severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from compiler.catalogue import Catalogue
from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Decision, Intent
from compiler.model.protocol import Family
from compiler.policy.plays import Play

_SOON = timedelta(days=30)


def lint(intent: Intent, device: Device, catalogue: Catalogue, today: date) -> Iterator[Finding]:
    """Look at every decision of one intent."""
    for decision in intent.decisions:
        yield from _insecure(decision, catalogue)
        yield from _impossible(decision, device, catalogue)
        yield from _ends_soon(decision, today)
        yield from _evadable(decision, catalogue)
        yield from _cannot_be_told_apart(decision, catalogue)


def idle_plays(
    plays: Sequence[Play], matched: frozenset[int], deciding: frozenset[int]
) -> Iterator[Finding]:
    """Find plays that match no host (L603) or decide nothing any more (L602)."""
    for number, play in enumerate(plays):
        if number not in matched:
            yield Finding(
                Code.L603,
                f"play '{play.name}' matches no host",
                Severity.WARNING,
                play.place("hosts"),
            )
        elif number not in deciding:
            yield Finding(
                Code.L602,
                f"play '{play.name}' decides nothing any more: later plays overrule all of it",
                Severity.WARNING,
                play.place(),
            )


def _insecure(decision: Decision, catalogue: Catalogue) -> Iterator[Finding]:
    protocol = catalogue.protocols[decision.protocol]
    if decision.action is not Action.PASS or decision.origin.inherited_from:
        return
    if protocol.security in ("broken", "none"):
        why = "is broken" if protocol.security == "broken" else "protects nothing by itself"
        yield Finding(
            Code.L601,
            f"'{protocol.id}' {why}, and it is passed",
            Severity.WARNING,
            decision.origin.place,
            f"`passthru explain {protocol.id}` says why and what to use instead",
        )


def _impossible(decision: Decision, device: Device, catalogue: Catalogue) -> Iterator[Finding]:
    protocol = catalogue.protocols[decision.protocol]
    if decision.action is not Action.PASS or protocol.nat4 != "impossible":
        return
    if Family.IPV4 in decision.limits.families and device.wan_zones:
        yield Finding(
            Code.L604,
            f"'{protocol.id}' can never cross IPv4 NAT, whatever passes it",
            Severity.WARNING,
            decision.origin.place,
            "limit it with `families: [ipv6]`, or use ESP",
        )


def _ends_soon(decision: Decision, today: date) -> Iterator[Finding]:
    if decision.until and today < decision.until <= today + _SOON:
        yield Finding(
            Code.L606,
            f"the entry for '{decision.protocol}' ends on {decision.until}",
            Severity.INFO,
            decision.origin.place,
        )


def _evadable(decision: Decision, catalogue: Catalogue) -> Iterator[Finding]:
    protocol = catalogue.protocols[decision.protocol]
    explicit = not decision.origin.inherited_from
    if decision.action is Action.BLOCK and protocol.movable and explicit and not decision.detect:
        hint = "`detect: signature` catches it on other ports, where the router can"
        yield Finding(
            Code.L605,
            f"'{protocol.id}' is blocked by port, and can use another port",
            Severity.INFO,
            decision.origin.place,
            hint if protocol.signatures else "",
        )


def _cannot_be_told_apart(decision: Decision, catalogue: Catalogue) -> Iterator[Finding]:
    """Say that a blocked protocol shares an unmarked flow with an open relative (raw ESP)."""
    if decision.action is not Action.BLOCK or decision.origin.inherited_from:
        return
    shared = [
        flow
        for ancestor in catalogue.lineage(decision.protocol)[1:]
        for flow in ancestor.flows
        if decision.protocol in flow.serves and not decision.claims(flow)
    ]
    if shared:
        packets = ", ".join(flow.ports_text for flow in shared)
        others = " and ".join(
            dict.fromkeys(n for flow in shared for n in flow.serves if n != decision.protocol)
        )
        yield Finding(
            Code.L605,
            f"{packets} of '{decision.protocol}' cannot be told from '{others}', which is not "
            "blocked alike: new tunnels are stopped at their key exchange, raw packets are not",
            Severity.WARNING,
            decision.origin.place,
        )
