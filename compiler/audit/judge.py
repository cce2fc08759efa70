"""One router against its policy: what packets experience there, and what they should.

What is wanted is the intent; what was promised is the compile's prediction. A difference that the
compile predicted already, and that the policy accepts, is no drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from compiler.audit.experience import Answer, experienced, with_facts
from compiler.audit.finding import AuditFinding, Cell, Standing, evidence
from compiler.audit.redact import clean
from compiler.audit.settings import Differing, deciding, differing
from compiler.build.plan import Compiled
from compiler.errors import PassthruError
from compiler.model import judge
from compiler.model.device import Device
from compiler.model.effect import Effect, HelperState, Verdict
from compiler.model.finding import Code, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent, OnDeviation
from compiler.model.target import Target

_STALE = "stale"
_BEYOND = (
    "no settings of this router do it: a looser entry, other firmware, or `on_deviation: warn`"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What there is to say of a router, without its name in it."""

    findings: tuple[AuditFinding, ...]
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class _Row:
    """One probe: what is wanted, what was promised, what is."""

    wanted: Action
    by: Decision | Exposure
    promised: Effect
    found: Effect


def audit(
    compiled: Compiled, answer: Answer, target: Target[Any], mend: str, today: date
) -> Judged:
    """Hold a router's answer against its policy. ``mend`` is the command that pushes to it.

    Raises:
        NativeError: T407, the answer cannot be read.
    """
    router, outcome = compiled.router, compiled.outcome
    intent, device = router.intent, with_facts(router.device, answer.facts)
    probes = judge.probes(intent, router.device)
    effects, said = experienced(target, device, answer, probes)
    rows = list(_rows(intent, outcome.effects, effects))
    work = _Work(intent, device, target, answer, mend)
    findings = [*work.findings(rows), *_expired(rows, today)]
    findings += [*_stale(answer, mend), *work.changes(findings), *said]
    return Judged(tuple(sorted(findings, key=lambda f: f.sort_key)), cells(rows, findings))


def _rows(intent: Intent, promised: Sequence[Effect], found: Sequence[Effect]) -> Iterator[_Row]:
    for before, now in zip(promised, found, strict=True):
        wanted, by = judge.wants(intent, now.probe)
        if by is not None and wanted is not Action.KEEP:
            yield _Row(wanted, by, before, now)


