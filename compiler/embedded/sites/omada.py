"""An Omada controller: HTTPS, a cookie and a token, sites; an object is put whole.

What a write leaves out goes back to the factory's value, and what the controller owns is refused in
one. Without a session, requests are sent to the log-in page.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from compiler.embedded.sites.interface import Reply, Request, Stored

_ID = "c0ffee5ca1ab1e00c0ffee5ca1ab1e00"
_SITE = "5f0000000000000000000001"
_OWNED: Mapping[str, Any] = {"supportAlg": True, "existSipAlgConfig": False, "resource": 0}


class Omada(Stored):
    """A controller with the site Default, whose gateway has this ALG object."""

    _OBJECT: Mapping[str, Any] = {
        "ftp": True,
        "ftpPorts": [21],
        "h323": True,
        "pptp": True,
        "ipSec": True,
        "sip": False,
        "sipPorts": [5060, 5061],
        "newerSetting": {"kept": [None, 1.5]},
    }

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values, dict(self._OBJECT))
        self._sessions: dict[str, str] = {}

    def answer(self, request: Request) -> Reply:
        """Answer."""
        url = urlsplit(request.path)
        page = url.path.removeprefix(f"/{_ID}/api/v2/")
        self.requests.append(f"{request.method} {page}")
        if (request.method, url.path) == ("GET", "/api/info"):
            return _said({"omadacId": _ID, "controllerVer": "5.14.26.1", "apiVer": "3"})
        if page == url.path:
            return _refused(-1600, "Unsupported request path.")
        if (request.method, page) == ("POST", "login"):
            return self._enter(json.loads(request.body))
        cookie = request.headers.get("cookie", "").removeprefix("TPOMADA_SESSIONID=")
        if cookie not in self._sessions:
            return Reply(302, headers={"Location": f"/{_ID}/login"})
        if request.headers.get("csrf-token") != self._sessions[cookie]:
            return _refused(-1400, "The token is invalid.")
        return self._page(request, page, parse_qs(url.query), cookie)

    def _enter(self, account: dict[str, str]) -> Reply:
        right = account.get("username") == self._username and hmac.compare_digest(
            account.get("password", "").encode(), self._password.encode()
        )
        if not right:
            return _refused(-30109, "Invalid username or password.")
        self.logins += 1
        cookie, token = secrets.token_hex(16), secrets.token_hex(16)
        self._sessions[cookie] = token
        headers = {"Set-Cookie": f"TPOMADA_SESSIONID={cookie}; Path=/; HttpOnly; Secure"}
        return _said({"omadacId": _ID, "token": token}, headers)

    def _page(self, request: Request, page: str, query: dict[str, list[str]], cookie: str) -> Reply:
        match request.method, page:
            case "POST", "logout":
                del self._sessions[cookie]
                return _said(None)
            case "GET", "sites" if {"currentPage", "currentPageSize"} <= query.keys():
                site = {"id": _SITE, "name": "Default", "primary": True}
                return _said({"totalRows": 1, "currentPage": 1, "currentSize": 1, "data": [site]})
            case "GET", "sites":
                return _refused(-1001, "Invalid request parameters.")
        alg = page == f"sites/{_SITE}/setting/transmission/alg"
        if alg and request.method == "GET":
            return _said({**self.settings, **_OWNED})
        if alg and request.method == "PUT":
            return self._put(json.loads(request.body))
        return _refused(-1600, "Unsupported request path.")

    def _put(self, wanted: dict[str, Any]) -> Reply:
        if not wanted.keys() <= self._OBJECT.keys():
            return _refused(-1001, "Invalid request parameters.")
        self._store({**self._OBJECT, **wanted})
        return _said(None)


def _said(result: Any, headers: Mapping[str, str] | None = None) -> Reply:
    body = {"errorCode": 0, "msg": "Success.", "result": result}
    return Reply(body=body, headers=headers or {})


def _refused(code: int, message: str) -> Reply:
    return Reply(body={"errorCode": code, "msg": message})
