"""What each probe experiences under rules: first packets, answers, and what helpers announce.

A probe passes when its first packet and the answer to it pass. Where the rules leave open which
packet it is (an interface, a client's address or port that nobody knows), all must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from compiler.evaluate.answers import NOBODY, answer, answers
from compiler.evaluate.openings import CLIENT_PORT, Openings, described, journey
from compiler.evaluate.outcome import Outcome
from compiler.evaluate.packet import Packet
from compiler.evaluate.places import Places
from compiler.evaluate.walk import Ruleset
from compiler.model.device import Device
from compiler.model.effect import Effect, HelperState, Probe, Verdict
from compiler.model.protocol import GRE, TCP
from compiler.model.survey import Journey

_ACK = 0x10
_EVERYTHING = frozenset(Verdict) - {Verdict.UNKNOWN}
_TOO_MANY = "the rules tell apart more interfaces and addresses than can be tried: name the zones"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What rules do not say: the kernel under them.

    - ``unassigned`` is what becomes of a NAT helper that no rule assigns, ``unassigned_because``
      how that is known, or why not.
    - ``keyed``: GRE is tracked by the call IDs of its two directions (Linux 5.1 and later, RFC
      2637), so that without a helper the answers belong to no connection; ``None``: not known.
    """

    unassigned: HelperState = HelperState.UNKNOWN
    unassigned_because: str = "no rule assigns the helper, and whether the kernel does is not known"
    keyed: bool | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """What was found of one packet."""

    verdict: Verdict
    because: str
    helper: HelperState = HelperState.NOT_NEEDED


