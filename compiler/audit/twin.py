"""``--twin``: what reading calls unknown, packets decide under the router's rules in a lab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from compiler.audit.finding import AuditFinding, evidence
from compiler.audit.redact import clean
from compiler.errors import ProofError
from compiler.model.effect import Effect, Verdict
from compiler.model.finding import Code, Severity
from compiler.model.survey import Survey
from compiler.prove.lab import missing
from compiler.prove.lab.namespaces import PACKAGES
from compiler.prove.twin import Told, ask

_REPORT = "report it, with what the router printed: the reading or the twin is wrong"


def refuse_without_lab() -> None:
    """See that there can be twins at all.

    Raises:
        ProofError: E802, there can be none here.
    """
    reason = missing(tuple(PACKAGES))
    if reason:
        hint = "run it as root, or where unprivileged user namespaces are allowed"
        raise ProofError.of(Code.E802, f"there can be no twin here: {reason}", hint=hint)


def decided(
    survey: Survey | None, effects: Sequence[Effect]
) -> tuple[tuple[Effect, ...], list[AuditFinding]]:
    """Let packets decide; effects that were certain stay, and a contradiction is a finding."""
    if survey is None or survey.rules is None:
        message = "no twin of this router: what it prints are no rules that a kernel can hold"
        return tuple(effects), [AuditFinding(Code.A867, Severity.INFO, message)]
    try:
        told = ask(survey, effects)
    except ProofError as error:
        message = clean(error.findings[0].message)
        return tuple(effects), [AuditFinding(Code.A867, Severity.WARNING, message)]
    pairs = list(zip(effects, told, strict=True))
    return tuple(_known(*pair) for pair in pairs), list(_contradictions(pairs))


def _known(effect: Effect, told: Told | None) -> Effect:
    if effect.verdict is not Verdict.UNKNOWN or told is None:
        return effect
    # what becomes of tunnels that run, nobody has tried
    return replace(
        effect, verdict=told.verdict, because=told.because, cuts_running=not told.verdict.blocks
    )


def _contradictions(pairs: Sequence[tuple[Effect, Told | None]]) -> Iterator[AuditFinding]:
    """Tell of each flow once where packets contradict a verdict that was certain."""
    groups: dict[str, list[tuple[Effect, Told]]] = {}
    for effect, told in pairs:
        if told is not None and _differ(effect.verdict, told.verdict):
            groups.setdefault(effect.probe.flow.id, []).append((effect, told))
    for flow, found in groups.items():
        effect, told = found[0]
        said = "depends on more" if told.verdict is Verdict.UNKNOWN else str(told.verdict)
        yield AuditFinding(
            Code.A866,
            Severity.ERROR,
            f"'{flow}' was read as {effect.verdict}, and in a twin it is: {said}",
            effect.probe.flow.protocol,
            (flow,),
            tuple(sorted({str(one.probe.family) for one, _ in found})),
            evidence=evidence(clean(each.because) for each in (effect, told)),
            mend=_REPORT,
        )


def _differ(read: Verdict, told: Verdict) -> bool:
    """Tell whether a certain verdict is contradicted; to drop and to reject are one."""
    if read is Verdict.UNKNOWN:
        return False
    return told is Verdict.UNKNOWN or read.blocks is not told.blocks
