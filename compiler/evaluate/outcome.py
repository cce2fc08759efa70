"""What a ruleset does to a packet, and the rules that made it so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from compiler.evaluate.packet import Ends
from compiler.model.effect import Verdict

T = TypeVar("T")
#: What :attr:`Outcome.uncertain` may name.
_UNCERTAIN = ("helper", "nat", "tracking")
_MAIN_HOOKS = frozenset({"forward", "input", "output"})


@dataclass(frozen=True, slots=True)
class Step:
    """One rule, or the policy of a base chain, on the way to the verdict.

    ``place`` is ``handle 7`` or ``line 12``, or empty for a policy.
    """

    table: str
    chain: str
    place: str
    text: str
    hook: str = ""

    def __str__(self) -> str:
        """Give it for people."""
        where = f"{self.table} {self.chain}"
        return f"{where} {self.place}: {self.text}" if self.place else f"{where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Translation:
    """NAT that is done to the connection: ``dnat``, ``snat``, ``masquerade`` or ``redirect``.

    ``to`` is the new address and port as the rule writes them, empty where the router chooses.
    """

    kind: str
    to: str
    step: Step


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on a packet.

    - ``steps`` are the rules that made it, hook by hook: jumps, and what ended each base chain.
    - ``deeds`` are the rules that did something on the way: those that assigned a helper.
    - ``reason`` says why the verdict is unknown; ``possible`` holds what it could be then.
    - ``uncertain`` names what else depends on unknown facts: ``helper``, ``nat`` or ``tracking``.
    - ``answered``: the ends of the connection as its answers are written; an end of ``None`` is
      not known. ``connection_mark`` is the mark that it carries from now on.
    - ``tracked``: the packet belongs to a connection.
    """

    verdict: Verdict
    steps: tuple[Step, ...] = ()
    helper: str = ""
    translations: tuple[Translation, ...] = ()
    deeds: tuple[Step, ...] = ()
    reason: str = ""
    possible: frozenset[Verdict] = frozenset()
    uncertain: frozenset[str] = frozenset()
    answered: Ends | None = None
    connection_mark: int | None = None
    tracked: bool = True

    @property
    def because(self) -> str:
        """The deciding rule, or the reason for not knowing, in one line."""
        if self.verdict is Verdict.UNKNOWN:
            return self.reason
        if self.verdict.blocks:
            return str(self.steps[-1])
        main = [step for step in self.steps if step.hook in _MAIN_HOOKS]
        ruled = [step for step in main if step.place]
        return str((ruled or main)[-1]) if main else "no chain is on its way"


def unknown(reason: str, steps: tuple[Step, ...] = ()) -> Outcome:
    """Say that nobody can tell."""
    everything = frozenset(Verdict) - {Verdict.UNKNOWN}
    return Outcome(Verdict.UNKNOWN, steps, reason=reason, possible=everything)


def joined(outcomes: list[Outcome], reason: str, *, complete: bool) -> Outcome:
    """Join the outcomes of all possible ways; ``reason`` says on what the verdict depends.

    ``complete``: there are no other ways; else the verdicts differ already.
    """
    first = outcomes[0]
    doubtful = next((one for one in outcomes if one.verdict is Verdict.UNKNOWN), None)
    if doubtful is not None:
        return doubtful
    uncertain = frozenset(
        name
        for name, differs in (
            ("helper", any(one.helper != first.helper for one in outcomes)),
            ("nat", any(one.translations != first.translations for one in outcomes)),
            ("tracking", any(one.tracked != first.tracked for one in outcomes)),
        )
        if differs
    )
    verdicts = frozenset(one.verdict for one in outcomes)
    passed = [one for one in outcomes if one.verdict is Verdict.PASS] or outcomes
    first = replace(
        next((one for one in passed if one.verdict is first.verdict), first),
        possible=verdicts,
        uncertain=uncertain,
        answered=_common([one.answered for one in passed]),
        connection_mark=_common([one.connection_mark for one in passed]),
    )
    if len(verdicts) == 1:
        return first
    if not complete:
        verdicts = frozenset(Verdict) - {Verdict.UNKNOWN}
        first = replace(first, possible=verdicts, uncertain=frozenset(_UNCERTAIN), answered=None)
    return replace(first, verdict=Verdict.UNKNOWN, reason=reason)


def _common(found: list[T]) -> T | None:
    return found[0] if all(one == found[0] for one in found) else None
