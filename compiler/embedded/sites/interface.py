"""What every web interface is: it answers requests, and keeps settings as its firmware does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Its answer; a body that is no bytes is sent as JSON."""

    status: int = 200
    body: Any = b""
    kind: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)


class Site(Protocol):
    """A web interface."""

    settings: dict[str, Any]
    readonly: bool
    logins: int
    writes: int
    requests: list[str]

    def answer(self, request: Request) -> Reply:
        """Answer."""

    def expire(self) -> None:
        """End all sessions, as time does."""


class Stored:
    """The part of an interface that keeps settings, and counts what is done to them."""

    def __init__(self, values: Mapping[str, Any], settings: dict[str, Any]) -> None:
        self._username: str = values["username"]
        self._password: str = values["password"]
        self._encrypted: bool = values["encrypted"]
        self.settings = settings
        self.readonly = False
        self.logins = self.writes = 0
        self.requests: list[str] = []

    def expire(self) -> None:
        """Do nothing, where nobody is kept out by a session."""

    def _store(self, settings: dict[str, Any]) -> None:
        self.writes += 1
        if not self.readonly:
            self.settings = settings
