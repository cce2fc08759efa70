"""The log-in of Omada controllers: a cookie, a token for every request, and a site by its name.

Gateways have no interface of their own for this; the controller holds their settings, and brings
them to a gateway when it is connected. Sources are in targets/tplink/README.md.
"""

from __future__ import annotations

import json
from typing import Any

from compiler.device.http.client import Client, Reply
from compiler.device.http.document import Document
from compiler.device.http.login import (
    ended,
    json_object,
    locked,
    other_generation,
    refused,
    shown,
    unusable,
    word,
)
from compiler.device.reach import reveal
from compiler.errors import ApplyError
from compiler.model.finding import Code

_USER = "admin"
_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_NO_SESSION = frozenset({301, 302, 303, 307, 401})
_OVER = frozenset({"-1000", "-1200", "-1400", "-1401"})
_PAGE = 100
_MOST_PAGES = 50


class Omada:
    """One session with one controller, at one of its sites."""

    def __init__(self, client: Client) -> None:
        """Remember where to."""
        self._client = client
        self._controller = self._token = self._site = ""
        self._cookies: dict[str, str] = {}

    def enter(self, *, over_others: bool) -> None:
        """Ask for the controller's id, log in, find the site. Others may be logged in as well."""
        del over_others
        if not self._client.way.https:
            raise ApplyError.of(
                Code.S809,
                "passthru_https is not true: a controller is spoken to by HTTPS only",
                hint="passthru_https: true, and passthru_https_fingerprint or --accept-new",
            )
        self._controller = self._found_controller()
        self._log_in()
        self._site = self._found_site()

    def ask(self, request: Document) -> str:
        """Send a request with the ids in its path."""
        path = request.path.replace("{omadacId}", self._controller)
        reply = self._send(request.method, path.replace("{site}", self._site), request.body)
        self._object(reply)
        return reply.text

    def refusal(self, answer: str) -> str:
        """Say why not."""
        return _refusal(json.loads(answer))

    def leave(self) -> None:
        """Log out."""
        if self._token:
            self._object(self._send("POST", self._page("logout")))

    @property
    def _name(self) -> str:
        return self._client.way.name

    def _page(self, page: str) -> str:
        return f"/{self._controller}/api/v2/{page}"

    def _found_controller(self) -> str:
        told = self._result(json_object(self._client, self._send("GET", "/api/info")))
        found = told.get("omadacId")
        if not found:
            raise other_generation(
                self._name, "it tells no omadacId, as controllers before version 5 do"
            )
        if not word(found):
            raise unusable(self._name, "tells no id that can be one")
        return word(found)

    def _log_in(self) -> None:
        account = {
            "username": self._client.way.user or _USER,
            "password": reveal(self._client.way.password) or "",
        }
        body = json.dumps(account).encode()
        told = json_object(self._client, self._send("POST", self._page("login"), body))
        why = _refusal(told)
        if why:
            raise locked(self._name, why) if "lock" in why.lower() else refused(self._name, why)
        result = told.get("result")
        self._token = word(result.get("token")) if isinstance(result, dict) else ""
        if not self._token:
            raise refused(self._name, "no token is given; does the account have a second factor?")

    def _found_site(self) -> str:
        sites = self._sites()
        wanted = self._client.way.site
        meant = [site for site in sites if not wanted or site.get("name") == wanted]
        found = word(meant[0].get("id")) if len(meant) == 1 else ""
        if found:
            return found
        known = ", ".join(sorted(shown(site.get("name")) for site in sites)[:10])
        what = f"names no site of {self._name}" if wanted else "is not set"
        raise ApplyError.of(
            Code.S809, f"passthru_site {what}", hint=f"the account sees: {known or 'none'}"
        )

    def _sites(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number in range(1, _MOST_PAGES + 1):
            page = self._page(f"sites?currentPage={number}&currentPageSize={_PAGE}")
            told = self._result(self._object(self._send("GET", page)))
            rows, total = told.get("data"), told.get("totalRows")
            if not isinstance(rows, list) or not isinstance(total, int):
                break
            found += [row for row in rows if isinstance(row, dict)]
            if len(found) >= total or not rows:
                return found
        raise unusable(self._name, "gives no list of its sites")

    def _object(self, reply: Reply) -> dict[str, Any]:
        """Read an answer within the session; without one, there is another page or another code."""
        if reply.status in _NO_SESSION or (reply.status == 200 and reply.kind == "text/html"):
            raise ended(self._name)
        told = json_object(self._client, reply)
        if str(told.get("errorCode")) in _OVER:
            raise ended(self._name)
        return told

    def _result(self, told: dict[str, Any]) -> dict[str, Any]:
        why, result = _refusal(told), told.get("result")
        if why or not isinstance(result, dict):
            raise unusable(self._name, f"does not answer: {why or 'no result'}")
        return result

    def _send(self, method: str, path: str, body: bytes = b"") -> Reply:
        origin = self._client.way.origin
        headers = {**(_JSON if body else {}), "Referer": f"{origin}/", "Origin": origin}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={v}" for name, v in self._cookies.items())
        if self._token:
            headers |= {"Csrf-Token": self._token, "Omada-Request-Source": "web-local"}
        reply = self._client.send(method, path, body, headers)
        self._cookies |= reply.cookies
        return reply


def _refusal(told: dict[str, Any]) -> str:
    code = told.get("errorCode")
    if code == 0 and not isinstance(code, bool):
        return ""
    return f"{shown(told.get('msg')) or 'no reason given'}, errorCode {shown(code)}"
