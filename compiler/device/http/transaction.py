"""One push to a web interface: read, plan, lock, check, write the whole object, verify.

There is no dead-man on such a router. One request carries the whole object, so at any moment the
router is fully new or fully old; what was written is read again over a new connection and a new
log-in, and taken back by writing the old object. docs/push.md says what that does not cover.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from compiler.device.http.client import Client
from compiler.device.http.document import Document
from compiler.device.http.lease import leased
from compiler.device.http.login import Login
from compiler.device.http.visit import visit
from compiler.device.http.way import web_way
from compiler.device.http.whole import Seen, Whole, differing
from compiler.device.job import Job, Listener, Observed, Options, Result, State
from compiler.device.outcome import Outcome
from compiler.device.plan import Goal
from compiler.device.reach import Way
from compiler.device.session import Session
from compiler.errors import ApplyError, LostError, PassthruError, TransportError
from compiler.model.finding import Code, Finding
from compiler.model.step import StepName
from compiler.model.target import Procedure, Target

#: How long new connections are tried while the first one could still take everything back.
_SOON = 30.0
#: A write that was cut may still be at work: what is not new is looked at again after this time.
_AT_WORK = 2.0
_SLOWEST_RETRY = 5.0
_MOST_BACK = 2
#: What no second try mends; and of log-ins, routers count the tries.
_FINAL = frozenset(
    {Code.S802, Code.S803, Code.S804, Code.S805, Code.S852, Code.S853, Code.S855}
)  # fmt: skip

_Found = TypeVar("_Found")


class WebTransaction:
    """One push to one router, or one look at it."""

    def __init__(
        self,
        target: Target[Any],
        goal: Goal,
        procedure: Procedure,
        job: Job,
        options: Options,
        listen: Listener | None,
    ) -> None:
        """Work out the way.

        Raises:
            PassthruError: a connection variable is missing or cannot be used.
        """
        self._goal = goal
        self._kind = procedure.login
        self._job = job
        self._options = options
        self._outcome = Outcome(job, listen)
        self._began = time.monotonic()
        self._way = web_way(job.host, job.reach)
        self._whole = Whole(target, goal, procedure, job)
        self._sessions = contextlib.ExitStack()
        self._problems: tuple[Finding, ...] = ()
        self._taken_back = 0
        self._last_try = ""

    # the outside

    def run(self) -> Result:
        """Do it all."""
        relay = self._relay()
        seen = self._look(relay)
        self._outcome.before = seen.observed
        if self._job.expects and self._job.expects != seen.observed.sha256:
            raise _stale("the router is not what it was when the plan was made")
        self._outcome.changes = self._goal.changes(seen.observed)
        if not self._outcome.changes:
            return self.result(State.UNCHANGED)
        if self._options.check:
            return self.result(State.WOULD_CHANGE)
        self._outcome.begin(StepName.STAGE)
        place = self._way.relay or Way(self._job.host, "", local=True)
        session = relay or self._opened(place)
        with leased(session, place, self._way, self._options, self._outcome.note):
            new = self._write(relay, seen)
            return self._settle(relay, seen.again, new)

    def observe(self) -> Observed:
        """Read only."""
        return self._look(self._relay()).observed

    def close(self) -> None:
        """Close every connection."""
        self._sessions.close()

    def result(self, state: State, *problems: Finding) -> Result:
        """Say how it ended."""
        return self._outcome.result(state, *self._problems, *problems)

    # the steps

    def _relay(self) -> Session | None:
        return self._opened(self._way.relay) if self._way.relay else None

    def _opened(self, way: Way) -> Session:
        timeout, new = self._options.connect_timeout, self._options.accept_new
        return self._sessions.enter_context(Session(way, timeout, accept_new=new))

    def _visit(
        self, relay: Session | None, do: Callable[[Login], _Found], *, over_others: bool = False
    ) -> _Found:
        new, timeout = self._options.accept_new, self._options.step_timeout
        client = Client(self._way, relay, timeout, accept_new=new)
        with visit(client, self._kind, self._outcome.note, over_others=over_others) as login:
            return do(login)

    def _look(self, relay: Session | None) -> Seen:
        self._outcome.begin(StepName.READ)
        return self._visit(relay, self._whole.read)

    def _write(self, relay: Session | None, seen: Seen) -> Document:
        """Write what is wanted, unless the router has changed since it was looked at.

        Raises:
            PassthruError: it came to nothing before anything was sent.
        """
        self._outcome.begin(StepName.CHECK)
        new = self._whole.wanted(seen)

        def write(login: Login) -> str:
            if self._whole.read(login).again.fields != seen.again.fields:
                raise _stale("somebody else changed the router meanwhile")
            self._outcome.begin(StepName.APPLY)
            return login.refusal(login.ask(new))

        try:
            told = self._visit(relay, write)
        except PassthruError as error:
            if self._outcome.step is not StepName.APPLY:
                raise
            if isinstance(error, LostError):
                self._outcome.lost = error.findings
            else:
                self._problems = error.findings
        else:
            if told:
                self._problems = (Finding(Code.S813, f"the router refuses them: {told}"),)
        return new

    # the end

    def _settle(self, first: Session | None, old: Document, new: Document) -> Result:
        """Bring it to an end that is certain, over a new connection where there is one."""
        if self._problems or self._outcome.lost:
            self._outcome.went_wrong_at = self._outcome.step
        now = time.monotonic()
        last = min(now + self._options.confirm_timeout, self._began + self._options.deadline)
        soon = min(now + min(self._options.confirm_timeout / 2, _SOON), last)
        pause = 0.2
        while True:
            ended = self._tried(None, old, new)
            if ended is not None:
                return ended
            now = time.monotonic()
            if first is not None and now > soon:
                self._wrong(Code.S816, f"no new connection comes about: {self._last_try}")
                ended = self._tried(first, old, new)
                if ended is not None:
                    return ended
                first = None
            if now > last:
                return self._unclear(self._last_try)
            time.sleep(min(pause, max(0.0, last - now) + 0.1))
            pause = min(pause * 2, _SLOWEST_RETRY)

    def _tried(self, first: Session | None, old: Document, new: Document) -> Result | None:
        """Try to end it over this session, or a new one; ``None`` where the line did not hold."""
        try:
            with self._over(first) as relay:
                return self._conclude(relay, old, new)
        except PassthruError as error:
            self._last_try = error.findings[0].message
            codes = {found.code for found in error.findings}
            again = isinstance(error, TransportError) and not codes & _FINAL
            # whoever ended our session may have ended theirs since
            return None if again or Code.S854 in codes else self._unclear(self._last_try)

    @contextlib.contextmanager
    def _over(self, first: Session | None) -> Iterator[Session | None]:
        if first is not None or self._way.relay is None:
            yield first
            return
        timeout, new = self._options.connect_timeout, self._options.accept_new
        with Session(self._way.relay, timeout, accept_new=new) as session:
            yield session

    def _conclude(self, relay: Session | None, old: Document, new: Document) -> Result:
        """See what the router has; confirm, or take everything back."""
        self._outcome.begin(StepName.VERIFY)
        fields = self._fields(relay)
        if fields != new.fields and not (self._problems or self._taken_back):
            time.sleep(_AT_WORK)
            fields = self._fields(relay)
        if fields == old.fields:
            return self._old()
        if fields == new.fields and not self._problems:
            self._outcome.begin(StepName.CONFIRM)
            return self.result(State.CHANGED)
        if self._taken_back == _MOST_BACK:
            return self._unclear(f"the way back failed: {differing(fields, old.fields)}")
        if not self._problems:
            self._wrong(Code.S816, f"not as written: {differing(fields, new.fields)}")
        self._outcome.begin(StepName.ROLLBACK)
        self._taken_back += 1
        self._visit(relay, lambda login: login.ask(old), over_others=True)
        return self._conclude(relay, old, new)

    def _fields(self, relay: Session | None) -> Any:
        seen = self._visit(relay, self._whole.read, over_others=True)
        self._outcome.after = seen.observed
        return seen.again.fields

    def _old(self) -> Result:
        if self._taken_back:
            return self.result(State.ROLLED_BACK)
        if not (self._problems or self._outcome.lost):
            self._wrong(Code.S816, "the router said that it took the settings, and did not")
        return self.result(State.FAILED)

    def _wrong(self, code: Code, message: str) -> None:
        self._outcome.went_wrong_at = self._outcome.went_wrong_at or StepName.VERIFY
        self._problems = (*self._problems, Finding(code, message))

    def _unclear(self, why: str) -> Result:
        message = (
            "what the router has now was not seen; it has no dead-man, and takes all settings in "
            f"one request, the new ones or the old ones: {why}"
        )
        hint = "passthru push --check looks at it"
        return self.result(State.UNCLEAR, Finding(Code.S818, message, hint=hint))


def _stale(message: str) -> ApplyError:
    return ApplyError.of(Code.S811, message, hint="look at it again, or make a new plan")
