"""HNAP: a challenge, then every request signed with HMAC-MD5. It has no log-out that is known.

The order of requests follows https://pypi.org/project/hnap/ (no line of it is here).
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

from compiler.device.http.client import Client, Reply
from compiler.device.http.document import Document
from compiler.device.http.login import locked, refused, shown, taken, unusable, usable
from compiler.device.reach import reveal
from compiler.errors import NativeError
from compiler.toggles import xmltext
from compiler.toggles.soap import envelope

_USER = "Admin"
_NAMESPACE = "http://purenetworks.com/HNAP1/"
_PATH = "/HNAP1/"
_DONE = frozenset({"ok", "success", "reboot", "restart"})


class Hnap:
    """One session with a router that speaks HNAP."""

    def __init__(self, client: Client) -> None:
        """Remember where to."""
        self._client = client
        self._private = self._cookie = self._action = ""

    def enter(self, *, over_others: bool) -> None:
        """Ask for a challenge and answer it."""
        del over_others
        way = self._client.way
        user = way.user or _USER
        asked = self._login({"Action": "request", "Username": user, "LoginPassword": ""})
        challenge, public = asked.get("Challenge", ""), asked.get("PublicKey", "")
        self._cookie = asked.get("Cookie", "")
        if not (challenge and public and self._cookie.isprintable()):
            raise _judged(way.name, asked.get("LoginResult", ""))
        password = reveal(way.password) or ""
        self._private = _sign(public + password, challenge)
        answer = _sign(self._private, challenge)
        told = self._login({"Action": "login", "Username": user, "LoginPassword": answer})
        result = told.get("LoginResult", "")
        if result.lower() not in _DONE:
            raise _judged(way.name, result)

    def ask(self, request: Document) -> str:
        """Send a signed request."""
        self._action = request.headers["SOAPAction"].strip('"').rpartition("/")[2]
        reply = self._send(request.path, request.body, request.headers)
        if reply.status in (401, 403):
            raise taken(self._client.way.name, "the session is gone")
        return usable(self._client, reply).text

    def refusal(self, answer: str) -> str:
        """Say why not: the leaf ``ACTIONResult`` says whether it was done."""
        try:
            leaves = xmltext.leaves(answer, f"{self._action}Response", "its answer")
        except NativeError as error:
            return error.findings[0].message
        leaf = leaves.get(f"{self._action}Result")
        result = leaf.text if leaf else ""
        return "" if result.lower() in _DONE else shown(result) or "no result"

    def leave(self) -> None:
        """Do nothing: the session ends by itself, and another one may begin meanwhile."""

    def _login(self, fields: dict[str, str]) -> dict[str, str]:
        body = envelope("Login", _NAMESPACE, {**fields, "Captcha": ""}).encode()
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{_NAMESPACE}Login"',
        }
        reply = self._send(_PATH, body, headers)
        name = self._client.way.name
        if reply.status in (401, 403):
            raise refused(name)
        try:
            leaves = xmltext.leaves(
                usable(self._client, reply).text, "LoginResponse", "the answer to the log-in"
            )
        except NativeError as error:
            raise unusable(name, f"is not understood: {error.findings[0].message}") from None
        return {key: leaf.text for key, leaf in leaves.items()}

    def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        given = dict(headers)
        if self._cookie:
            given["Cookie"] = f"uid={self._cookie}"
        if self._private:
            stamp = str(int(time.time()))
            given["HNAP_AUTH"] = f"{_sign(self._private, stamp + given['SOAPAction'])} {stamp}"
        return self._client.post(path, body, given)


def _judged(name: str, result: str) -> Exception:
    if "lock" in result.lower():
        return locked(name, shown(result))
    return refused(name, shown(result))


def _sign(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), "md5").hexdigest().upper()