class Experience:
    """Sends the packets of probes through rules."""

    def __init__(self, ruleset: Ruleset, device: Device, conditions: Conditions) -> None:
        """Take the rules of a router, its zones, and what is known of its kernel."""
        self._ruleset = ruleset
        self._places = Places(ruleset, device)
        self._openings = Openings(self._places, device)
        self._conditions = conditions
        self._seen: dict[Packet, Outcome] = {}

    def effects(self, probes: Sequence[Probe]) -> tuple[Effect, ...]:
        """Say what each probe experiences, in their order."""
        return tuple(self._effect(probe) for probe in probes)

    def _effect(self, probe: Probe) -> Effect:
        found: dict[_Finding, Packet] = {}
        openings, are_all = self._openings.of(probe)
        for opening in openings:
            one = self._finding(probe, opening)
            found.setdefault(one, opening)
            if one.verdict is Verdict.UNKNOWN or len({_kind(each) for each in found}) > 1:
                break
        if not found:
            return Effect(probe, Verdict.UNKNOWN, "no packet leads from this zone to that")
        one = _agreed(found)
        if not are_all and one.verdict is not Verdict.UNKNOWN:
            return Effect(probe, Verdict.UNKNOWN, _TOO_MANY, one.helper)
        cuts = one.verdict.blocks and all(self._cuts(probe, opening) for opening in openings)
        return Effect(probe, one.verdict, one.because, one.helper, cuts or not one.verdict.blocks)

    def journeys(self, probe: Probe) -> tuple[Journey, ...]:
        """Give every way that the first packet of a probe may take; none: too many to try."""
        openings, are_all = self._openings.of(probe)
        return tuple(map(journey, openings)) if are_all else ()

    def doubt(self, probe: Probe) -> str:
        """Say why nobody can tell what a probe experiences, on the first packet where it is so."""
        found = (self._finding(probe, opening) for opening in self._openings.of(probe)[0])
        return next((one.because for one in found if one.verdict is Verdict.UNKNOWN), "")

    def _forward(self, packet: Packet) -> Outcome:
        found = self._seen.get(packet)
        if found is None:
            found = self._seen[packet] = self._ruleset.forward(packet)
        return found

    def _finding(self, probe: Probe, opening: Packet) -> _Finding:
        return self._carried(probe, opening) if probe.flow.carried else self._plain(probe, opening)

    def _plain(self, probe: Probe, opening: Packet) -> _Finding:
        first = self._forward(opening)
        helper = self._helper(probe, first)
        lost = _lost(probe, opening, first)
        if lost is not None:
            return replace(lost, helper=helper)
        return replace(self._both_ways(opening, first), helper=helper)

    def _both_ways(self, opening: Packet, first: Outcome) -> _Finding:
        """Judge a first packet together with the answer to it."""
        if first.verdict is not Verdict.PASS:
            return _Finding(first.verdict, first.because)
        came = [self._answered(packet) for packet in answers(opening, first)]
        doubt = next((one for one in came if one.verdict is Verdict.UNKNOWN), None)
        if doubt is not None:
            return _Finding(Verdict.UNKNOWN, f"whether its answer passes: {doubt.because}")
        lost = [one for one in came if one.verdict.blocks]
        if not lost:
            return _Finding(Verdict.PASS, first.because)
        if len(lost) < len(came):
            return _Finding(Verdict.UNKNOWN, f"whether its answer is tracked: {first.because}")
        return _Finding(Verdict.DROP, f"its answer is dropped: {lost[0].because}")

    def _answered(self, back: Packet) -> Outcome:
        """Send an answer to an address of the router that nobody knows: none that rules mention.

        Where that does not pass, it may be because rules do mention the router's own.
        """
        if back.unseen and back.translated is not None:
            own = self._places.own(back.source)
            ends = replace(
                back.translated,
                destination=back.translated.destination or own,
                source=back.translated.source or back.source,
                source_port=back.translated.source_port or back.source_port,
                destination_port=back.translated.destination_port or back.destination_port,
            )
            to = ends.destination or own
            found = self._forward(
                replace(
                    back,
                    destination=to,
                    unseen=frozenset(),
                    translated=ends,
                    hosts=True,
                    router=frozenset({to}),
                )
            )
            if found.verdict is Verdict.PASS:
                return found
        return self._forward(back)

    def _helper(self, probe: Probe, control: Outcome) -> HelperState:
        """Say what becomes of the helper of a probe's protocol on the control connection."""
        helper = probe.flow.helper
        if helper is None or probe.family not in helper.families:
            return HelperState.NOT_NEEDED
        if "helper" in control.uncertain:
            return HelperState.UNKNOWN
        if control.helper:
            return HelperState.ASSIGNED if control.helper == helper.name else HelperState.IDLE
        if control.possible == _EVERYTHING and control.verdict is Verdict.UNKNOWN:
            return HelperState.UNKNOWN
        if not control.tracked and control.verdict is Verdict.PASS:
            return HelperState.IDLE
        return self._conditions.unassigned

    def _control(self, probe: Probe, opening: Packet) -> Packet:
        helper = probe.flow.helper
        layer4, port = (helper.layer4, helper.port) if helper else (TCP, 0)
        payload = b"" if layer4 == TCP else None
        return replace(
            opening, layer4=layer4, source_port=CLIENT_PORT, destination_port=port,
            payload=payload, glimpse=None,
        )  # fmt: skip

    def _carried(self, probe: Probe, opening: Packet) -> _Finding:
        """Judge data that a helper announces, or that must pass as it is where none does."""
        control = self._control(probe, opening)
        first = self._forward(control)
        helper = self._helper(probe, first)
        opened = self._plain(probe, control) if helper is not HelperState.NOT_NEEDED else None
        announced = opened is not None and not opened.verdict.blocks
        worlds: list[_Finding] = []
        if announced and helper in (HelperState.ASSIGNED, HelperState.UNKNOWN):
            worlds.append(self._announced(probe, opening))
        certain = opened is not None and opened.verdict is Verdict.PASS
        if not (certain and helper is HelperState.ASSIGNED):
            worlds.append(self._unannounced(probe, opening))
        if len({_kind(one) for one in worlds}) > 1:
            because = (
                self._conditions.unassigned_because
                if helper is HelperState.UNKNOWN
                else f"it depends on its control connection: {opened.because if opened else ''}"
            )
            told = next(one for one in worlds if one.verdict is not Verdict.PASS)
            because = f"{because}; without it: {told.because}"
            return _Finding(Verdict.UNKNOWN, because, helper)
        return replace(worlds[0], helper=helper)

    def _announced(self, probe: Probe, opening: Packet) -> _Finding:
        name = probe.flow.helper.name if probe.flow.helper else ""
        to = probe.destination_address or opening.destination
        related = replace(
            opening, state="related", announced_by=name, destination=to, unseen=frozenset()
        )
        return self._both_ways(related, self._forward(related))

    def _unannounced(self, probe: Probe, opening: Packet) -> _Finding:
        first = self._forward(opening)
        lost = _lost(probe, opening, first)
        if lost is not None:
            return lost
        generic = self._both_ways(opening, first)
        if opening.layer4 != GRE or not first.tracked or generic.verdict is not Verdict.PASS:
            return generic
        keyed = self._opened_by_far_end(opening, first)
        if self._conditions.keyed is True or _kind(keyed) == _kind(generic):
            return keyed
        if self._conditions.keyed is False:
            return generic
        because = f"whether the kernel tells GRE apart by call IDs is not known; {keyed.because}"
        return _Finding(Verdict.UNKNOWN, because)

    def _opened_by_far_end(self, opening: Packet, first: Outcome) -> _Finding:
        """Judge answers that belong to no connection: they open one of their own."""
        translated = [one for one in first.translations if one.kind in ("snat", "masquerade")]
        back = replace(
            opening, iif=opening.oif, oif=opening.iif, source=opening.destination,
            destination=opening.source,
            unseen=frozenset({"destination"}) if translated else frozenset(),
        )  # fmt: skip
        outcome = self._forward(back)
        if outcome.verdict is Verdict.UNKNOWN or "nat" in first.uncertain | outcome.uncertain:
            return _Finding(Verdict.UNKNOWN, f"whether its answers pass: {outcome.because}")
        if translated and not any(one.kind == "dnat" for one in outcome.translations):
            because = "no helper announces it, so its answers end at the router"
            return _Finding(Verdict.DROP, f"{because}: {translated[0].step}")
        if outcome.verdict.blocks:
            return _Finding(Verdict.DROP, f"its answers are dropped: {outcome.because}")
        return _Finding(Verdict.PASS, first.because)

    def _cuts(self, probe: Probe, opening: Packet) -> bool:
        """Tell whether a connection that is up certainly ends."""
        ends = self._ruleset.translate(opening).answered or NOBODY
        running = replace(
            opening, state="established", tcp_flags=_ACK, payload=None, original=opening.opened,
            translated=ends, ct_mark=None,
        )  # fmt: skip
        packets = [running, answer(running, ends, opening.opened, None)]
        if probe.flow.carried:
            turned = replace(
                running, iif=opening.oif, oif=opening.iif, source=opening.destination,
                destination=opening.source, original=None, translated=None,
            )  # fmt: skip
            packets += [turned, replace(running, reply=True, original=None, translated=None)]
        return all(self._forward(packet).verdict.blocks for packet in packets)


