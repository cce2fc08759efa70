"""D-Link's web interface: SOAP, with a log-in by challenge and a signature in each request."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from compiler.embedded.sites.interface import Reply, Request, Stored


class Hnap(Stored):
    """D-Link: a challenge, then every request signed with HMAC-MD5; what is missing is off."""

    _NAMESPACE = "http://purenetworks.com/HNAP1/"
    _FIELDS = ("SPIIPv4", "AntiSpoof", "ALGPPTP", "ALGIPSec", "ALGRTSP", "ALGSIP")

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values, dict.fromkeys(self._FIELDS, "true"))
        self._challenge = self._cookie = self._private = ""
        self._entered = False

    def answer(self, request: Request) -> Reply:
        """Answer."""
        action = request.headers.get("soapaction", "").strip('"').removeprefix(self._NAMESPACE)
        self.requests.append(action)
        if request.method != "POST" or not request.path.startswith("/HNAP1"):
            return Reply(404)
        try:
            fields = _soap_fields(request.body, action)
        except (ET.ParseError, ValueError):
            return Reply(500)
        if action == "Login":
            return self._login(request, fields)
        return self._object(request, action, fields)

    def _object(self, request: Request, action: str, fields: dict[str, str]) -> Reply:
        if not (self._entered and self._signed(request, action)):
            return Reply(401)
        if action == "GetFirewallSettings":
            return self._reply(action, {f"{action}Result": "OK", **self.settings})
        if action == "SetFirewallSettings":
            wanted = {n: "true" if fields.get(n) == "true" else "false" for n in self._FIELDS}
            self._store(wanted)
            return self._reply(action, {f"{action}Result": "OK"})
        return Reply(404)

    def _login(self, request: Request, fields: dict[str, str]) -> Reply:
        if fields.get("Action") == "request":
            public = secrets.token_hex(10)
            self._challenge, self._cookie = secrets.token_hex(10), secrets.token_hex(5)
            self._private = _hmac(public + self._password, self._challenge)
            self._entered = False
            told = {"Challenge": self._challenge, "Cookie": self._cookie, "PublicKey": public}
            return self._reply("Login", {"LoginResult": "OK", **told})
        right = fields.get("Username") == self._username and hmac.compare_digest(
            fields.get("LoginPassword", "").upper(), _hmac(self._private, self._challenge)
        )
        self._entered = bool(self._private) and right and self._signed(request, "Login")
        self.logins += self._entered
        return self._reply("Login", {"LoginResult": "success" if self._entered else "failed"})

    def _signed(self, request: Request, action: str) -> bool:
        told, _, stamp = request.headers.get("hnap_auth", "").partition(" ")
        expected = _hmac(self._private, f'{stamp}"{self._NAMESPACE}{action}"')
        cookie = f"uid={self._cookie}" in request.headers.get("cookie", "")
        return cookie and bool(stamp) and hmac.compare_digest(told.upper(), expected)

    def _reply(self, action: str, fields: Mapping[str, str]) -> Reply:
        inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
        body = (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
            f'<{action}Response xmlns="{self._NAMESPACE}">{inside}</{action}Response>'
            "</soap:Body></soap:Envelope>"
        )
        return Reply(body=body.encode(), kind="text/xml; charset=utf-8")


def _hmac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), "md5").hexdigest().upper()


def _soap_fields(body: bytes, action: str) -> dict[str, str]:
    if b"<!DOCTYPE" in body:
        raise ValueError("a document type is no part of SOAP")
    for element in ET.fromstring(body).iter():  # noqa: S314 - from a test's own client, no entities
        if element.tag.rpartition("}")[2] == action:
            return {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    raise ValueError("the body does not hold the action")
