"""What is said to a router in a push: scripts to a shell, or commands where there is none.

A transaction knows the steps and what their answers mean; a dialogue knows how they are put.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from compiler.device import transports
from compiler.device.console import ConsoleDialogue
from compiler.device.job import Job, Options
from compiler.device.script import Scripts
from compiler.device.session import Session
from compiler.device.shell import Answer, OnMark
from compiler.model.target import Procedure


class Dialogue(Protocol):
    """The four things that a push says. Answers have the sections of the shell's scripts.

    Each raises LostError where the line broke off or the answer did not come in time: what was
    asked for may have happened or not.
    """

    @property
    def token(self) -> str:
        """What this push's traces on the router are known by."""
        ...

    def observe(self, session: Session, timeout: float, on_mark: OnMark | None = None) -> Answer:
        """Ask for facts, what an earlier dead-man left, and the managed settings."""
        ...

    def begin(self, session: Session, timeout: float, on_mark: OnMark) -> Answer:
        """Take the lease, stage, check, arm, apply."""
        ...

    def after(self, session: Session, timeout: float) -> Answer:
        """Wait for an apply that is at work; say how things stand, verify, read."""
        ...

    def end(self, session: Session, how: str, timeout: float) -> Answer:
        """Confirm, or return to the old state."""
        ...


def dialogue(procedure: Procedure, job: Job, options: Options) -> Dialogue:
    """Give the dialogue that a procedure asks for.

    Raises:
        ApplyError: S819, there is none.
    """
    if procedure.console is not None:
        return ConsoleDialogue(procedure.console, options)
    guard = transports.checked(procedure, job.device.target)
    return ShellDialogue(Scripts(procedure, guard, secrets.token_hex(8)), job, options)


class ShellDialogue:
    """Scripts for a POSIX shell."""

    def __init__(self, scripts: Scripts, job: Job, options: Options) -> None:
        """Say what is pushed."""
        self._scripts = scripts
        self._bundle = job.bundle
        self._options = options
        self._tools: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """What this push's traces on the router are known by."""
        return self._scripts.token

    def observe(self, session: Session, timeout: float, on_mark: OnMark | None = None) -> Answer:
        """Ask for facts, what an earlier dead-man left, and the managed settings."""
        answer = session.shell.run(self._scripts.observe(), timeout, on_mark, at_once=True)
        self._tools = tuple(answer["tools"].split())
        return answer

    def begin(self, session: Session, timeout: float, on_mark: OnMark) -> Answer:
        """Take the lease, stage, check, arm, apply."""
        window = self._options.confirm_timeout
        script = self._scripts.begin(self._bundle, self._tools, self._options, window)
        return session.shell.run(script, timeout, on_mark)

    def after(self, session: Session, timeout: float) -> Answer:
        """Wait for an apply that is at work; say how things stand, verify, read."""
        patience = int(timeout)
        script = self._scripts.after(patience)
        return session.shell.run(script, timeout + patience, at_once=True)

    def end(self, session: Session, how: str, timeout: float) -> Answer:
        """Confirm, or return to the old state."""
        return session.shell.run(self._scripts.end(how), timeout, at_once=True)
