"""Which way a procedure asks for, and which of them a push can go: ``ssh`` and ``http``."""

from __future__ import annotations

from compiler.errors import ApplyError
from compiler.model.finding import Code
from compiler.model.step import StepName
from compiler.model.target import Guard, Procedure


def possible(procedure: Procedure, target: str, host: str) -> None:
    """See that a push can go this way.

    Raises:
        ApplyError: S819, it cannot; what a person does instead.
    """
    if procedure.transport == "ssh":
        if procedure.console is None:
            checked(procedure, target)
        return
    if procedure.transport == "http" and _lets_in(procedure.login):
        return
    step = procedure.step(StepName.APPLY)
    name = step.request if step else ""
    if procedure.transport == "http":
        why = "nobody has written down how its web interface lets one in"
        todo = f"{name} is the request that is to be sent"
    else:
        why, todo = "there is no way in", f"{name} says what to do by hand"
    hint = (
        f"OUT/{host}/{name} of `passthru compile -o OUT`" if name else f"passthru targets {target}"
    )
    raise ApplyError.of(
        Code.S819, f"not pushed: {why}" + (f"; {todo}" if name else ""), hint=hint, host=host
    )


def _lets_in(login: str) -> bool:
    from compiler.device.http.logins import LOGINS  # noqa: PLC0415 - only web interfaces need it

    return login in LOGINS


def checked(procedure: Procedure, target: str) -> Guard:
    """Give what takes a push over SSH back.

    Raises:
        ApplyError: S819, nothing does.
    """
    if procedure.guard is None:
        raise ApplyError.of(
            Code.S819,
            "not pushed: this target does not say how a push is taken back",
            hint=f"a target whose procedure has a guard, which {target} has not",
        )
    return procedure.guard
