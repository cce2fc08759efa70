"""The log-in of TP-Link's cgi firmware (``/cgi_gdpr?9``): one administrator at a time.

The router gives an RSA key and a sequence number; the session's cookie comes with the log-in, its
token stands in the index page. A log-in ends the session of whoever else is there without a word,
so whether there is somebody is asked first. Sources are in targets/tplink/README.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping

from compiler.device.http.cgiseal import Cbc, Mode, Seal
from compiler.device.http.client import Client, Reply
from compiler.device.http.document import Document
from compiler.device.http.login import (
    ended,
    locked,
    other_generation,
    refused,
    shown,
    taken,
    unusable,
    usable,
    word,
)
from compiler.device.http.textbook import Key
from compiler.device.reach import reveal

_USER = "user"
_PATH = "/cgi_gdpr?9"
_STACKS = {"stack": "0,0,0,0,0,0", "pstack": "0,0,0,0,0,0"}
#: What the firmware answers requests of a session with that is over.
_OVER = frozenset({401, 403, 406, 500})
_WRONG, _NOT_UNDERSTOOD = "71233", "71234"
_RESULT = re.compile(r"\$\.ret=(\d+)")
_TOKEN = re.compile(r"var\s+token\s*=\s*[\"']([0-9A-Za-z]+)[\"']")
_NOISE = str.maketrans("", "", "\r\n\t\0")
_CIPHER = "passthru_facts: {cipher: gcm} for newer firmware, cbc for older; or is it another one?"


class Cgi:
    """One session."""

    def __init__(self, client: Client, mode: Callable[[], Mode] = Cbc) -> None:
        """``mode`` is the one of AES that the firmware takes."""
        self._client = client
        self._mode = mode
        self._seal: Seal | None = None
        self._session = self._token = ""
        self._knows_by_token = False

    def enter(self, *, over_others: bool) -> None:
        """Fetch key and sequence number, log in, fetch the token."""
        key, sequence = self._key()
        if not over_others:
            self._see_that_nobody_is_in()
        digest = _md5(self._user + self._password)
        self._seal = Seal(self._mode(), key, sequence, digest)
        self._log_in(self._seal)
        self._token = self._fetched_token()

    def ask(self, request: Document) -> str:
        """Send a request, sealed; the answer is a JSON object."""
        reply = self._sealed(request.path, request.body)
        if reply.status in _OVER or reply.text.lstrip().startswith("<"):
            raise ended(self._name)
        text = self._opened(usable(self._client, reply)).translate(_NOISE)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise unusable(self._name, "answers with something that is no JSON object")
        return text

    def refusal(self, answer: str) -> str:
        """Say why not."""
        told = json.loads(answer)
        if told.get("success") is True:
            return ""
        return f"errorcode {shown(told['errorcode'])}" if "errorcode" in told else "no success"

    def leave(self) -> None:
        """Log out, so that a person can log in."""
        if self._session:
            usable(self._client, self._sealed(_PATH, _act("/cgi/logout", {})))

    @property
    def _name(self) -> str:
        return self._client.way.name

    @property
    def _user(self) -> str:
        return self._client.way.user or _USER

    @property
    def _password(self) -> str:
        return reveal(self._client.way.password) or ""

    def _key(self) -> tuple[Key, int]:
        reply = self._send("POST", "/cgi/getGDPRParm")
        if reply.status == 404:
            raise other_generation(
                self._name, "it has no /cgi/getGDPRParm, so its requests are of an older kind"
            )
        text = usable(self._client, reply).text
        if "eccPubKey" in text:
            raise other_generation(
                self._name, "it has a key on an elliptic curve, as the newest firmware has"
            )
        try:
            key = Key(int(_variable(text, "nn"), 16), int(_variable(text, "ee"), 16))
            return key, int(_variable(text, "seq"))
        except ValueError:
            hint = "is this another firmware?"
            raise unusable(self._name, "gives no RSA key and sequence number", hint) from None

    def _see_that_nobody_is_in(self) -> None:
        told = _variable(usable(self._client, self._send("POST", "/cgi/getBusy")).text, "isLogined")
        if told == "1":
            raise taken(self._name)
        if told != "0":
            raise unusable(self._name, "does not say whether somebody is logged in")

    def _log_in(self, seal: Seal) -> None:
        account = {"UserName": _base64(self._user), "Passwd": _base64(self._password)}
        plain = _act("/cgi/login", {**account, "Action": "1"})
        reply = self._send("POST", _PATH, seal.close(plain, login=True))
        if reply.status in (401, 403):
            raise refused(self._name)
        text = usable(self._client, reply).text
        clear = _RESULT.search(text)
        # a VR1200v answers in the clear, and knows the account by its token from then on
        told = text if clear else self._opened(reply, _CIPHER)
        result = clear or _RESULT.search(told)
        if result is None:
            raise unusable(self._name, "does not say whether the log-in is right")
        if result[1] != "0":
            raise self._judged(result[1], told)
        session = word(reply.cookies.get("JSESSIONID"))
        if session in ("", "deleted"):
            raise unusable(self._name, "gives no session")
        self._session = session
        self._knows_by_token = clear is not None

    def _fetched_token(self) -> str:
        reply = self._send("GET", "/")
        found = _TOKEN.search(reply.text) if reply.status == 200 else None
        if found is None:
            raise unusable(self._name, "gives no token after the log-in")
        if self._knows_by_token and self._seal is not None:
            self._seal.digest = _md5(self._user + found[1])
        return found[1]

    def _judged(self, code: str, told: str) -> Exception:
        if code == _NOT_UNDERSTOOD:
            return unusable(self._name, f"does not understand the log-in ({code})", _CIPHER)
        wait = _variable(told, "currForbidTime")
        if wait.isdecimal() and int(wait):
            return locked(self._name, f"{code}, for {wait[:6]} s")
        known = "the account may be admin or user" if code == _WRONG else ""
        return refused(self._name, f"{code}{f', {known}' if known else ''}")

    def _opened(self, reply: Reply, hint: str = "") -> str:
        try:
            if self._seal is not None:
                return self._seal.open("".join(reply.text.split()))
        except ValueError:
            pass
        raise unusable(self._name, "gives a sealed answer that cannot be opened", hint)

    def _sealed(self, path: str, plain: bytes) -> Reply:
        if self._seal is None:
            raise ended(self._name)
        return self._send("POST", path, self._seal.close(plain))

    def _send(self, method: str, path: str, body: bytes = b"") -> Reply:
        origin = self._client.way.origin
        headers = {
            "Content-Type": "text/plain",
            # without these two, the firmware answers 403 or 406
            "Referer": f"{origin}/",
            "User-Agent": "Mozilla/5.0",
            "Origin": origin,
        }
        if self._session:
            headers["Cookie"] = f"JSESSIONID={self._session}"
        if self._token:
            headers["TokenID"] = self._token
        return self._client.send(method, path, body, headers)


def _act(name: str, data: Mapping[str, str]) -> bytes:
    act = {"data": {**data, **_STACKS}, "operation": "cgi", "oid": name}
    return json.dumps(act, separators=(",", ":")).encode()


def _variable(text: str, name: str) -> str:
    """Give a JavaScript variable of an answer; nothing where there is none."""
    found = re.search(rf"\b{name}\s*=\s*[\"']?([0-9A-Za-z]+)", text)
    return found[1] if found else ""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - what the interface does
