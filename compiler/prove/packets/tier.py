"""The tier ``packets`` for one router: load, send, compare with the intent, explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compiler.errors import PassthruError
from compiler.model.datapath import DataPath, Modelled
from compiler.model.device import Device
from compiler.model.effect import Direction, Effect, HelperState, Verdict
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Intent
from compiler.model.judge import difference
from compiler.model.target import Target
from compiler.prove.exchanges import Side
from compiler.prove.lab import Lab
from compiler.prove.packets import explain, rules, unasked
from compiler.prove.packets.plan import Plan, plan
from compiler.prove.packets.rounds import apart
from compiler.prove.packets.stage import Course, Lost, Stage, begin
from compiler.prove.packets.talk import Talk, Wanted
from compiler.prove.packets.talks import Talks
from compiler.prove.result import Check, Experience, Kind, Loss, RouterProof

TIER = "packets"
_WORKING = (HelperState.ASSIGNED, HelperState.NOT_NEEDED)
_Found = tuple[Course, str, Check]


def prove(target: Target[Any], settings: Any, device: Device, intent: Intent) -> RouterProof:
    """Put a router's settings to the proof; what cannot be proven is a finding, not silence.

    Raises:
        ProofError: E802, the lab fails.
    """
    empty = RouterProof((device.name,), target.name, TIER)
    if not isinstance(target, Modelled):
        message = f"not provable: there is no model of what '{target.name}' does to packets"
        return replace(empty, findings=(_unproven(message, device),))
    try:
        path = target.data_path(settings, device)
        planned = plan(device, intent)
    except PassthruError as error:
        found = tuple(
            _unproven(f"not provable: {finding.message}", device) for finding in error.findings
        )
        return replace(empty, findings=found)
    proof = _Proving(target, settings, device, intent, path, planned).run()
    return replace(empty, **proof, modelled=path.modelled, basis=path.basis)


def _unproven(message: str, device: Device, code: Code = Code.E803) -> Finding:
    return Finding(code, message, Severity.WARNING, device.place, host=device.name)


class _Proving:
    """One run: a lab, the rules in it, and everything that is sent."""

    def __init__(
        self,
        target: Target[Any],
        settings: Any,
        device: Device,
        intent: Intent,
        path: DataPath,
        planned: Plan,
    ) -> None:
        self._target, self._settings = target, settings
        self._device, self._intent = device, intent
        self._path, self._plan = path, planned
        self._left_out: dict[str, int] = {}
        self._told: dict[object, Effect] = {}

    def run(self) -> dict[str, Any]:
        talks = Talks(self._intent, self._device, self._plan)
        self._left_out = talks.left_out
        wanted = talks.all(served=self._path.translates)
        findings = list(self._reservations())
        if not wanted:
            return {"findings": tuple(findings), "left_out": tuple(talks.left_out.items())}
        with Lab(self._plan.layout) as lab:
            rules.load(lab, self._path, self._intent)
            self._told = self._effects(wanted)
            checks = self._unasked(lab, wanted)
            checks += self._played(lab, wanted)
            checks += self._running(lab, wanted)
        return {
            "checks": tuple(checks),
            "findings": tuple(findings),
            "left_out": tuple(talks.left_out.items()),
        }

    def _reservations(self) -> Iterator[Finding]:
        """Say what this data path does not let anybody prove."""
        if self._intent.exposures and not self._path.translates:
            message = "exposed servers are not proven: the model does not forward to them"
            yield _unproven(message, self._device, Code.E804)
        needed = {helper.name for helper in rules.helpers_of(self._intent)}
        for name in sorted(needed & set(self._path.unsure_helpers)):
            message = (
                f"what needs the NAT helper '{name}' is not proven: nobody knows its state here"
            )
            yield _unproven(message, self._device, Code.E804)

    def _unasked(self, lab: Lab, talks: Sequence[Talk]) -> list[Check]:
        if not self._path.guards:
            return []
        found = unasked.came_in(lab, unasked.unasked(lab, talks, self._intent))
        return explain.unasked(lab, found, list(unasked.checks(found)))

    def _played(self, lab: Lab, talks: Sequence[Talk]) -> list[Check]:
        """Play every talk, and look closer at what went otherwise than wanted."""
        courses = Stage(lab).play(talks)
        found = [
            (course, flow, self._check(course, wanted))
            for course in courses
            for flow, wanted in course.talk.wanted.items()
            if self._judged(wanted)
        ]
        return explain.played(lab, talks, self._known(found))

    def _known(self, found: list[_Found]) -> list[_Found]:
        """Leave out what a model shows of an effect that nobody knows: it would be a guess."""
        if not self._path.modelled:
            return found
        known = [one for one in found if one[2].predicted != "unknown"]
        if len(known) < len(found):
            reason = "effects that nobody knows of this firmware"
            self._left_out[reason] = self._left_out.get(reason, 0) + len(found) - len(known)
        return known

    def _judged(self, wanted: Wanted) -> bool:
        """Leave out what the policy leaves alone, and what needs a helper that nobody knows."""
        helper = wanted.flow.helper
        unsure = (
            wanted.flow.carried
            and wanted.action is Action.PASS
            and helper is not None
            and helper.name in self._path.unsure_helpers
        )
        return wanted.action is not Action.KEEP and not unsure

    def _effects(self, talks: Iterable[Talk]) -> dict[object, Effect]:
        """Ask the target what it says of every question behind a talk."""
        asked = list(
            dict.fromkeys(
                wanted.probe
                for talk in talks
                if talk.kind is not Kind.SIGNATURE
                for wanted in talk.wanted.values()
            )
        )
        effects = self._target.effects(self._settings, self._device, asked)
        return dict(zip(asked, effects, strict=True))

    def _check(self, course: Course, wanted: Wanted) -> Check:
        flow = wanted.flow.id
        lost = course.lost.get(flow)
        effect = self._told.get(wanted.probe)
        check = _plain_check(course.talk, wanted, course.experience(flow))
        if lost is not None:
            check = replace(check, lost=_loss(course, lost))
        return check if effect is None else _held(check, effect, _predicted(effect))

    def _running(self, lab: Lab, talks: Sequence[Talk]) -> list[Check]:
        """Bring tunnels up, let the policy land, and use them again."""
        up = [
            replace(talk, kind=Kind.RUNNING)
            for talk in talks
            if talk.kind is Kind.EXCHANGE and not talk.inbound
        ]
        found: list[Check] = []
        for some in apart(up):
            rules.open_up(lab, self._intent)
            stage, courses = Stage(lab), [begin(talk) for talk in some]
            with stage.routes(some):
                stage.go_on(courses)
                rules.close_up(lab)
                rules.land(lab, self._path, self._intent)
                through = stage.repeat(courses)
                checks = [
                    (course, flow, self._survival(course, wanted, through))
                    for course in courses
                    for flow, wanted in course.talk.wanted.items()
                    if flow not in course.lost
                    and self._judged(wanted)
                    and not self._renewed(course.talk, wanted)
                ]
                found += explain.running(lab, stage, self._known(checks))
        return found

    def _renewed(self, talk: Talk, wanted: Wanted) -> bool:
        """Leave out what may pass, and what the router's procedure ends with what may not."""
        ended = wanted.action is Action.PASS and any(
            rules.ends(self._path, talk.family, one.flow.layer4, one.port)
            for one in talk.wanted.values()
        )
        if ended:
            reason = "running tunnels that begin anew, as connections are ended port by port"
            self._left_out[reason] = self._left_out.get(reason, 0) + 1
        return ended

    def _survival(
        self,
        course: Course,
        wanted: Wanted,
        through: Mapping[int, Mapping[str, set[Side]]],
    ) -> Check:
        sides = through[course.talk.number][wanted.flow.id]
        check = _plain_check(course.talk, wanted, _life(sides, wanted.action))
        if sides and wanted.action is Action.BLOCK:
            check = replace(check, lost=Loss("data of a running tunnel", _ways(sides)))
        effect = self._told[wanted.probe]
        told = _predicted(effect)
        if told == "block" and not effect.cuts_running:
            told = "pass"
        return _held(check, effect, told)


