"""What a ruleset does to a packet, and the rules that made it so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.model.effect import Verdict

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
    - ``uncertain`` names what else depends on unknown facts: ``helper`` or ``nat``.
    """

    verdict: Verdict
    steps: tuple[Step, ...] = ()
    helper: str = ""
    translations: tuple[Translation, ...] = ()
    deeds: tuple[Step, ...] = ()
    reason: str = ""
    possible: frozenset[Verdict] = frozenset()
    uncertain: frozenset[str] = frozenset()

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


def joined(outcomes: list[Outcome], reason: str) -> Outcome:
    """Join the outcomes of all possible ways; ``reason`` says on what the verdict depends."""
    first = outcomes[0]
    doubtful = next((one for one in outcomes if one.verdict is Verdict.UNKNOWN), None)
    if doubtful is not None:
        return doubtful
    uncertain = frozenset(
        name
        for name, differs in (
            ("helper", any(one.helper != first.helper for one in outcomes)),
            ("nat", any(one.translations != first.translations for one in outcomes)),
        )
        if differs
    )
    verdicts = frozenset(one.verdict for one in outcomes)
    if len(verdicts) == 1:
        return replace(first, possible=verdicts, uncertain=uncertain)
    return replace(
        first, verdict=Verdict.UNKNOWN, reason=reason, possible=verdicts, uncertain=uncertain
    )
