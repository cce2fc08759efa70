"""Linksys' web interface: JSON, with the action and the password in headers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from compiler.embedded.sites.interface import Reply, Request, Stored


class Jnap(Stored):
    """Linksys: every request carries the password; a write takes the whole object of nine."""

    _ACTION = "http://linksys.com/jnap/"
    _OBJECT = {  # noqa: RUF012 - never changed
        "isIPv4FirewallEnabled": True,
        "isIPv6FirewallEnabled": True,
        "blockMulticast": False,
        "blockNATRedirection": False,
        "blockIDENT": True,
        "blockAnonymousRequests": True,
        "blockIPSec": False,
        "blockPPTP": False,
        "blockL2TP": False,
    }

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values, dict(self._OBJECT))

    def answer(self, request: Request) -> Reply:
        """Answer."""
        action = request.headers.get("x-jnap-action", "").strip('"').removeprefix(self._ACTION)
        self.requests.append(action)
        if request.method != "POST" or not request.path.startswith("/JNAP"):
            return Reply(404)
        token = base64.b64encode(f"{self._username}:{self._password}".encode()).decode()
        if request.headers.get("x-jnap-authorization") != f"Basic {token}":
            return Reply(body={"result": "_ErrorUnauthorized"})
        self.logins += 1
        try:
            return Reply(body=self._act(action, json.loads(request.body or b"{}")))
        except ValueError:
            return Reply(body={"result": "_ErrorInvalidInput"})

    def _act(self, action: str, asked: Any) -> dict[str, Any]:
        if action == "core/Transaction" and isinstance(asked, list):
            done = [
                self._act(each["action"].removeprefix(self._ACTION), each.get("request", {}))
                for each in asked
            ]
            return {"result": "OK", "responses": done}
        if action == "core/CheckAdminPassword":
            return {"result": "OK"}
        if action == "firewall/GetFirewallSettings":
            return {"result": "OK", "output": self.settings}
        if action == "firewall/SetFirewallSettings":
            whole = isinstance(asked, dict) and asked.keys() == self._OBJECT.keys()
            if not whole or any(not isinstance(value, bool) for value in asked.values()):
                return {"result": "_ErrorInvalidInput"}
            self._store(asked)
            return {"result": "OK"}
        return {"result": "_ErrorUnknownAction"}