def _life(sides: set[Side], wanted: Action) -> Experience:
    """Say what became of a running tunnel.

    One that is to die is dead when its client cannot send any more: what the server still sends
    ends when the server gives up. One that is to live needs both ways.
    """
    if len(sides) == len(Side):
        return Experience.PASSED
    alive = Side.CLIENT in sides if wanted is Action.BLOCK else bool(sides)
    return Experience.PARTLY if alive else Experience.BLOCKED


def _plain_check(talk: Talk, wanted: Wanted, found: Experience) -> Check:
    return Check(
        talk.kind,
        wanted.decision.protocol,
        wanted.flow.id,
        talk.family,
        talk.client if not talk.inbound else talk.server,
        talk.zone,
        talk.way,
        str(talk.source),
        str(talk.called),
        wanted.action,
        found,
        place=wanted.decision.origin.place,
    )


def _ways(sides: Iterable[Side]) -> str:
    names = {Side.CLIENT: "out", Side.SERVER: "in"}
    return " and ".join(names[side] for side in sorted(sides))


def _loss(course: Course, lost: Lost) -> Loss:
    return Loss(lost.step.says, course.talk.way_of(lost.step.by), lost.wrong)


def _predicted(effect: Effect) -> str:
    """Put an effect into the words of a proof."""
    if effect.verdict is Verdict.UNKNOWN:
        return "unknown"
    if effect.verdict.blocks:
        return "block"
    if not effect.probe.flow.carried or effect.helper in _WORKING:
        return "pass"
    # to a server without a helper it may pass: that depends on the call numbers of both ends
    known = effect.helper is not HelperState.UNKNOWN and effect.probe.direction is Direction.OUT
    return "partly" if known else "unknown"


def _held(check: Check, effect: Effect, told: str) -> Check:
    """Hold a check to what was told; a deviation that was told and came true is accepted."""
    check = replace(check, predicted=told)
    code = difference(check.wanted, effect)
    if code in (None, Code.D504) or check.as_wanted or not check.as_predicted:
        return check
    return replace(check, accepted=code.name)
