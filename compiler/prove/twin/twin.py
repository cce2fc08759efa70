"""The twin: a router's rules, its interfaces, and packets that decide what reading could not."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.errors import ProofError
from compiler.model.device import Device
from compiler.model.effect import Direction, Effect, Verdict
from compiler.model.finding import Code
from compiler.model.survey import Journey, Loadable, Survey
from compiler.prove.lab import Lab
from compiler.prove.packets.explain import lost_because, rule_of
from compiler.prove.packets.plan import Plan, laid_out
from compiler.prove.packets.stage import Course, Stage
from compiler.prove.packets.talks import unsendable
from compiler.prove.packets.trace import Path, Tracer, traced
from compiler.prove.twin.load import absent_helpers, load
from compiler.prove.twin.trials import MANNERS, PLAIN, Manner, Trial, Trials, askable

#: More answers than these are told without the rule that made them.
_MOST_TRACED = 40
#: A verdict is about the first packet and the answer to it.
_BOTH = 2
_NAT = re.compile(r"\b(masquerade|snat|dnat|redirect)\b")
_PASS, _DROP = Verdict.PASS, Verdict.DROP


@dataclass(frozen=True, slots=True)
class Told:
    """What packets say of one probe; ``because`` names the rule, or why they do not agree."""

    verdict: Verdict
    because: str


@dataclass(frozen=True, slots=True)
class _Heard:
    """What became of one trial; unknown where it began well and was lost later."""

    trial: Trial
    verdict: Verdict
    lost: str = ""


def ask(survey: Survey, effects: Sequence[Effect]) -> tuple[Told | None, ...]:
    """Say what packets experience under a survey's rules; nothing where they cannot tell.

    ``effects`` are what was read; a verdict that is not unknown is asked once, for comparison.

    Raises:
        ProofError: E803, there is no twin of this router, with the reason; E802, the lab fails.
    """
    rules = survey.rules
    if rules is None:
        raise _none("what this router prints are no rules that a kernel can hold")
    plan = _plan(survey.device, rules)
    absent = absent_helpers(rules)
    untold = [_untold(rules, plan, effect, absent) for effect in effects]
    heard: dict[Effect, list[_Heard]] = {}
    reasons: dict[Effect, str] = {}
    for lab, here in _labs(plan, rules, absent):
        trials = Trials(here, rules.networks)
        some = [
            trial
            for effect, why in zip(effects, untold, strict=True)
            if not why
            for trial in trials.of(effect, rules.journeys(effect.probe), _manners(effect))
        ]
        for one in _played(lab, some):
            heard.setdefault(one.trial.effect, []).append(one)
        reasons |= _explained(lab, {e: h for e, h in heard.items() if e not in reasons})
    return tuple(
        _joined(effect, heard.get(effect, []), reasons.get(effect, ""), why)
        for effect, why in zip(effects, untold, strict=True)
    )


def _none(message: str) -> ProofError:
    return ProofError(ProofError.of(Code.E803, f"no twin of this router: {message}").findings)


def _manners(effect: Effect) -> tuple[Manner, ...]:
    return MANNERS if effect.verdict is Verdict.UNKNOWN else PLAIN


def _plan(device: Device, rules: Loadable) -> Plan:
    """Lay out a lab with the router's own interfaces."""
    zones = tuple(zone for zone in device.zones if zone.devices)
    known = replace(device, zones=zones)
    if not known.lan_zones or not known.wan_zones:
        raise _none("which interfaces its zones have is not known (--lan, --wan, or an inventory)")
    found = laid_out(known, [net for net in rules.networks if net.prefixlen])
    # no TOS leads anywhere: what a client writes there is for the rules alone
    wans = tuple(replace(wan, tos=0) for wan in found.layout.wans)
    return replace(found, layout=replace(found.layout, wans=wans))


def _untold(rules: Loadable, plan: Plan, effect: Effect, absent: Container[str]) -> str:
    """Say why packets tell nothing of a probe; empty where they do."""
    probe = effect.probe
    if probe.direction is Direction.IN:
        return "what comes in is not sent in a twin: the router's own addresses are not known"
    why = askable(effect, absent)
    if not why and effect.verdict is Verdict.UNKNOWN:
        why = rules.doubt(probe)
    found = rules.journeys(probe)
    if not found:
        return why or "there are more ways than are tried, or none"
    return why or next((no for one in found if (no := _blocked(plan, effect, one))), "")


