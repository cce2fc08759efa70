"""The lease on a router that has no place for one: it lies where the requests come from.

That is the host in ``passthru_via``, or this machine. It expires by itself, and with a reboot.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from compiler.device.http.way import WebWay
from compiler.device.job import Options
from compiler.device.reach import Way
from compiler.device.script import word
from compiler.device.session import Session
from compiler.errors import ApplyError, PassthruError, TransportError
from compiler.model.finding import Code, Finding, Severity
from compiler.source.printing import environment

if TYPE_CHECKING:
    from jinja2 import Environment

_BUSY = 103


@contextlib.contextmanager
def leased(
    session: Session, place: Way, web: WebWay, options: Options, note: Callable[[Finding], None]
) -> Iterator[None]:
    """Hold the lease on a router. Where the host runs no commands, that is noted, and no more.

    ``session`` leads to ``place``, where the lease lies; if it has ended meanwhile, another one
    gives the lease back.

    Raises:
        ApplyError: S810, somebody else has it.
    """
    router = hashlib.sha256(web.router.encode()).hexdigest()[:16]
    token = secrets.token_hex(8)
    number = _taken(session, web, options, (router, token), note)
    try:
        yield
    finally:
        if number:
            script = _print("release.sh.j2", router=router, token=token, number=number)
            _give_back(session, place, script, options)


def _give_back(session: Session, place: Way, script: str, options: Options) -> None:
    try:
        session.shell.run(script, options.connect_timeout)
    except TransportError:
        with (
            contextlib.suppress(PassthruError),  # then it expires
            Session(place, options.connect_timeout) as another,
        ):
            another.shell.run(script, options.connect_timeout)


def _taken(
    session: Session,
    web: WebWay,
    options: Options,
    names: tuple[str, str],
    note: Callable[[Finding], None],
) -> int:
    script = _print(
        "lease.sh.j2",
        router=names[0],
        token=names[1],
        owner=word(options.operator),
        run=word(options.run),
        seconds=int(options.deadline) + options.confirm_timeout,
        busy=_BUSY,
    )
    try:
        answer = session.shell.run(script, options.connect_timeout)
    except TransportError as error:
        note(_without(web, error.findings[0].message))
        return 0
    if answer.status == _BUSY:
        held = "".join(char if char.isprintable() else "?" for char in answer.err.strip())
        raise ApplyError.of(Code.S810, f"another push is at work: {held[:200]}", host=web.host)
    number = answer["number"].strip()
    if answer.status != 0 or not number.isdecimal():
        note(_without(web, f"no lease can be made in its /tmp (exit status {answer.status})"))
        return 0
    return int(number)


def _without(web: WebWay, why: str) -> Finding:
    return Finding(
        Code.S856,
        f"nothing keeps two pushes at once from this router: {why}",
        Severity.WARNING,
        hint="the host in passthru_via must run `sh -s` for that",
        host=web.host,
    )


def _print(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    return environment("compiler.device.http")
