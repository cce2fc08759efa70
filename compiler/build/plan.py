"""One router: solve, print, predict and compare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from compiler.build.registry import Registry
from compiler.build.remedy import remedies
from compiler.build.site import Router, has_errors
from compiler.errors import PassthruError
from compiler.model import judge
from compiler.model.effect import Effect
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Intent, OnDeviation
from compiler.model.judge import Deviation
from compiler.model.target import Bundle


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What compiling gives; routers that differ in nothing but their name share one."""

    settings: Any
    bundle: Bundle
    effects: tuple[Effect, ...]
    deviations: tuple[Deviation, ...]
    notes: tuple[Finding, ...]
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """One router with its outcome."""

    router: Router
    outcome: Outcome
    target_version: str

    @property
    def intent(self) -> Intent:
        """What the policy wants."""
        return self.router.intent

    @property
    def bundle(self) -> Bundle:
        """The files for the router."""
        return self.outcome.bundle


class RouterCompiler:
    """Compiles routers one by one.

    A fleet is mostly copies of a few routers, and no target may let its output depend on a
    router's name, so equal routers are compiled once. Of those that differ in their networks only,
    equal files are held once, and what would mend a deviation is looked for once.
    """

    def __init__(
        self,
        registry: Registry,
        on_deviation: OnDeviation | None = None,
        *,
        mending: bool = True,
    ) -> None:
        """``on_deviation`` overrules the policy's; ``mending``: look for what would mend."""
        self._registry = registry
        self._on_deviation = on_deviation
        self._mending = mending
        self._done: dict[tuple[object, ...], Outcome | tuple[Finding, ...]] = {}
        self._bundles: dict[Bundle, Bundle] = {}
        self._remedies: dict[tuple[object, ...], tuple[str, ...]] = {}

    def compile(self, router: Router) -> tuple[Compiled | None, tuple[Finding, ...]]:
        """Compile one router; ``None`` with the findings when that cannot be done honestly."""
        device = router.device
        key = _likeness(router)
        if key not in self._done:
            self._done[key] = self._outcome(router)
        outcome = self._done[key]
        if not isinstance(outcome, Outcome):
            return None, tuple(replace(f, host=device.name) for f in outcome)
        mode = self._on_deviation or router.intent.on_deviation
        found = [_in_mode(replace(note, host=device.name), mode) for note in outcome.notes]
        found += deviation_findings(outcome.deviations, outcome.remedies, device.name, mode)
        if has_errors(found):
            return None, tuple(found)
        version = self._registry.distribution(device.target)
        return Compiled(router, outcome, version), tuple(found)

    def _outcome(self, router: Router) -> Outcome | tuple[Finding, ...]:
        device, intent = router.device, router.intent
        target = self._registry.get(device.target, device.place)
        try:
            settings = target.settings(intent, device)
            bundle = target.render(settings, device)
            effects = target.effects(settings, device, judge.probes(intent, device))
        except PassthruError as error:
            return error.findings
        deviations = judge.compare(intent, effects)
        notes = tuple(target.notes(intent, device))
        bundle = self._bundles.setdefault(bundle, bundle)
        mended = self._mended(router, deviations)
        return Outcome(settings, bundle, effects, deviations, notes, mended)

    def _mended(self, router: Router, deviations: tuple[Deviation, ...]) -> tuple[str, ...]:
        """Say what would mend each deviation, once for routers with other networks in their zones.

        Networks decide about that only where the policy names some.
        """
        if not self._mending:
            return ("",) * len(deviations)
        target, device = self._registry.get(router.device.target), router.device
        named = any(each.limits.sources for each in router.intent.decisions)
        zones = [replace(zone, networks=()) for zone in device.zones]
        likeness = _likeness(replace(router, device=replace(device, zones=tuple(zones))))
        found = tuple((each.code, each.protocol) for each in deviations)
        key = (likeness, device.families, found)
        if named or router.intent.exposures or key not in self._remedies:
            self._remedies[key] = remedies(target, device, router.intent, deviations)
        return self._remedies[key]


def _likeness(router: Router) -> tuple[object, ...]:
    """Give what decides about a router's outcome: everything but its name and places."""
    device = router.device
    words = json.dumps([dict(device.facts), dict(device.options)], sort_keys=True, default=str)
    zones = tuple(replace(zone, place=None) for zone in device.zones)
    return (device.target, zones, words, replace(router.intent, device=""))


def _in_mode(note: Finding, mode: OnDeviation) -> Finding:
    """Treat as the policy treats deviations what a target cannot express, or only at a cost."""
    if note.code in (Code.T406, Code.T409) and mode is OnDeviation.FAIL:
        return replace(note, severity=Severity.ERROR)
    return note


def deviation_findings(
    deviations: tuple[Deviation, ...], mended: tuple[str, ...], host: str, mode: OnDeviation
) -> Iterator[Finding]:
    """Say each deviation at the policy line that is not met: which flows, why, what would mend."""
    for deviation, remedy in zip(deviations, mended, strict=True):
        severity = deviation.severity
        if severity is Severity.ERROR and mode is OnDeviation.WARN:
            severity = Severity.WARNING
        flows = ", ".join(deviation.flows)
        yield Finding(
            deviation.code,
            f"'{deviation.protocol}' is {_PROBLEM[deviation.code]}: {flows} "
            f"over {' and '.join(deviation.families)} ({_reasons(deviation)})",
            severity,
            deviation.decision.origin.place,
            "; ".join(way for way in (remedy, _way_out(deviation)) if way),
            host,
            deviation.protocol,
        )


def _reasons(deviation: Deviation) -> str:
    shown, more = deviation.because[:2], len(deviation.because) - 2
    return "; ".join([*shown, f"{more} more"] if more > 0 else shown)


_PROBLEM = {
    Code.D501: "open although the policy blocks it",
    Code.D502: "blocked although the policy passes it",
    Code.D503: "passed by the filter, but its NAT helper is not at work",
    Code.D504: "not known to get what the policy wants",
    Code.D505: "blocked for new tunnels only; those that run now survive",
}


def _way_out(deviation: Deviation) -> str:
    match deviation.code:
        case Code.D501 if deviation.families == ("ipv6",):
            return "say `families: [ipv4]`, use a firmware that filters IPv6, or on_deviation: warn"
        case Code.D501 | Code.D502 if deviation.wanted is not Action.KEEP:
            return "a looser entry, another firmware, or `on_deviation: warn` accepts it"
        case Code.D503:
            return "install the NAT helper on the router"
        case Code.D505:
            return "restart the router, or flush its connection table, after the push"
        case _:
            return ""
