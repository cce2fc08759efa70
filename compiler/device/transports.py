"""Which way a procedure asks for, and which of them a push can go.

``http`` (a web interface through an SSH tunnel) has its place here and is not built yet; ``file``
has no way to the router at all.
"""

from __future__ import annotations

from compiler.errors import ApplyError
from compiler.model.finding import Code
from compiler.model.target import Guard, Procedure

_INSTEAD = {
    "http": "its settings go through a web interface, which a push does not speak yet",
    "file": "there is no way in; its bundle says what to do by hand",
}


def checked(procedure: Procedure, target: str) -> Guard:
    """See that a push can go this way, and give what takes it back.

    Raises:
        ApplyError: S819, it cannot.
    """
    if procedure.transport != "ssh":
        why = _INSTEAD.get(procedure.transport, f"it asks for {procedure.transport!r}")
        raise ApplyError.of(Code.S819, f"not pushed: {why}", hint=f"passthru targets {target}")
    if procedure.guard is None:
        raise ApplyError.of(
            Code.S819,
            "not pushed: this target does not say how a push is taken back",
            hint="a target whose procedure has a guard",
        )
    return procedure.guard
