"""One push: facts, read, plan, lock, stage, check, arm, apply, verify, confirm.

The router is afterwards fully new or fully old, and the result says which. What is not clear (a
line that drops, a step that hangs) is settled by reading the router's state over a new
connection, never by trying again. The first connection stays open until the end: where a new one
does not come about, it still takes everything back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from compiler.device import plan
from compiler.device.dialogue import dialogue
from compiler.device.job import Job, Listener, Observed, Options, Result, State
from compiler.device.outcome import Outcome, as_warnings
from compiler.device.reach import Way, way_of
from compiler.device.script import Status
from compiler.device.session import Session
from compiler.device.shell import Answer
from compiler.errors import ApplyError, LostError, PassthruError, TransportError
from compiler.model.finding import Code, Finding, Severity
from compiler.model.step import StepName
from compiler.model.target import Procedure

#: A push's steps as the script on the router marks them.
_STEPS = {name.value: name for name in StepName}
#: The exit status of an apply that did everything but cut running tunnels.
_TUNNELS_RUN = 3
#: How long after its window a dead-man may need, at most: an apply to stop, a reload, three tries.
_GRACE = 60.0
_SLOWEST_RETRY = 5.0
#: How long new connections are tried while the first one could still take everything back.
_SOON = 30.0
#: How long an end may take beside its own step: waiting for another one who ends it.
_END = 120.0
_LONGEST_TOLD = 400


@dataclass(slots=True)
class _Standing:
    """How things stand on the router, by its own account."""

    states: frozenset[str]
    applied: str
    verified: str
    told: str
    observed: Observed


class Transaction:
    """One push to one router, from the first connection to the last."""

    def __init__(
        self,
        goal: plan.Goal,
        procedure: Procedure,
        job: Job,
        options: Options,
        listen: Listener | None,
    ) -> None:
        self._goal = goal
        self._job = job
        self._options = options
        self._dialogue = dialogue(procedure, job, options)
        self._outcome = Outcome(job, listen)
        self._began = time.monotonic()
        self._sessions: list[Session] = []
        self._way: Way | None = None
        self._armed_at: float | None = None
        self._last_try = ""
        self._unconfirmed: tuple[Finding, ...] = ()

    # the outside

    def run(self) -> Result:
        """Do it all."""
        session = self._connect()
        self._outcome.before = before = self._observed(self._observe(session))
        if self._job.expects and self._job.expects != before.sha256:
            raise ApplyError.of(
                Code.S811,
                "the router is not what it was when the plan was made",
                hint="make a new plan",
                host=self._job.host,
            )
        self._outcome.changes = self._goal.changes(before)
        if not self._outcome.changes:
            unhelped = plan.unhelped(self._job, before)
            return self.result(State.UNCHANGED, *self._unconfirmed, *unhelped)
        if self._options.check:
            return self.result(State.WOULD_CHANGE)
        return self._change(session)

    def observe(self) -> Observed:
        """Read only."""
        return self._observed(self._observe(self._connect()))

    def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            self._sessions.pop().close()

    def result(self, state: State, *problems: Finding) -> Result:
        """Say how it ended."""
        return self._outcome.result(state, *problems)

    # the steps

    def _connect(self) -> Session:
        if self._way is None:
            self._way = way_of(self._job.host, self._job.reach)
        timeout = self._options.connect_timeout
        session = Session(self._way, timeout, accept_new=self._options.accept_new)
        self._sessions.append(session.open())
        return session

    def _observe(self, session: Session) -> Answer:
        self._outcome.begin(StepName.FACTS)

        def marked(name: str) -> None:
            if name == StepName.READ:
                self._outcome.begin(StepName.READ)

        answer = self._dialogue.observe(session, self._options.step_timeout, marked)
        if answer.status != 0:
            raise ApplyError.of(
                Code.S808, f"the settings cannot be read: {_told(answer)}", host=self._job.host
            )
        return answer

    def _observed(self, answer: Answer) -> Observed:
        self._note_guard(answer["guard"])
        return self._read(answer)

    def _read(self, answer: Answer) -> Observed:
        return self._goal.observed(plan.facts_of(answer["facts"]), answer["read"])

    def _note_guard(self, listing: str) -> None:
        """Tell once what the dead-man of an earlier push left to be told, and that one waits."""
        for line in listing.splitlines():
            name, _, run = line.partition(" ")
            if name.startswith("armed-") and not name.endswith(self._dialogue.token):
                message = f"the push {run} is not confirmed: its dead-man may take this back"
                self._unconfirmed = (Finding(Code.S810, message, Severity.WARNING),)
            if name.startswith("done-fired-") and not name.endswith(self._dialogue.token):
                message = f"the dead-man of run {run} fired: that push was taken back"
                self._outcome.note(Finding(Code.S817, message, Severity.WARNING))

    def _change(self, session: Session) -> Result:
        self._outcome.begin(StepName.STAGE)
        try:
            answer = self._dialogue.begin(session, self._options.step_timeout, self._marked)
        except LostError as error:
            self._outcome.lost = error.findings
            return self._settle(None)
        if answer.status == Status.REFUSED and self._armed_at is None:
            return self.result(State.REFUSED, Finding(Code.S813, _told(answer)))
        if answer.status in (Status.BUSY, Status.UNFINISHED) and self._armed_at is None:
            return self.result(State.REFUSED, Finding(Code.S810, _told(answer)))
        if self._armed_at is None:
            code = Code.S814 if self._outcome.step is StepName.ARM else Code.S812
            return self._settle(session, Finding(code, _told(answer)))
        if answer.status not in (0, _TUNNELS_RUN):
            return self._settle(session, Finding(Code.S815, _told(answer)))
        if answer.status == _TUNNELS_RUN:
            message = f"running tunnels were not cut: {_told(answer)}"
            self._outcome.note(Finding(Code.S815, message, Severity.WARNING))
        return self._settle(session)

    def _marked(self, name: str) -> None:
        if name == StepName.APPLY:
            self._armed_at = time.monotonic()
        if name in _STEPS and _STEPS[name] is not self._outcome.step:
            self._outcome.begin(_STEPS[name])

    # the end

    def _settle(self, first: Session | None, *problems: Finding) -> Result:
        """Bring it to an end that is certain, over a new connection where there is one.

        ``first`` is the session that applied, if it still stands: with problems it takes
        everything back at once.
        """
        if problems or self._outcome.lost:
            self._outcome.went_wrong_at = self._outcome.step
        if first is not None and problems:
            ended = self._tried(first, problems)
            if ended is not None:
                return ended
            first = None
        now = time.monotonic()
        last = (self._armed_at or now) + self._options.confirm_timeout + _GRACE
        last = min(last, self._began + self._options.deadline)
        soon = now + min(self._options.confirm_timeout / 2, _SOON)
        pause = 0.2
        while True:
            ended = self._tried(None, problems)
            if ended is not None:
                return ended
            now = time.monotonic()
            if first is not None and now > soon:
                message = f"no new connection came about after the apply: {self._last_try}"
                unreached = Finding(Code.S816, message)
                ended = self._tried(first, (*problems, unreached))
                if ended is not None:
                    return ended
                first = None
            if now > last:
                break
            time.sleep(min(pause, max(0.0, last - now) + 0.1))
            pause = min(pause * 2, _SLOWEST_RETRY)
        unclear = Finding(
            Code.S818,
            "the router was not reached again, its dead-man brings back the former settings: "
            f"{self._last_try}",
        )
        return self.result(State.UNCLEAR, *problems, unclear)

    def _tried(self, session: Session | None, problems: tuple[Finding, ...]) -> Result | None:
        """Try to end it over this session, or a new one; ``None`` where the line did not hold."""
        kept = len(self._sessions)
        try:
            return self._conclude(session or self._connect(), problems)
        except TransportError as error:
            self._last_try = error.findings[0].message
            while len(self._sessions) > kept:  # many a router takes but a few connections
                self._sessions.pop().close()
            return None
        except PassthruError as error:
            return self.result(State.UNCLEAR, *problems, *error.findings)

    def _conclude(self, session: Session, problems: tuple[Finding, ...]) -> Result:
        """See how things stand, confirm or take back, and say what holds."""
        self._outcome.begin(StepName.VERIFY)
        standing = self._standing(session)
        if "armed" in standing.states or "at-work" in standing.states:
            wrong = problems or self._wrong(standing)
            if not wrong:
                return self._confirm(session, standing)
            self._outcome.went_wrong_at = self._outcome.went_wrong_at or self._outcome.step
            return self._take_back(session, wrong)
        if standing.states & {"confirmed", "fired", "returned"}:
            return self._take_back(session, problems)
        return self._ended(standing.states, standing.observed, problems)

    def _standing(self, session: Session) -> _Standing:
        answer = self._dialogue.after(session, self._options.step_timeout)
        if answer.status != 0:
            raise ApplyError.of(Code.S818, f"the settings cannot be read: {_told(answer)}")
        return _Standing(
            frozenset(answer["state"].split()),
            answer["applied"].strip(),
            answer["verified"].strip(),
            _told(answer),
            self._read(answer),
        )

    def _wrong(self, standing: _Standing) -> tuple[Finding, ...]:
        """Say why what is there must not be confirmed. Equal settings have equal effects."""
        self._outcome.after = standing.observed
        if standing.applied not in ("0", str(_TUNNELS_RUN)):
            return (Finding(Code.S815, f"the apply did not come to its end: {standing.told}"),)
        if standing.verified != "0":
            return (Finding(Code.S816, standing.told),)
        left = self._goal.changes(standing.observed)
        if left:
            return (Finding(Code.S816, f"not as applied: {plan.shown(left)}"),)
        return ()

    def _confirm(self, session: Session, standing: _Standing) -> Result:
        self._outcome.begin(StepName.CONFIRM)
        self._outcome.after = standing.observed
        how, told = self._end(session, "confirm")
        if how == "confirmed":
            unhelped = plan.unhelped(self._job, standing.observed)
            return self.result(State.CHANGED, *unhelped)
        problem = Finding(Code.S817, f"the confirmation came too late or failed: {told}")
        return self._ended(frozenset({how}), self._read_again(session), (problem,))

    def _take_back(self, session: Session, problems: tuple[Finding, ...]) -> Result:
        self._outcome.begin(StepName.ROLLBACK)
        how, told = self._end(session, "return")
        if how == "stuck":
            problems = (*problems, Finding(Code.S818, f"the way back failed: {told}"))
        return self._ended(frozenset({f"done-{how}"}), self._read_again(session), problems)

    def _end(self, session: Session, how: str) -> tuple[str, str]:
        answer = self._dialogue.end(session, how, self._options.step_timeout + _END)
        return answer["end"].strip(), _told(answer)

    def _read_again(self, session: Session) -> Observed:
        answer = self._dialogue.observe(session, self._options.step_timeout)
        if answer.status != 0:
            raise ApplyError.of(Code.S818, f"the settings cannot be read: {_told(answer)}")
        return self._read(answer)

    def _ended(
        self, states: frozenset[str], observed: Observed, problems: tuple[Finding, ...]
    ) -> Result:
        """Judge by what is there: fully new, fully old, or neither."""
        self._outcome.after = observed
        before = self._outcome.before
        if before is not None and _same(before, observed):
            if self._armed_at is None:
                return self.result(State.FAILED, *problems)
            if not (problems or self._outcome.lost) or "done-fired" in states:
                fired = "the dead-man fired" if "done-fired" in states else "the router did it"
                problems = (*problems, Finding(Code.S817, f"{fired}: the former settings hold"))
            return self.result(State.ROLLED_BACK, *problems)
        left = self._goal.changes(observed)
        if not left and not any("stuck" in state for state in states):
            self._outcome.step = StepName.CONFIRM
            return self.result(State.CHANGED, *as_warnings(problems))
        message = f"neither the former nor the new settings hold: {plan.shown(left)}"
        return self.result(State.UNCLEAR, *problems, Finding(Code.S818, message))


def _same(one: Observed, other: Observed) -> bool:
    stale = (one.facts.get(plan.STALE), other.facts.get(plan.STALE))
    return one.sha256 == other.sha256 and stale[0] == stale[1]


def _told(answer: Answer) -> str:
    """Give what a script said on standard error, in one line for a person."""
    lines = [line.removeprefix("passthru: ").strip() for line in answer.err.splitlines()]
    text = "; ".join(line for line in lines if line)
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown[:_LONGEST_TOLD] or f"exit status {answer.status}"
