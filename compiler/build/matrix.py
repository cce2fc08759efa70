"""The support matrix: what each kind of router does with a plain pass and a plain block.

Nothing in it is written down by anybody: every typical router that a target gives is solved for
both policies of every protocol, and the effects are held against them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from compiler.catalogue import Catalogue, builtin
from compiler.errors import PassthruError, TargetError
from compiler.model import judge
from compiler.model.device import Device
from compiler.model.effect import Effect, HelperState
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Intent
from compiler.model.protocol import Family
from compiler.model.step import StepName
from compiler.model.target import Capabilities, Target
from compiler.policy.plays import Play
from compiler.policy.resolve import resolve
from compiler.source.yaml import loads

#: No entry of a plain policy ends on a date.
_ANY_DAY = date(2026, 1, 1)
_ERRORS = frozenset({Code.D501, Code.D502, Code.D503})


class Standing(StrEnum):
    """How near a kind of router comes to a policy."""

    EXACT = "exact"
    BY_ITSELF = "by itself"
    DEVIATES = "deviates"
    UNKNOWN = "unknown"
    IMPOSSIBLE = "impossible"


_GOOD = frozenset({Standing.EXACT, Standing.BY_ITSELF})


@dataclass(frozen=True, slots=True)
class Gap:
    """What a policy does not get: the kind of deviation, the flows, and why."""

    code: Code
    flows: tuple[str, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """One policy (pass or block) in one address family.

    ``BY_ITSELF``: it holds where nothing is set at all. ``IMPOSSIBLE``: the target refused, or
    no packet gets what the policy wants.
    """

    standing: Standing
    gaps: tuple[Gap, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One protocol in one address family; ``None`` where a policy speaks of no packet."""

    passes: Trial | None
    blocks: Trial | None

    @property
    def standing(self) -> Standing:
        """Both policies in one word."""
        let = self.passes.standing if self.passes else None
        stop = self.blocks.standing if self.blocks else None
        found = {standing for standing in (let, stop) if standing}
        if found <= _GOOD:
            return Standing.EXACT
        if let is Standing.BY_ITSELF and stop is Standing.IMPOSSIBLE:
            return Standing.BY_ITSELF
        if found == {Standing.IMPOSSIBLE}:
            return Standing.IMPOSSIBLE
        settled = _GOOD | {Standing.UNKNOWN}
        if Standing.UNKNOWN in found and (found <= settled or stop is Standing.IMPOSSIBLE):
            return Standing.UNKNOWN
        return Standing.DEVIATES


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of router. ``helper`` is the state of NAT helpers under a policy that passes."""

    name: str
    target: str
    device: Device
    capabilities: Capabilities
    transport: str
    rolls_back: bool
    helper: HelperState
    ipv6: Standing
    cells: Mapping[str, Mapping[Family, Cell]]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A policy that was solved: each effect that it speaks of, and how that differs.

    ``unset`` says the same of settings that say nothing.
    """

    judged: tuple[tuple[Effect, Code | None], ...] = ()
    unset: tuple[tuple[Effect, Code | None], ...] = ()
    noted: tuple[Gap, ...] = ()
    refused: Finding | None = None
    transport: str = ""
    rolls_back: bool = False


def rows(target: Target[Any], catalogue: Catalogue | None = None) -> tuple[Row, ...]:
    """Try every typical router of a target.

    Raises:
        TargetError: T402, the target fails, or its example does not pass its own check.
    """
    known = catalogue or builtin()
    try:
        return tuple(_row(target, device, known) for device in target.examples())
    except TargetError:
        raise
    except Exception as error:  # whatever a third party's code does
        message = f"target '{target.name}' fails: {type(error).__name__}: {error}"
        raise TargetError.of(Code.T402, message, hint="run the conformance suite on it") from error


def _row(target: Target[Any], device: Device, catalogue: Catalogue) -> Row:
    wrong = [f.message for f in target.check(device) if f.severity is Severity.ERROR]
    if wrong:
        message = f"the example '{device.name}' of target '{target.name}' is not valid: {wrong[0]}"
        raise TargetError.of(Code.T402, message)
    tried = {
        id_: {
            action: _try(target, device, _intent(id_, action, device, catalogue))
            for action in (Action.PASS, Action.BLOCK)
        }
        for id_ in catalogue.protocols
    }
    cells = {id_: _cells(trials, device) for id_, trials in tried.items()}
    every = [each for trials in tried.values() for each in trials.values() if not each.refused]
    passed = [trials[Action.PASS] for trials in tried.values()]
    return Row(
        device.name,
        target.name,
        device,
        target.capabilities,
        next((each.transport for each in every), ""),
        any(each.rolls_back for each in every),
        _helper(passed),
        _overall(by[Family.IPV6] for by in cells.values() if Family.IPV6 in by),
        MappingProxyType(cells),
    )


