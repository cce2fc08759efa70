"""JNAP: every request carries account and password, so there is neither a log-in nor a log-out.

The results that end a log-in are those that https://github.com/linksys/PrivacyGUI knows.
"""

from __future__ import annotations

import base64
import json

from compiler.device.http.client import Client
from compiler.device.http.document import Document
from compiler.device.http.login import json_object, locked, refused, shown
from compiler.device.reach import reveal

_USER = "admin"
_REFUSED = frozenset({"_ErrorUnauthorized", "ErrorInvalidAdminPassword"})
_LOCKED = frozenset({"ErrorAdminAccountLocked", "ErrorPasswordCheckDelayed"})


class Jnap:
    """One visit to a router that speaks JNAP."""

    def __init__(self, client: Client) -> None:
        """Remember where to."""
        self._client = client

    def enter(self, *, over_others: bool) -> None:
        """Do nothing: the first request shows whether the password is right."""

    def ask(self, request: Document) -> str:
        """Send a request with the password."""
        way = self._client.way
        pair = f"{way.user or _USER}:{reveal(way.password)}"
        token = base64.b64encode(pair.encode()).decode()
        headers = {**request.headers, "X-JNAP-Authorization": f"Basic {token}"}
        reply = self._client.send(request.method, request.path, request.body, headers)
        if reply.status in (401, 403):
            raise refused(way.name)
        result = str(json_object(self._client, reply).get("result"))
        if result in _REFUSED:
            raise refused(way.name, shown(result))
        if result in _LOCKED:
            raise locked(way.name, shown(result))
        return reply.text

    def refusal(self, answer: str) -> str:
        """Say why not; ``result`` is ``OK`` where it was done."""
        result = json.loads(answer).get("result")
        return "" if result == "OK" else shown(result) or "no result"

    def leave(self) -> None:
        """Do nothing: there is no session."""
