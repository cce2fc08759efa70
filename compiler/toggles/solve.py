"""Find the values of the switches whose effects deviate least from an intent.

A switch that no decision touches stays unmanaged. The others are tried in every combination;
switches that share no packet are tried apart from one another, so a family of twenty
independent switches costs forty trials, not a million.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from compiler.errors import TargetError
from compiler.model.device import Device
from compiler.model.effect import Probe
from compiler.model.finding import Code
from compiler.model.intent import Action, Intent
from compiler.model.judge import difference, probes, wants
from compiler.model.protocol import Flow
from compiler.toggles.effects import effects
from compiler.toggles.family import Family, Scalar, Toggle, Value, same

#: More combinations of switches that share packets than this is a mistake in the family's data.
MAX_COMBINATIONS = 4096


@dataclass(frozen=True, slots=True)
class Case:
    """Probes that no switch can tell apart and of which the intent wants the same."""

    probe: Probe
    wanted: Action
    count: int


def solve(family: Family, intent: Intent, device: Device) -> dict[str, Scalar]:
    """Give the value of every switch that a decision touches.

    Errors count first, then unknown effects, then surviving tunnels, each by the number of
    probes; among equals the value wins that leaves packets alone.

    Raises:
        TargetError: the family's data would need more than ``MAX_COMBINATIONS`` trials.
    """
    cases = cases_of(intent, device)
    solved: dict[str, Scalar] = {}
    for toggles, touching in _components(family, cases):
        solved.update(_best(family, device, toggles, touching))
    return with_gates(family, solved)


def with_gates(family: Family, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Open the gates of values that drop packets, where that does nothing else."""
    opened = dict(values)
    for toggle in family.toggles:
        value = toggle.value(values[toggle.key]) if toggle.key in values else None
        if toggle.gate is None or value is None or not value.drops:
            continue
        for key, wanted in toggle.gate.any_of:
            other = family.toggle(key)
            if other is not None and all(choice.inert for choice in other.values):
                opened[key] = wanted
                break
    return opened


def cases_of(intent: Intent, device: Device) -> tuple[Case, ...]:
    """Give the probes that the intent says something of, those alike counted together."""
    first: dict[tuple[object, ...], Probe] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for probe in probes(intent, device):
        wanted, _ = wants(intent, probe)
        if wanted is Action.KEEP:
            continue
        flow = probe.flow
        packet = (flow.layer4, probe.port, flow.signature, flow.carried)
        key = (wanted, probe.family, probe.direction, *packet)
        first.setdefault(key, probe)
        counts[key] += 1
    return tuple(Case(probe, wants(intent, probe)[0], counts[key]) for key, probe in first.items())


def speaks_for_all(flows: Iterable[Flow]) -> bool:
    """Tell whether blocking these flows, which share a port, means blocking the port.

    One signature alone does not (IKEv1 blocked, nothing said of IKEv2); two or more do, because
    a port that is told apart by its packets is told apart into those (the IKE versions).
    """
    signatures = {flow.signature for flow in flows}
    return None in signatures or len(signatures) > 1


def _components(family: Family, cases: Sequence[Case]) -> Iterator[tuple[list[Toggle], list[Case]]]:
    """Group the touched switches so that no packet or gate is touched from two groups."""
    groups: list[tuple[list[Toggle], list[Case]]] = []
    for toggle in family.toggles:
        own = [case for case in cases if _matters(family, toggle, case)]
        if not own:
            continue
        joined = [
            group
            for group in groups
            if any(case in own for case in group[1])
            or any(_gated(toggle, other) or _gated(other, toggle) for other in group[0])
        ]
        groups = [group for group in groups if group not in joined]
        members = [t for group in joined for t in group[0]] + [toggle]
        touching = dict.fromkeys([c for group in joined for c in group[1]] + own)
        groups.append((members, list(touching)))
    yield from groups


def _gated(toggle: Toggle, other: Toggle) -> bool:
    return toggle.gate is not None and any(key == other.key for key, _ in toggle.gate.any_of)


def _matters(family: Family, toggle: Toggle, case: Case) -> bool:
    """Tell whether the switch matters to the case; its helper matters only where it passes."""
    if toggle.reaches(case.probe):
        return True
    helper = family.helper_of(case.probe)
    return helper is not None and case.wanted is Action.PASS and toggle.governs(helper.name)


def _best(
    family: Family, device: Device, toggles: Sequence[Toggle], cases: Sequence[Case]
) -> Mapping[str, Scalar]:
    choices = [_in_order(toggle) for toggle in toggles]
    if prod(len(choice) for choice in choices) > MAX_COMBINATIONS:
        raise TargetError.of(
            Code.T402,
            f"{family.name}: more than {MAX_COMBINATIONS} combinations of switches share packets",
            hint="describe fewer values, or switches that reach fewer packets",
        )
    keys = [toggle.key for toggle in toggles]
    trials = [dict(zip(keys, trial, strict=True)) for trial in product(*choices)]
    return min(trials, key=lambda trial: cost(family, with_gates(family, trial), device, cases))


def _in_order(toggle: Toggle) -> list[Scalar]:
    """The values, the one to prefer among equals first: passing default, passing, default."""

    def rank(value: Value) -> tuple[bool, bool]:
        return (not value.inert, not same(value.native, toggle.default))

    return [value.native for value in sorted(toggle.values, key=rank)]


def cost(
    family: Family, values: Mapping[str, Scalar], device: Device, cases: Sequence[Case]
) -> tuple[int, int, int]:
    """Count the probes that deviate under these values: errors, unknown, surviving tunnels."""
    counts: Counter[Code | None] = Counter()
    asked = [case.probe for case in cases]
    for case, effect in zip(cases, effects(family, values, device, asked), strict=True):
        counts[difference(case.wanted, effect)] += case.count
    errors = counts.total() - counts[None] - counts[Code.D504] - counts[Code.D505]
    return errors, counts[Code.D504], counts[Code.D505]