def _blocked(plan: Plan, effect: Effect, journey: Journey) -> str:
    """Say why a lab cannot send packets on one way; empty where it can."""
    layout, version = plan.layout, journey.source.version
    if all(lan.interface != journey.iif for lan in layout.lans) or all(
        wan.interface != journey.oif for wan in layout.wans
    ):
        return "which interfaces the zones have is not known"
    own = (net for lan in layout.lans for net in lan.networks if net.version == version)
    if any(journey.destination in net for net in own):
        return "the destination is inside the LAN"
    if {journey.source, journey.destination} & layout.router_addresses:
        return "the address is the router's own in the lab"
    return unsendable(journey.source, journey.destination, effect.probe.flow)


def _labs(plan: Plan, rules: Loadable, absent: Container[str]) -> Iterator[tuple[Lab, Plan]]:
    """Give a lab for each interface towards the WAN: what is sent leaves by the first one."""
    wans = plan.layout.wans
    for number in range(len(wans)):
        layout = replace(plan.layout, wans=(*wans[number:], *wans[:number]))
        with Lab(layout) as lab:
            load(lab, rules, absent)
            yield lab, replace(plan, layout=layout)


def _played(lab: Lab, trials: Sequence[Trial]) -> Iterator[_Heard]:
    by_number = {trial.talk.number: trial for trial in trials}
    for course in Stage(lab).play([trial.talk for trial in trials]):
        yield _heard(by_number[course.talk.number], course)


def _heard(trial: Trial, course: Course) -> _Heard:
    flow = trial.effect.probe.flow
    lost = course.lost.get(flow.id)
    if lost is None:
        # data that its control connection never announced was not sent at all
        return _Heard(trial, _PASS if course.said.get(flow.id) else _DROP)
    if course.said.get(flow.id, 0) < _BOTH:
        return _Heard(trial, _DROP, lost.step.says)
    return _Heard(trial, Verdict.UNKNOWN, lost.step.says)


def _explained(lab: Lab, heard: dict[Effect, list[_Heard]]) -> dict[Effect, str]:
    """Name the rule behind every answer that is news, by sending one packet of it again."""
    news = [some[0] for effect, some in heard.items() if _is_news(effect, some)]
    found: dict[Effect, str] = {}
    if not news:
        return found
    with traced(lab) as tracer:
        for one in news[:_MOST_TRACED]:
            tracer.forget()
            (course,) = Stage(lab).play([one.trial.talk])
            tracer.synchronise()
            found[one.trial.effect] = _rule(tracer, course, one)
    return found


def _is_news(effect: Effect, heard: Sequence[_Heard]) -> bool:
    """Tell whether packets say more than was read, or something else."""
    if effect.verdict is Verdict.UNKNOWN:
        return True
    return any(one.verdict.blocks is not effect.verdict.blocks for one in heard)


def _rule(tracer: Tracer, course: Course, heard: _Heard) -> str:
    flow = heard.trial.effect.probe.flow.id
    lost = course.lost.get(flow)
    if lost is not None:
        path = tracer.paths.get(lost.token)
        return rule_of(path) or lost_because(lost, path)
    return _passing(tracer.paths.get(course.first.get(flow, 0)))


def _passing(path: Path | None) -> str:
    """Name the last rule that accepted a packet, NAT aside."""
    rules = [one for one in path.rules if not _NAT.search(one[1])] if path else []
    return ": ".join(rules[-1]) if rules else "no rule drops it"


def _joined(effect: Effect, heard: Sequence[_Heard], rule: str, why: str) -> Told | None:
    """Join what all trials of a probe gave; ``why`` there is none."""
    if not heard:
        news = effect.verdict is Verdict.UNKNOWN and why not in effect.because
        return Told(Verdict.UNKNOWN, f"{effect.because}; and {why}") if news else None
    later = next((one for one in heard if one.verdict is Verdict.UNKNOWN), None)
    if later is not None:
        if effect.verdict is not Verdict.UNKNOWN:
            return None
        said = f"its first packets pass in a twin, and '{later.lost}' is lost ({rule})"
        return Told(Verdict.UNKNOWN, said)
    first = heard[0]
    other = next((one for one in heard if one.verdict is not first.verdict), None)
    if other is None:
        packets = f"{len(heard)} trial{'' if len(heard) == 1 else 's'}"
        return Told(first.verdict, f"{rule} (decided by packets in a twin, {packets})")
    said = f"{first.verdict} {first.trial}; {other.verdict} {other.trial}"
    return Told(Verdict.UNKNOWN, f"packets in a twin do not agree: {said}")
