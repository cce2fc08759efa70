"""Why a flow went otherwise than wanted: the same packets once more, traced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from compiler.model.intent import Action
from compiler.prove.exchanges import Side
from compiler.prove.lab import Lab
from compiler.prove.packets.stage import Course, Lost, Stage
from compiler.prove.packets.talk import Talk
from compiler.prove.packets.trace import Path, Tracer, traced
from compiler.prove.packets.unasked import Unasked, came_in
from compiler.prove.result import Check, Loss

_T = TypeVar("_T")
Found = Sequence[tuple[Course, str, Check]]
#: More kinds of differences than these are told without a rule: the first ones explain the rest.
_MOST = 24


def played(lab: Lab, talks: Sequence[Talk], found: Found) -> list[Check]:
    """Explain talks that went wrong, by playing them and their like again."""
    groups = _groups((check, (course.talk, flow)) for course, flow, check in found)
    if not groups:
        return [check for _, _, check in found]
    reasons: dict[object, Loss] = {}
    with traced(lab) as tracer:
        for key, (talk, flow) in list(groups.items())[:_MOST]:
            again = [talk, *(other for other in talks if _alike(talk, other))][:4]
            tracer.forget()
            courses = Stage(lab).play(again)
            tracer.synchronise()
            course = next(one for one in courses if one.talk.number == talk.number)
            reasons[key] = _reason(lab, tracer, course, flow)
    return [_with(check, reasons) for _, _, check in found]


def unasked(
    lab: Lab, found: Sequence[tuple[Unasked, bool]], checks: Sequence[Check]
) -> list[Check]:
    """Explain what came in, by sending it again."""
    pairs = zip(checks, (one for one, _ in found), strict=True)
    groups = _groups(pairs)
    if not groups:
        return list(checks)
    reasons: dict[object, Loss] = {}
    with traced(lab) as tracer:
        for key, one in list(groups.items())[:_MOST]:
            tracer.forget()
            came_in(lab, [one])
            tracer.synchronise()
            reasons[key] = _let_through(tracer.paths.get(one.packet.token), one.says, "in")
    return [_with(check, reasons) for check in checks]


def running(lab: Lab, stage: Stage, found: Found) -> list[Check]:
    """Explain tunnels that live on or die, by using them once more."""
    groups = _groups((check, (course, flow)) for course, flow, check in found)
    if not groups:
        return [check for _, _, check in found]
    reasons: dict[object, Loss] = {}
    with traced(lab) as tracer:
        for key, (course, flow) in list(groups.items())[:_MOST]:
            tracer.forget()
            packets = [(side, stage.use(course, flow, side)) for side in Side]
            tracer.synchronise()
            wanted = course.talk.wanted[flow].action
            reasons[key] = _survival(tracer, packets, wanted)
    return [_with(check, reasons) for _, _, check in found]


def _alike(talk: Talk, other: Talk) -> bool:
    return (
        other.number != talk.number
        and other.exchange.id == talk.exchange.id
        and other.family is talk.family
        and other.called == talk.called
        and other.kind is talk.kind
    )


def _key(check: Check) -> tuple[object, ...]:
    return (
        check.kind, check.flow, check.family, check.way, check.wanted, check.found,
        check.lost and (check.lost.message, check.lost.way, check.lost.because),
    )  # fmt: skip


def _groups(found: Iterable[tuple[Check, _T]]) -> dict[object, _T]:
    """Give one example for each kind of difference."""
    groups: dict[object, _T] = {}
    for check, what in found:
        if not check.as_wanted:
            groups.setdefault(_key(check), what)
    return groups


def _with(check: Check, reasons: dict[object, Loss]) -> Check:
    reason = None if check.as_wanted else reasons.get(_key(check))
    return check if reason is None else replace(check, lost=reason)


def _reason(lab: Lab, tracer: Tracer, course: Course, flow: str) -> Loss:
    wanted = course.talk.wanted[flow]
    lost = course.lost.get(flow)
    if wanted.action is Action.BLOCK:
        first = course.first.get(flow, 0)
        return _let_through(tracer.paths.get(first), "the first packet", "out")
    if lost is None:
        return Loss("", "", "it went well the second time: something else was in its way")
    way = course.talk.way_of(lost.step.by)
    path = tracer.paths.get(lost.token)
    because = lost.wrong or lost_because(lost, path)
    without = _without_helper(lab, course, flow)
    return Loss(lost.step.says, way, f"{without}; {because}" if without else because, rule_of(path))


def _without_helper(lab: Lab, course: Course, flow: str) -> str:
    """Tell whether data was lost because no connection has the NAT helper that announces it."""
    wanted = course.talk.wanted[flow]
    helper = wanted.flow.helper
    if helper is None or not wanted.flow.carried:
        return ""
    control = [name for name in course.talk.exchange.flows if name != flow]
    if any(name in course.lost for name in control):
        return "its control connection does not come up"
    listed = lab.router.run("conntrack", "-L", "-p", "tcp", check=False)
    if f"helper={helper.name}" in listed:
        return ""
    return f"the NAT helper '{helper.name}' is not at work: control connects, data is lost"


def lost_because(lost: Lost, path: Path | None) -> str:
    """Say what the router did with a packet that did not come through."""
    what = "the answer" if lost.step.by is Side.SERVER else "it"
    if path is None:
        return f"{what} does not come to the router's rules"
    if path.dropped_in:
        if path.rule.startswith("policy"):
            return f"no rule of '{path.dropped_in}' passes {what}, and its policy is drop"
        return f"'{path.dropped_in}' drops {what}"
    if path.taken_for_the_routers_own:
        return f"{what} belongs to no connection that the router knows, so it keeps it to itself"
    if path.handed_on:
        return f"{what} is lost behind the last rule: to NAT it looks like another connection"
    return f"{what} is not handed on after '{path.hooks[-1] if path.hooks else 'nothing'}'"


def rule_of(path: Path | None) -> str:
    """Give the rule that dropped a packet, with its chain; empty where none did."""
    if path is None or not path.dropped_in:
        return ""
    return f"{path.dropped_in}: {path.rule}"


def _let_through(path: Path | None, says: str, way: str) -> Loss:
    """Say which rule let a packet through that should have been stopped."""
    if path is None or not path.rules:
        return Loss(says, way, "no rule stops it")
    filters = [one for one in path.rules if "masquerade" not in one[1]]
    where, rule = (filters or path.rules)[-1]
    return Loss(says, way, f"'{where}' accepts it", f"{where}: {rule}")


def _survival(tracer: Tracer, packets: Iterable[tuple[Side, int]], wanted: Action) -> Loss:
    for side, token in packets:
        way = "out" if side is Side.CLIENT else "in"
        path = tracer.paths.get(token)
        if wanted is Action.BLOCK and path is not None and path.handed_on:
            return _let_through(path, "data of a running tunnel", way)
        if wanted is Action.PASS and path is not None and path.dropped_in:
            because = f"'{path.dropped_in}' drops it"
            return Loss("data of a running tunnel", way, because, rule_of(path))
    return Loss("data of a running tunnel", "", "")
