"""Many routers, one at a time: what each should be, what it answered, what is to be said of it.

Nothing is kept of a router once its audit is recorded. Routers that should be alike and answer
alike are judged once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from compiler.audit.answers import Answers, MissingAnswerError
from compiler.audit.experience import Answer, Twin
from compiler.audit.finding import Audited, AuditFinding, State
from compiler.audit.health import health
from compiler.audit.judge import Judged, audit
from compiler.audit.kept import HOST
from compiler.audit.redact import clean
from compiler.build.device import Devices
from compiler.build.plan import Compiled, Outcome, RouterCompiler
from compiler.build.site import Router, Site
from compiler.device import plan
from compiler.device.job import Change, Job, Result
from compiler.device.job import State as Ended
from compiler.errors import PassthruError
from compiler.inventory import check_host_name
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import Intent, OnDeviation
from compiler.model.target import Target

_MOST_KEPT = 256
#: Findings of the compile that are of the router, not of its policy.
_KINDS = {Code.T405: Code.A855}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One router of an audit: what it should be, or why nobody can tell."""

    host: str
    target: str
    compiled: Compiled | None
    findings: tuple[Finding, ...] = ()
    place: Place | None = None


@dataclass(slots=True)
class Auditor:
    """Audits the routers of a site.

    ``healthy`` asks for health also where a policy decides; ``twin`` decides what is unknown.
    """

    site: Site
    today: date
    healthy: bool = False
    twin: Twin | None = None
    _compiler: RouterCompiler = field(init=False)
    _done: OrderedDict[tuple[object, ...], tuple[Outcome, Judged]] = field(
        init=False, default_factory=OrderedDict
    )
    _seen: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._compiler = _compiler(self.site)

    def decided(self) -> Iterator[Wanted]:
        """Give the routers that plays match."""
        for name, router, found in self.site.routers():
            yield self._wanted(name, router, found)

    def wanted(self) -> Iterator[Wanted]:
        """Give every router: those that plays match, then the others that have a target."""
        yield from self.decided()
        devices = Devices(self.site.registry)
        for name in self._others():
            host = self.site.inventory.host(name)
            unsafe = check_host_name(name, host.defined_at)
            if unsafe:
                yield Wanted(name, "", None, (unsafe,), host.defined_at)
                continue
            try:
                device, problems = devices.device(host)
            except PassthruError as error:
                yield Wanted(name, "", None, error.findings, host.defined_at)
                continue
            if device is None:
                if all(found.code is not Code.I204 for found in problems):
                    yield Wanted(name, "", None, tuple(problems), host.defined_at)
                continue
            router = Router(device, Intent(name), (), frozenset())
            yield self._wanted(name, router, tuple(problems))

    def _others(self) -> Iterator[str]:
        inventory, limit = self.site.inventory, self.site.request.limit
        matched = self.site.matched
        for name in inventory.match("all", limit=limit) if limit else inventory.match("all"):
            if name not in matched:
                yield name

    def _wanted(self, name: str, router: Router | None, found: tuple[Finding, ...]) -> Wanted:
        if router is None:
            return Wanted(name, "", None, found, self.site.inventory.host(name).defined_at)
        self._seen += 1
        if self._seen % _MOST_KEPT == 0:  # a compiler remembers all routers that differ
            self._compiler = _compiler(self.site)
        item, more = self._compiler.compile(router)
        device = router.device
        return Wanted(name, device.target, item, (*found, *more), device.place)

    def saved(self, wanted: Wanted, answers: Answers) -> Audited:
        """Audit a router by its saved answer."""
        if wanted.compiled is None:
            return self.undecided(wanted)
        try:
            native, facts = answers.read(wanted.host)
        except MissingAnswerError as error:
            return _unread(wanted, State.UNREACHABLE, error.findings, Code.A861)
        except PassthruError as error:
            return _unread(wanted, State.FAILED, error.findings, Code.A862)
        changes, sha256 = self.difference(wanted.compiled, native)
        return self.judged(wanted, Answer(native, facts, changes, self.twin), sha256)

    def pushed(self, wanted: Wanted, result: Result) -> Audited:
        """Audit a router by what a push that only looks found there."""
        seen = result.before
        if seen is None:
            gone = result.state in (Ended.UNREACHABLE, Ended.SKIPPED)
            state = State.UNREACHABLE if gone else State.FAILED
            if result.state is Ended.SKIPPED:
                state = State.SKIPPED
            unread = any(found.code is Code.T407 for found in result.findings)
            return _unread(wanted, state, result.findings, Code.A862 if unread else Code.A861)
        stale = seen.facts.get(plan.STALE, "").split()
        changes: tuple[Change, ...] | None = tuple(
            change for change in result.changes if change.item not in stale
        )
        if result.state is Ended.REFUSED:
            changes = None
        answer = Answer(seen.native, seen.facts, changes, self.twin)
        return self.judged(wanted, answer, seen.sha256)

    def difference(self, compiled: Compiled, native: str) -> tuple[tuple[Change, ...] | None, str]:
        """Say what a push would change of a saved answer, and the hash of its settings."""
        try:
            return compare(self.site, compiled, native)
        except PassthruError:  # a listing that a survey reads and the target itself does not
            digest = hashlib.sha256(native.encode("utf-8", "surrogatepass")).hexdigest()
            return None, digest

    def judged(self, wanted: Wanted, answer: Answer, sha256: str) -> Audited:
        """Judge what a router answered."""
        compiled = wanted.compiled
        if compiled is None:
            return self.undecided(wanted)
        try:
            found = self._judged(compiled, answer)
        except PassthruError as error:
            return _unread(wanted, State.FAILED, error.findings, Code.A862)
        return Audited(
            wanted.host,
            wanted.target,
            State.JUDGED,
            found.findings,
            found.cells,
            sha256,
            wanted.place,
        )

    def _judged(self, compiled: Compiled, answer: Answer) -> Judged:
        key = (
            id(compiled.outcome),
            hashlib.sha256(answer.native.encode("utf-8", "surrogatepass")).digest(),
            tuple(sorted(answer.facts.items())),
            answer.changes,
        )
        known = self._done.get(key)
        if known is not None:
            self._done.move_to_end(key)
            return known[1]
        made = self._judge(compiled, answer)
        self._done[key] = (compiled.outcome, made)  # held, so that its id is nobody else's
        if len(self._done) > _MOST_KEPT:
            self._done.popitem(last=False)
        return made

    def _judge(self, compiled: Compiled, answer: Answer) -> Judged:
        target = self._target(compiled)
        device, intent = compiled.router.device, compiled.intent
        decides = bool(intent.decisions or intent.exposures)
        found = Judged((), {})
        if decides:
            found = audit(compiled, answer, target, self._mend(compiled), self.today)
        if self.healthy or not decides:
            more = health(device, intent, answer, target, self.site.catalogue)
            findings = dict.fromkeys((*found.findings, *more.findings))
            ordered = tuple(sorted(findings, key=lambda each: each.sort_key))
            found = Judged(ordered, {**more.cells, **found.cells})
        return found

    def _mend(self, compiled: Compiled) -> str:
        procedure = self._target(compiled).procedure(
            compiled.outcome.settings, compiled.router.device
        )
        if procedure.transport == "ssh" and (procedure.guard or procedure.console):
            return f"passthru push -l {HOST}"
        return f"passthru compile -l {HOST}, then follow what its bundle says"

    def _target(self, compiled: Compiled) -> Target[Any]:
        return self.site.registry.get(compiled.router.device.target)

    def undecided(self, wanted: Wanted) -> Audited:
        """Say why nobody can tell what a router should be."""
        errors = [found for found in wanted.findings if found.severity is Severity.ERROR]
        return _unread(wanted, State.FAILED, errors, Code.A863)


