"""Try every way that a packet could take where something on the way is not known.

A run asks :class:`Choices` whenever it cannot know. The first run always takes the first option;
each later run repeats the last one up to its last open choice and takes the next option there. So
what runs is plain code, and still every combination is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from compiler.evaluate.outcome import Outcome, joined, unknown
from compiler.model.effect import Verdict

#: More ways than this are not explored; the outcome is then unknown.
MOST_WAYS = 512


@dataclass(slots=True)
class Choices:
    """The decisions of one run: (option taken, options there were, why).

    ``asked`` are those among them that a kernel could take, by reason.
    """

    planned: list[int] = field(default_factory=list)
    taken: list[tuple[int, int, str]] = field(default_factory=list)
    asked: dict[str, bool] = field(default_factory=dict)

    def pick(self, options: int, reason: str) -> int:
        """Take one of several options, from 0."""
        at = len(self.taken)
        option = self.planned[at] if at < len(self.planned) else 0
        self.taken.append((option, options, reason))
        return option

    def holds(self, reason: str, *, kernel: bool = False) -> bool:
        """Decide whether something unknown is so."""
        found = bool(self.pick(2, reason))
        if kernel:
            self.asked[reason] = found
        return found

    def next_plan(self) -> list[int] | None:
        """Give the decisions of the next run, or nothing after the last."""
        for at in reversed(range(len(self.taken))):
            option, options, _ = self.taken[at]
            if option + 1 < options:
                return [one for one, _, _ in self.taken[:at]] + [option + 1]
        return None


def explore(run: Callable[[Choices], Outcome]) -> Outcome:
    """Run all ways and join what came out."""
    outcomes: list[Outcome] = []
    ways: list[Choices] = []
    plan: list[int] | None = []
    while plan is not None:
        if len(outcomes) == MOST_WAYS:
            return unknown(f"more than {MOST_WAYS} ways are possible: {ways[-1].taken[0][2]}, ...")
        ways.append(Choices(plan))
        outcomes.append(run(ways[-1]))
        plan = ways[-1].next_plan()
        if outcomes[-1].verdict is Verdict.UNKNOWN or _torn(outcomes):
            break
    return joined(outcomes, _parting(outcomes, ways), complete=plan is None)


def settle(run: Callable[[Choices], Outcome], verdict: Verdict) -> Outcome:
    """Run all ways, and join those that a kernel could choose: the ones with this verdict.

    Unknown is left where something else than a kernel's reading of the rules decides too.
    """
    outcomes: list[Outcome] = []
    kinds: dict[tuple[tuple[tuple[str, bool], ...], bool], Choices] = {}
    plan: list[int] | None = []
    while plan is not None:
        choices = Choices(plan)
        found = run(choices)
        if found.verdict is Verdict.UNKNOWN:
            return found
        blocks = found.verdict.blocks
        if len(outcomes) == MOST_WAYS:
            return unknown(f"more than {MOST_WAYS} ways are possible: {choices.taken[0][2]}, ...")
        others = (other for (_, its), other in kinds.items() if its is not blocks)
        for other in others:
            if not _told_apart(choices, other):
                return unknown(_where(choices, other))
        outcomes.append(found)
        kinds.setdefault((tuple(sorted(choices.asked.items())), blocks), choices)
        plan = choices.next_plan()
    chosen = [found for found in outcomes if found.verdict.blocks is verdict.blocks]
    return joined(chosen or outcomes, "", complete=True)


def _told_apart(one: Choices, other: Choices) -> bool:
    """Tell whether a kernel's answer decides between two ways."""
    return any(other.asked.get(reason, way) is not way for reason, way in one.asked.items())


def _where(one: Choices, other: Choices) -> str:
    """Give the reason at which two ways part that no answer of a kernel tells apart."""
    pairs = zip(one.taken, other.taken, strict=False)
    return next((a[2] for a, b in pairs if a[0] != b[0] and a[2] not in one.asked), "its ways part")


def _torn(outcomes: list[Outcome]) -> bool:
    """Tell whether enough is seen: the last way blocks what another lets pass, or the reverse."""
    passing = {one.verdict is Verdict.PASS for one in (outcomes[0], outcomes[-1])}
    return len(passing) == 2


def _parting(outcomes: list[Outcome], ways: list[Choices]) -> str:
    """Give the reason at which two neighbouring ways with different verdicts part."""
    for at in range(1, len(outcomes)):
        before, after = ways[at - 1].taken, ways[at].taken
        if outcomes[at].verdict is not outcomes[at - 1].verdict:
            parted = next(
                i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]
            )
            first, second = outcomes[at - 1].verdict, outcomes[at].verdict
            return f"{after[parted][2]}: {first} or {second} depends on it"
    return ""
