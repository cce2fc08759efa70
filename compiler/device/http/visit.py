"""A visit to a web interface: from the log-in to the log-out, whatever happens between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from compiler.device.http.client import Client
from compiler.device.http.login import Login
from compiler.device.http.logins import LOGINS
from compiler.errors import PassthruError
from compiler.model.finding import Finding, Severity


@contextlib.contextmanager
def visit(
    client: Client, kind: str, note: Callable[[Finding], None], *, over_others: bool = False
) -> Iterator[Login]:
    """Log in, and out at the end. A log-out that fails is noted.

    Raises:
        PassthruError: the log-in is refused, or cannot be made.
    """
    login = LOGINS[kind](client)
    try:
        login.enter(over_others=over_others)
        yield login
    except BaseException:
        with contextlib.suppress(PassthruError):
            login.leave()
        raise
    try:
        login.leave()
    except PassthruError as error:
        first = error.findings[0]
        message = f"the log-out failed, nobody else may get in for a while: {first.message}"
        note(replace(first, message=message, severity=Severity.WARNING, host=client.way.host))
