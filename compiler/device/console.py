"""Commands to a router that has no POSIX shell, and what its answers say.

Every text goes as one command over a channel of its own. An exit status means nothing there: only
a verdict in the last line does (:mod:`compiler.model.console`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from compiler.device.job import Options
from compiler.device.script import Status, word
from compiler.device.session import Session
from compiler.device.shell import MOST_BYTES, Answer, OnMark, Pipe
from compiler.errors import ApplyError, LostError, TransportError
from compiler.model.console import Console, Send, Turn
from compiler.model.finding import Code
from compiler.model.step import StepName

_PAUSE = 0.3
_FAILED = 1
#: How a step's failure is told to the transaction.
_STATUS = {
    StepName.STAGE: Status.BROKEN,
    StepName.CHECK: Status.REFUSED,
    StepName.ARM: Status.UNARMED,
}


@dataclass(frozen=True, slots=True)
class _Said:
    verdict: str
    reason: str
    sections: Mapping[str, str]

    @property
    def failed(self) -> bool:
        return self.verdict != "ok"


class ConsoleDialogue:
    """One push's commands."""

    def __init__(self, console: Console, options: Options) -> None:
        """Make the marks of this push."""
        self._console = console
        self._turn = Turn(
            word=secrets.token_hex(8),
            mark=f"passthru-{secrets.token_hex(16)}",
            owner=word(options.operator),
            run=word(options.run),
            window=options.confirm_timeout,
            lease=int(2 * options.step_timeout),
        )
        self._seen: Mapping[str, str] = {}

    @property
    def token(self) -> str:
        """What this push's traces on the router are known by."""
        return self._turn.word

    def observe(self, session: Session, timeout: float, on_mark: OnMark | None = None) -> Answer:
        """Ask for facts, what an earlier dead-man left, and the managed settings."""
        said = self._ask(session, self._console.observe(self._turn.mark), timeout)
        if on_mark is not None:
            on_mark(StepName.READ)
        self._seen = said.sections
        return _answer(said)

    def begin(self, session: Session, timeout: float, on_mark: OnMark) -> Answer:
        """Take the lease, stage, check, arm, apply."""
        refusal = self._console.refusal(self._seen)
        if refusal:
            return Answer(Status.BUSY, {}, refusal)
        for send in self._console.begin(self._turn, self._seen):
            on_mark(send.step)
            said = self._ask(session, send.text, timeout, patience=timeout)
            answer = self._judged(send, said)
            if answer.status and send.step is not StepName.APPLY:
                self._ask(session, self._console.clean(self._turn), timeout)
                if answer.status == Status.UNFINISHED:
                    raise ApplyError.of(Code.S811, answer.err, hint="look at it again")
            if answer.status:
                return answer
        return Answer(0, {}, "")

    def _judged(self, send: Send, said: _Said) -> Answer:
        if said.verdict == "wait" and send.step is StepName.APPLY:
            raise LostError.of(Code.S807, "the router is still applying the settings")
        if said.verdict == "wait":
            return Answer(_STATUS[send.step], {}, "what was asked for does not come about")
        if said.failed:
            refused = said.verdict == "no" and send.anew
            status = Status.BUSY if refused else _STATUS.get(send.step, _FAILED)
            return Answer(status, {}, said.reason)
        if send.echo and _lines(said.sections.get("echo", "")) != _lines(send.echo):
            return Answer(_STATUS[send.step], {}, "what was sent did not arrive whole")
        now, before = (
            self._console.comparable(s.get("read", "")) for s in (said.sections, self._seen)
        )
        if send.anew and now != before:
            return Answer(Status.UNFINISHED, {}, "somebody else changed the router meanwhile")
        return Answer(0, {}, "")

    def after(self, session: Session, timeout: float) -> Answer:
        """Wait for an apply that is at work; say how things stand, verify, read."""
        console, turn = self._console, self._turn
        said = self._ask(session, console.after(turn, patient=True), timeout, patience=timeout)
        if said.verdict == "wait":
            said = self._ask(session, console.after(turn, patient=False), timeout)
        if not said.failed and not said.sections.get("state", "").split():
            self._ask(session, console.clean(turn), timeout)
        return _answer(said)

    def end(self, session: Session, how: str, timeout: float) -> Answer:
        """Confirm, or return to the old state."""
        said = self._ask(session, self._console.end(self._turn, how), timeout, patience=timeout)
        if said.failed:
            reason = said.reason or "the router does not come to an end with it"
            return Answer(_FAILED, {"end": "stuck"}, reason)
        return _answer(said)

    def _ask(self, session: Session, text: str, timeout: float, patience: float = 0.0) -> _Said:
        """Send a text, again while it says that it is not over and there is patience left."""
        last = time.monotonic() + patience
        while True:
            said = _judge(_exchange(session, text, timeout), self._turn.mark)
            if said.verdict != "wait" or time.monotonic() >= last:
                return said
            time.sleep(_PAUSE)


def _answer(said: _Said) -> Answer:
    return Answer(_FAILED if said.failed else 0, said.sections, said.reason)


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.rstrip("\r\n").split("\n")]


def _exchange(session: Session, text: str, timeout: float) -> str:
    """Run one command and give all that it prints.

    Raises:
        LostError: S806 the connection broke off, S807 it took too long, S808 the router starts no
            command any more.
    """
    try:
        out, whole = _output(session.pipe(text), timeout)
    except TimeoutError:
        message = f"{session.name} did not answer within {timeout:.0f} s"
        raise LostError.of(Code.S807, message) from None
    except TransportError as error:
        raise LostError(error.findings) from None
    if not whole:
        raise LostError.of(Code.S806, f"the connection to {session.name} broke off")
    return out.decode("utf-8", "replace").replace("\r\n", "\n")


def _output(pipe: Pipe, timeout: float) -> tuple[bytes, bool]:
    """Give all that a program prints, and whether it came to its end."""
    deadline = time.monotonic() + timeout
    out = bytearray()
    try:
        while (came := pipe.receive(max(0.0, deadline - time.monotonic()))) is not None:
            out += came[0] + came[1]
            if len(out) > MOST_BYTES:
                raise LostError.of(Code.S808, "the router prints without end")
        return bytes(out), pipe.status() is not None
    finally:
        pipe.close()


def _judge(output: str, mark: str) -> _Said:
    """Split an answer into sections; the verdict counts only as its last line."""
    sections: dict[str, list[str]] = {"": []}
    name, verdict = "", ""
    for line in output.rstrip("\n").split("\n"):
        verdict = ""
        if not line.startswith(f"{mark} "):
            sections[name].append(line)
            continue
        said = line.removeprefix(f"{mark} ")
        if said.startswith("= "):
            name = said.removeprefix("= ").strip()
            sections[name] = []
        else:
            verdict = said
    word_, _, reason = verdict.partition(" ")
    texts = {key: "".join(f"{line}\n" for line in lines) for key, lines in sections.items()}
    if word_ in ("ok", "wait", "no"):
        return _Said(word_, reason, texts)
    told = [line.strip() for lines in sections.values() for line in lines if line.strip()]
    return _Said("", told[-1] if told else "the router says nothing", texts)