def _compiler(site: Site) -> RouterCompiler:
    """Give a compiler that says what is predicted, and looks for no way to mend it."""
    return RouterCompiler(site.registry, OnDeviation.WARN, mending=False)


def compare(site: Site, compiled: Compiled, native: str) -> tuple[tuple[Change, ...], str]:
    """Say what a push would change of a saved answer, and give the hash of its settings.

    Raises:
        NativeError: T407, the answer cannot be read, or cannot take our settings.
    """
    target: Target[Any] = site.registry.get(compiled.router.device.target)
    job = job_of(compiled, site.policy_hash)
    goal = plan.Goal(target, job)
    observed = goal.observed({}, native)
    return goal.changes(observed), observed.sha256


def job_of(compiled: Compiled, policy: str, reach: Mapping[str, Any] | None = None) -> Job:
    """Make the job of a router, as a push would."""
    device = compiled.router.device
    return Job(device.name, device, compiled.intent, compiled.bundle, policy, reach or {})


def _unread(wanted: Wanted, state: State, findings: Sequence[Finding], code: Code) -> Audited:
    """Say why there is nothing to judge, in the words of who noticed it."""
    said = tuple(
        AuditFinding(
            _KINDS.get(found.code, code),
            Severity.ERROR,
            f"{clean(found.message)} ({found.code.name})",
            found.protocol,
            place=found.place,
            mend=clean(found.hint),
        )
        for found in findings
    )
    if not said:
        said = (AuditFinding(code, Severity.ERROR, "it was never asked"),)
    ordered = tuple(sorted(said, key=lambda f: f.sort_key))
    return Audited(wanted.host, wanted.target, state, ordered, place=wanted.place)


def left_out(wanted: Wanted, why: Sequence[Finding]) -> Audited:
    """Say why a router is not asked at all."""
    hint = "save its answer, and audit it with --from"
    findings = [replace(found, hint=hint) for found in why]
    return _unread(wanted, State.SKIPPED, findings, Code.A861)