@dataclass(slots=True)
class _Work:
    """Findings of one router."""

    intent: Intent
    device: Device
    target: Target[Any]
    answer: Answer
    mend: str
    _differing: tuple[Differing, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._differing = differing(self.answer.changes or ())

    def findings(self, rows: Sequence[_Row]) -> Iterator[AuditFinding]:
        """Group what differs by protocol and kind."""
        by_protocol: dict[str, list[_Row]] = {}
        for row in rows:
            by_protocol.setdefault(row.by.protocol, []).append(row)
        for protocol, mine in by_protocol.items():
            groups: dict[tuple[Code, bool], list[_Row]] = {}
            for row in mine:
                code = judge.difference(row.wanted, row.found)
                if code is not None:
                    promised = code is judge.difference(row.wanted, row.promised)
                    groups.setdefault((code, promised), []).append(row)
            for (code, promised), same in groups.items():
                yield self._finding(protocol, code, same, mine, promised=promised)

    def _finding(
        self, protocol: str, code: Code, rows: list[_Row], every: list[_Row], *, promised: bool
    ) -> AuditFinding:
        same = [row for row in every if row.wanted is rows[0].wanted]
        accepted = promised and self._accepts(code)
        foreign = not promised and self.answer.changes == ()
        kind, severity, says = self._kind(code, partly=len(rows) < len(same), foreign=foreign)
        if kind is Code.A854 and all(row.found.helper is HelperState.ABSENT for row in rows):
            kind, says = (
                Code.A855,
                "passes the filter, but the kernel module of its NAT helper is missing",
            )
        if accepted:
            kind, severity = Code.A864, Severity.INFO
        mend = "" if accepted else _BEYOND if promised else self._mending(kind, protocol, rows)
        return AuditFinding(
            kind,
            severity,
            f"'{protocol}' {says}",
            protocol,
            tuple(sorted({row.found.probe.flow.id for row in rows})),
            tuple(sorted({str(row.found.probe.family) for row in rows})),
            str(rows[0].wanted),
            rows[0].by.origin.place,
            evidence(clean(row.found.because) for row in rows),
            () if promised else self._settings(rows),
            mend,
        )

    def _accepts(self, code: Code) -> bool:
        """Tell whether the policy lives with what the compile predicts."""
        return self.intent.on_deviation is OnDeviation.WARN or code in (Code.D504, Code.D505)

    def _kind(self, code: Code, *, partly: bool, foreign: bool) -> tuple[Code, Severity, str]:
        """Give an audit's code; what no setting of ours explains is somebody else's rule."""
        match code:
            case Code.D501 | Code.D502:
                says = "is open although the policy blocks it"
                kind = Code.A852
                if code is Code.D502:
                    says, kind = "is blocked although the policy passes it", Code.A851
                if partly:
                    says, kind = f"{says.replace('is ', 'is partly ', 1)}", Code.A853
                if foreign:
                    return Code.A856, Severity.ERROR, f"{says}: a rule that is not ours decides"
                return kind, Severity.ERROR, says
            case Code.D503:
                return (
                    Code.A854,
                    Severity.ERROR,
                    "passes the filter, but its NAT helper is not at work",
                )
            case Code.D504:
                return Code.A860, Severity.WARNING, "gets nobody knows what on this router"
            case _:
                says = "is blocked for new tunnels; those that ran before may still run"
                return Code.A865, Severity.INFO, says

    def _mending(self, kind: Code, protocol: str, rows: Sequence[_Row]) -> str:
        if kind in (Code.A854, Code.A855):
            return self._module_command(protocol) or self.mend
        if kind is Code.A856:
            first = clean(rows[0].found.because)
            return f"remove that rule, or move it behind ours: {first}"
        if kind is Code.A860:
            return ""
        return self.mend

    def _module_command(self, protocol: str) -> str:
        """Ask the target what it would say of a router with these modules."""
        try:
            self.target.settings(self.intent, self.device)
        except PassthruError as error:
            for found in error.findings:
                if found.code is Code.T405 and found.protocol in ("", protocol):
                    return found.hint
        return ""

    def _settings(self, rows: Sequence[_Row]) -> tuple[str, ...]:
        """Name the settings that differ and that made these rows so."""
        reasons = [effect.because for row in rows for effect in (row.found, row.promised)]
        flows = {row.found.probe.flow for row in rows}
        words = {flow.id for flow in flows} | {row.by.protocol for row in rows}
        return self._told(deciding(self._differing, reasons, words))

    def _told(self, found: Iterable[Differing]) -> tuple[str, ...]:
        return evidence(clean(str(each)) for each in found)

    def changes(self, findings: Iterable[AuditFinding]) -> Iterator[AuditFinding]:
        """Name settings that differ although no verdict comes from them."""
        told = {text for found in findings for text in found.settings}
        rest = [each for each in self._differing if clean(str(each)) not in told]
        if not rest or any(text.endswith(" more") for text in told):
            return
        says = "settings differ from the policy's, without any effect that it speaks of"
        if told:
            says = "more settings differ from the policy's; no verdict names them"
        yield AuditFinding(
            Code.A857, Severity.INFO, says, settings=self._told(rest), mend=self.mend
        )


def _expired(rows: Sequence[_Row], today: date) -> Iterator[AuditFinding]:
    """Find grants that have ended and still pass."""
    seen: dict[str, tuple[Decision, list[_Row]]] = {}
    for row in rows:
        by = row.by
        if isinstance(by, Decision) and by.until is not None and by.until <= today:
            seen.setdefault(by.protocol, (by, []))[1].append(row)
    for protocol, (decision, mine) in seen.items():
        passing = [row for row in mine if row.found.verdict is Verdict.PASS]
        if passing and decision.action is Action.PASS:
            yield AuditFinding(
                Code.A858,
                Severity.ERROR,
                f"the grant of '{protocol}' ended on {decision.until}, and the router passes it",
                protocol,
                tuple(sorted({row.found.probe.flow.id for row in passing})),
                tuple(sorted({str(row.found.probe.family) for row in passing})),
                "nothing any more",
                decision.origin.place,
                evidence(clean(row.found.because) for row in passing),
                mend="take the entry out of the policy, then push",
            )


def _stale(answer: Answer, mend: str) -> Iterator[AuditFinding]:
    names = answer.facts.get(_STALE, "").split()
    if names:
        yield AuditFinding(
            Code.A859,
            Severity.WARNING,
            "what runs is not what the router would load at its next boot, or the other way round",
            evidence=evidence(clean(name) for name in names),
            mend=mend,
        )


def cells(rows: Iterable[_Row], findings: Iterable[AuditFinding]) -> dict[str, Cell]:
    """Give one verdict for each protocol that the policy speaks about."""
    worst: dict[str, Severity] = {}
    unknown: set[str] = set()
    for found in findings:
        if found.protocol:
            worst[found.protocol] = max(worst.get(found.protocol, found.severity), found.severity)
        if found.code is Code.A860:
            unknown.add(found.protocol)
    by_protocol: dict[str, list[_Row]] = {}
    for row in rows:
        by_protocol.setdefault(row.by.protocol, []).append(row)
    return {
        protocol: Cell(
            " and ".join(sorted({str(row.wanted) for row in mine}, reverse=True)),
            joined(row.found for row in mine),
            _standing(worst.get(protocol), protocol in unknown or _nobody_knows(mine)),
        )
        for protocol, mine in sorted(by_protocol.items())
    }


def _nobody_knows(rows: Iterable[_Row]) -> bool:
    """Tell whether nothing at all is known: that a policy accepts it makes it no more right."""
    return joined(row.found for row in rows) == str(Verdict.UNKNOWN)


def _standing(worst: Severity | None, unknown: bool) -> Standing:  # noqa: FBT001
    if worst is Severity.ERROR:
        return Standing.WRONG
    if unknown:
        return Standing.UNKNOWN
    return Standing.WARNED if worst is Severity.WARNING else Standing.RIGHT


def joined(effects: Iterable[Effect]) -> str:
    """Join verdicts: passing here and not there is partial, whatever else is unknown."""
    verdicts = {"drop" if e.verdict.blocks else str(e.verdict) for e in effects}
    if {"pass", "drop"} <= verdicts:
        return "partial"
    return verdicts.pop() if len(verdicts) == 1 else str(Verdict.UNKNOWN)
