"""What a person should know about an intent on this router, and no deviation shows."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Intent
from compiler.model.protocol import UDP
from targets.linux import nft
from targets.linux.branches import Branches
from targets.linux.claims import Segment, segments
from targets.linux.matches import DROP, dispatch, signature_matches
from targets.linux.options import Options
from targets.linux.where import Where
from targets.linux.zones import PairSets

#: How matches of a signature's bytes and length begin.
_BYTES = ("@", "udp length")


def notes(intent: Intent, device: Device) -> Iterator[Finding]:
    """Say what overlays cannot promise, what nft cannot see, and what makes the router slow."""
    if not Options.of(device).gateway and _passes(intent):
        yield Finding(
            Code.D504,
            "in overlay mode an accept does not undo another table's drop; "
            "what this table passes, the other firewall must pass too",
            Severity.WARNING,
            device.place,
            host=device.name,
        )
    for decision in intent.decisions:
        if any(layer4 != UDP for layer4, _ in decision.detect):
            yield Finding(
                Code.T406,
                f"signatures of '{decision.protocol}' over TCP are not matched: "
                "TCP headers vary in length",
                Severity.WARNING,
                decision.origin.place,
                host=device.name,
            )
    yield from _slow(intent, device)


def _passes(intent: Intent) -> bool:
    return any(decision.action is Action.PASS for decision in intent.decisions)


def _slow(intent: Intent, device: Device) -> Iterator[Finding]:
    """Name the ports where established packets meet more than three rules, once for each port."""
    if not any(_signed(segment) for segment in segments(intent)):
        return
    options = Options.of(device)
    where = Where(device, PairSets(device))
    branches = Branches(intent, where, options.gateway and options.forward_drop)
    branches.sort()
    reported: set[str] = set()
    for segment, rules in branches.branching:
        seen = [signature_matches(signature) for signature in rules if signature is not None]
        looks = len(dispatch([(marks, "") for marks in seen]))
        if looks < 2 or str(segment.ports) in reported:
            continue
        below = len(branches.flow_maps.rules)  # the map's rule, met already, or the established one
        most = 1 + looks + max(_met(part, below) for part in rules.values())
        reported.add(str(segment.ports))
        claims = [claim for claim in segment.claims if claim.signature]
        names = ", ".join(dict.fromkeys(f"'{claim.decision.protocol}'" for claim in claims))
        yield Finding(
            Code.T409,
            f"no single value tells the signatures of {names} apart: established packets of "
            f"udp/{segment.ports} meet up to {most} rules, others three at most",
            Severity.WARNING,
            claims[0].decision.origin.place,
            "signatures that differ in one field and ask for nothing else need one rule; "
            "give the protocols ports of their own, or accept the cost with `on_deviation: warn`",
            device.name,
        )


def _met(rules: nft.Rules, below: int) -> int:
    """Count the rules that an accepted packet meets at most, from a chain on.

    Where each drop is one of places, the chain's shortcut alone; else a packet may meet all of it,
    and return to the ``below`` rules of the base chain.
    """
    drops = [statement for rule in rules if rule[-1] == DROP for statement in rule]
    looks = any(isinstance(s, nft.Match) and s.key.startswith(_BYTES) for s in drops)
    return 1 + len(rules) + below if looks else 1


def _signed(segment: Segment) -> bool:
    return segment.told_apart and len({claim.signature for claim in segment.claims} - {None}) > 1