def _kind(one: _Finding) -> str:
    return "block" if one.verdict.blocks else str(one.verdict)


def _agreed(found: dict[_Finding, Packet]) -> _Finding:
    """Join what all first packets of a probe gave."""
    doubt = next((one for one in found if one.verdict is Verdict.UNKNOWN), None)
    if doubt is not None:
        return doubt
    first, *more = found
    states = {one.helper for one in found}
    helper = first.helper if len(states) == 1 else HelperState.UNKNOWN
    other = next((one for one in more if _kind(one) != _kind(first)), None)
    if other is None:
        return replace(first, helper=helper)
    here, there = described(found[first]), described(found[other])
    because = f"{first.verdict} {here}, {other.verdict} {there}: {other.because}"
    return _Finding(Verdict.UNKNOWN, because, helper)


def _lost(probe: Probe, opening: Packet, first: Outcome) -> _Finding | None:
    """Say why a packet from the WAN never comes to its server; nothing where it does."""
    if "destination" not in opening.unseen or first.verdict is not Verdict.PASS:
        return None
    if "nat" in first.uncertain:
        return _Finding(Verdict.UNKNOWN, f"where it is sent is not known: {first.because}")
    sent = [one for one in first.translations if one.kind == "dnat"]
    if not sent:
        return _Finding(Verdict.DROP, "no rule sends it on to the LAN")
    to = first.answered.source if first.answered else None
    if to is None:
        return _Finding(Verdict.UNKNOWN, f"where it is sent is not known: {sent[0].step}")
    if to != probe.destination_address:
        return _Finding(Verdict.DROP, f"it is sent to {to}: {sent[0].step}")
    return None