def _intent(protocol: str, action: Action, device: Device, catalogue: Catalogue) -> Intent:
    """Resolve the plain policy, which accepts what a block of shared ports takes along."""
    entry = {"action": action, **({"collateral": "accept"} if action is Action.BLOCK else {})}
    content = {"hosts": "all", "passthrough": {protocol: entry}}
    document = loads(json.dumps([content]), "matrix.yml")
    play = Play(document, 0, "plain", "all", document.data[0])
    return resolve([(0, play)], device, catalogue, {}, _ANY_DAY).intent


def _try(target: Target[Any], device: Device, intent: Intent) -> _Tried:
    asked = judge.probes(intent, device)
    try:
        settings = target.settings(intent, device)
        unset = target.settings(Intent(device.name), device)
        judged, before = (
            _judged(intent, target.effects(each, device, asked)) for each in (settings, unset)
        )
    except PassthruError as error:
        return _Tried(refused=error.findings[0])
    noted = tuple(
        Gap(note.code, (), (note.message,))
        for note in target.notes(intent, device)
        if note.code is Code.T406
    )
    procedure = target.procedure(settings, device)
    back = procedure.step(StepName.ROLLBACK) is not None
    return _Tried(judged, before, noted, transport=procedure.transport, rolls_back=back)


def _judged(intent: Intent, effects: Iterable[Effect]) -> tuple[tuple[Effect, Code | None], ...]:
    wanted = [(judge.wants(intent, effect.probe)[0], effect) for effect in effects]
    return tuple((e, judge.difference(a, e)) for a, e in wanted if a is not Action.KEEP)


def _cells(tried: Mapping[Action, _Tried], device: Device) -> Mapping[Family, Cell]:
    found = {
        family: Cell(*(_trial(tried[action], family) for action in (Action.PASS, Action.BLOCK)))
        for family in device.families
    }
    return {family: cell for family, cell in found.items() if cell.passes or cell.blocks}


def _trial(tried: _Tried, family: Family) -> Trial | None:
    if tried.refused:
        return Trial(Standing.IMPOSSIBLE, refused=tried.refused.message)
    judged = _of(tried.judged, family)
    if not judged:
        return None
    gaps = (*_gaps(judged), *tried.noted)
    if all(code in _ERRORS for _, code in judged):
        return Trial(Standing.IMPOSSIBLE, gaps)
    if not gaps:
        needless = not any(code for _, code in _of(tried.unset, family))
        return Trial(Standing.BY_ITSELF if needless else Standing.EXACT)
    unknown = all(gap.code is Code.D504 for gap in gaps)
    return Trial(Standing.UNKNOWN if unknown else Standing.DEVIATES, gaps)


def _of(
    judged: Iterable[tuple[Effect, Code | None]], family: Family
) -> list[tuple[Effect, Code | None]]:
    return [(effect, code) for effect, code in judged if effect.probe.family is family]


def _gaps(judged: Sequence[tuple[Effect, Code | None]]) -> Iterator[Gap]:
    for code in sorted({code for _, code in judged if code}, key=lambda code: code.name):
        effects = [effect for effect, found in judged if found is code]
        flows = tuple(sorted({effect.probe.flow.id for effect in effects}))
        yield Gap(code, flows, tuple(sorted({effect.because for effect in effects})))


def _helper(passed: Iterable[_Tried]) -> HelperState:
    """Give the worst state that a flow gets which passes and needs a helper."""
    states = {
        effect.helper for tried in passed for effect, _ in tried.judged if not effect.verdict.blocks
    }
    if any(tried.refused and tried.refused.code is Code.T405 for tried in passed):
        return HelperState.ABSENT
    worst = (HelperState.ABSENT, HelperState.IDLE, HelperState.UNKNOWN, HelperState.ASSIGNED)
    return next((state for state in worst if state in states), HelperState.NOT_NEEDED)


def _overall(cells: Iterable[Cell]) -> Standing:
    """Give the one standing that all cells have; where they differ, they deviate.

    A protocol that IPv6 does not have can but stay open where nothing is filtered.
    """
    found = {cell.standing for cell in cells}
    if Standing.BY_ITSELF in found:
        found.discard(Standing.IMPOSSIBLE)
    return found.pop() if len(found) == 1 else Standing.DEVIATES


def alike(found: Sequence[Row], family: Family) -> tuple[tuple[str, ...], ...]:
    """Group the protocols that stand alike on every kind of router, in their order."""
    groups: dict[tuple[Standing | None, ...], list[str]] = {}
    for protocol in dict.fromkeys(id_ for row in found for id_ in row.cells):
        cells = [row.cells.get(protocol, {}).get(family) for row in found]
        key = tuple(cell.standing if cell else None for cell in cells)
        groups.setdefault(key, []).append(protocol)
    return tuple(tuple(group) for group in groups.values())
