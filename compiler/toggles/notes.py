"""What a person should know about switches and an intent, and no deviation shows.

Deviations speak of packets that the policy decides. A switch may do more: drop packets that
nothing was decided about, or hold everywhere where a decision holds only for some networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Decision, Intent
from compiler.toggles.family import Family, Match, Scalar, Toggle
from compiler.toggles.solve import Case, cases_of, speaks_for_all


def notes(
    family: Family, values: Mapping[str, Scalar], intent: Intent, device: Device
) -> Iterator[Finding]:
    """Give the findings about solved values."""
    for decision in intent.decisions:
        yield from _about(family, values, decision, device)
    yield from _collateral(family, values, intent, device)
    if family.note:
        yield from family.note(intent, device)


def _about(
    family: Family, values: Mapping[str, Scalar], decision: Decision, device: Device
) -> Iterator[Finding]:
    name = decision.protocol
    if decision.log is not None:
        yield _cannot(decision, device, f"{family.name} cannot log packets of {name}", "log")
    if decision.action is Action.BLOCK and decision.detect:
        message = f"{family.name} cannot find {name} on other ports"
        yield _cannot(decision, device, message, "detect")
    limits = decision.limits
    left = decision.action is Action.BLOCK or decision.otherwise is Action.KEEP
    if left and (limits.zones or limits.sources or limits.destinations):
        for toggle in family.toggles:
            if toggle.key in values and _reaches(toggle, decision):
                message = f"{toggle.key} holds everywhere, not only within the limits of {name}"
                yield _cannot(decision, device, message, "from and to")


def _reaches(toggle: Toggle, decision: Decision) -> bool:
    return any(
        match.layer4 == flow.layer4
        and (match.ports is None or any(match.ports.overlaps(ports) for ports in flow.ports))
        for value in toggle.values
        for match in (*value.drops, *value.unsure)
        for flow in decision.flows
    )


def _collateral(
    family: Family, values: Mapping[str, Scalar], intent: Intent, device: Device
) -> Iterator[Finding]:
    blocked = [case for case in cases_of(intent, device) if case.wanted is Action.BLOCK]
    for toggle in family.toggles:
        value = toggle.value(values[toggle.key]) if toggle.key in values else None
        if value is None:
            continue
        more = [str(match) for match in value.drops if _beyond(match, blocked, device)]
        if more:
            yield Finding(
                Code.T406,
                f"{toggle.key}={value.shown} also drops {', '.join(dict.fromkeys(more))} "
                "of other protocols, which nothing was decided about",
                Severity.WARNING,
                device.place,
                "block them too, or use a target with rules",
                device.name,
            )


def _beyond(match: Match, blocked: list[Case], device: Device) -> bool:
    """Tell whether the match takes packets that no block is about."""
    if not match.families & set(device.families):
        return False
    return not speaks_for_all(case.probe.flow for case in blocked if match.covers(case.probe))


def _cannot(decision: Decision, device: Device, message: str, key: str) -> Finding:
    return Finding(
        Code.T406,
        message,
        Severity.WARNING,
        decision.origin.place,
        f"leave out `{key}`, or use a target with rules",
        device.name,
        decision.protocol,
    )
