"""How web interfaces let one in: the contract, and what all of them answer with.

A password that a router refuses is never sent a second time: many lock the door after a few.
"""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from compiler.device.http.client import Client, Reply
from compiler.device.http.document import Document
from compiler.errors import ApplyError, TransportError
from compiler.model.finding import Code

_OK = 200
_REDIRECTS = range(300, 400)
_LONGEST_TOLD = 120
_WORD = re.compile(r"[0-9A-Za-z_-]{1,200}")


class Login(Protocol):
    """One log-in to one router."""

    def enter(self, *, over_others: bool) -> None:
        """Log in. ``over_others`` ends the session of whoever else is logged in.

        Raises:
            TransportError: S804, S855 it is refused; what a request raises.
            ApplyError: S854 somebody else is logged in, S808 this is another interface.
        """
        ...

    def ask(self, request: Document) -> str:
        """Send a request and give the text of the answer, which may be a refusal.

        Raises:
            TransportError: as above, S854 the session was taken away.
            ApplyError: S808, it is no answer to such a request.
        """
        ...

    def refusal(self, answer: str) -> str:
        """Say why the router did not do what was asked; nothing where it did."""
        ...

    def leave(self) -> None:
        """Log out, where the interface knows that and a log-in has come about."""
        ...


def refused(name: str, told: str = "") -> TransportError:
    """Give the error for a log-in that the router does not take."""
    return TransportError.of(
        Code.S804,
        f"{name} refuses the log-in{_aside(told)}",
        hint="ansible_password, ansible_user; it was tried once, since routers lock after a few",
    )


def locked(name: str, told: str = "") -> TransportError:
    """Give the error for a router that takes no log-in from anybody for some time."""
    return TransportError.of(
        Code.S855, f"{name} allows no log-in for now{_aside(told)}", hint="wait, then try once"
    )


def taken(name: str, told: str = "") -> ApplyError:
    """Give the error for a router that somebody else is logged in to."""
    return ApplyError.of(
        Code.S854,
        f"somebody else is logged in to {name}{_aside(told)}",
        hint="it takes one administrator at a time: wait until they have logged out",
    )


def ended(name: str) -> ApplyError:
    """Give the error for a session that is over before its time."""
    return ApplyError.of(
        Code.S854,
        f"{name} has ended this session",
        hint="somebody else has logged in, or it took too long: try again when they are done",
    )


def other_generation(name: str, why: str) -> ApplyError:
    """Give the error for firmware whose requests nobody has written down."""
    return ApplyError.of(
        Code.S819,
        f"not pushed: {name} is of another generation: {why}",
        hint="the target's README says which are known; write.json says what is to be sent",
    )


def unusable(name: str, what: str, hint: str = "") -> ApplyError:
    """Give the error for an answer that is none."""
    return ApplyError.of(Code.S808, f"{name} {what}", hint=hint)


def usable(client: Client, reply: Reply) -> Reply:
    """See that an answer is one, and neither another page nor an error of the server.

    Raises:
        ApplyError: S808.
    """
    name = client.way.name
    if reply.status in _REDIRECTS:
        hint = "is it passthru_https: true, or another firmware?"
        raise unusable(name, f"redirects to another page (HTTP {reply.status})", hint)
    if reply.status != _OK:
        raise unusable(name, f"answers with HTTP {reply.status}", "is this another firmware?")
    if reply.text.lstrip()[:1] == "<" and reply.kind == "text/html" and _is_page(reply.text):
        raise unusable(name, "answers with a web page", "is this another firmware?")
    return reply


def _is_page(text: str) -> bool:
    start = text[:2048].lower()
    return "<html" in start or "<!doctype" in start


def json_object(client: Client, reply: Reply) -> dict[str, Any]:
    """Read an answer as a JSON object.

    Raises:
        ApplyError: S808.
    """
    try:
        data = json.loads(usable(client, reply).text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise unusable(client.way.name, "answers with something that is no JSON object")
    return data


def word(value: Any) -> str:
    """Give a token or an id of a router's answer; nothing where it can be none.

    What passes here may stand in a path and in a header.
    """
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def shown(value: Any) -> str:
    """Give a word of a router's answer for a message."""
    text = "".join(char if char.isprintable() else "?" for char in str(value or ""))
    return text[:_LONGEST_TOLD]


def _aside(told: str) -> str:
    return f" ({told})" if told else ""
