"""What the web interfaces answer: TP-Link (luci), Linksys (JNAP) and D-Link (HNAP).

The log-ins follow public clients of such routers; the objects are those of the targets' README
files. Each keeps ``settings`` as its firmware stores them, and counts ``logins`` and ``writes``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from compiler.embedded import rsa


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


def site(values: Mapping[str, Any]) -> Site:
    """Make a web interface.

    Raises:
        ValueError: there is none of that kind.
    """
    kinds: dict[str, Callable[[Mapping[str, Any]], Site]] = {
        "tplink": Luci,
        "jnap": Jnap,
        "hnap": Hnap,
    }
    if values["kind"] not in kinds:
        raise ValueError(f"there is no kind {values['kind']!r}: {', '.join(kinds)}")
    return kinds[values["kind"]](values)


class _Base:
    def __init__(self, values: Mapping[str, Any], settings: dict[str, Any]) -> None:
        self._username: str = values["username"]
        self._password: str = values["password"]
        self._encrypted: bool = values["encrypted"]
        self.settings = settings
        self.readonly = False
        self.logins = self.writes = 0
        self.requests: list[str] = []

    def _store(self, settings: dict[str, Any]) -> None:
        self.writes += 1
        if not self.readonly:
            self.settings = settings


class Luci(_Base):
    """TP-Link with ``stok``: one administrator at a time, a write takes the whole form.

    ``form=keys`` gives the RSA key for the password, ``form=auth`` a sequence number and the key
    for signatures. Where requests are sealed, ``data`` is AES-CBC under a key that the client
    sends in the signature of its log-in.
    """

    _FORM = ("ftp", "tftp", "h323", "rtsp", "sip", "pptp", "l2tp", "ipsec")

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values, dict.fromkeys(self._FORM, "on"))
        self._stok = self._cookie = ""
        self._sequence = secrets.randbelow(10**9)
        self._aes: tuple[bytes, bytes] | None = None

    @cached_property
    def _password_key(self) -> rsa.Key:
        return rsa.generate(1024)

    @cached_property
    def _sign_key(self) -> rsa.Key:
        return rsa.generate(512)

    def answer(self, request: Request) -> Reply:
        """Answer."""
        url = urlsplit(request.path)
        query = {**_form(url.query), **_form(request.body.decode("latin-1"))}
        before, _, place = url.path.partition("/cgi-bin/luci/;stok=")
        stok, _, page = place.partition("/")
        self.requests.append(f"{page}?form={query.get('form', '')}")
        if before or request.method not in ("POST", "GET"):
            return Reply(404)
        if page == "login":
            return self._login(query)
        cookie = f"sysauth={self._cookie}"
        if not self._stok or stok != self._stok or cookie not in request.headers.get("cookie", ""):
            return Reply(403)
        return self._page(page, query)

    def _login(self, query: dict[str, str]) -> Reply:
        match query.get("form"):
            case "keys":
                keys = {"password": self._password_key.public, "mode": "router", "username": ""}
                return Reply(body={"success": True, "data": keys})
            case "auth" if self._encrypted:
                data = {"key": self._sign_key.public, "seq": self._sequence}
                return Reply(body={"success": True, "data": data})
            case "login":
                return self._enter(query)
        return Reply(404)

    def _enter(self, query: dict[str, str]) -> Reply:
        try:
            fields = self._opened(query, login=True) if self._encrypted else query
            password = self._password_key.open(fields.get("password", ""))
        except (ValueError, KeyError):
            return Reply(403)
        if not hmac.compare_digest(password, self._password.encode()):
            failed = {"success": False, "errorcode": "login failed", "data": {"failureCount": 1}}
            return Reply(body=failed if not self._encrypted else self._sealed(failed))
        self.logins += 1
        self._stok, self._cookie = secrets.token_hex(16), secrets.token_hex(16)
        entered = {"success": True, "data": {"stok": self._stok}}
        headers = {"Set-Cookie": f"sysauth={self._cookie};path=/cgi-bin/luci;HttpOnly"}
        return Reply(body=self._sealed(entered) if self._encrypted else entered, headers=headers)

    def _page(self, page: str, query: dict[str, str]) -> Reply:
        try:
            fields = self._opened(query, login=False) if self._encrypted else query
        except (ValueError, KeyError):
            return Reply(403)
        answer = self._object(page, query.get("form", ""), fields)
        if answer is None:
            return Reply(404)
        return Reply(body=self._sealed(answer) if self._encrypted else answer)

    def _object(self, page: str, form: str, fields: dict[str, str]) -> dict[str, Any] | None:
        if (page, form) == ("admin/system", "logout"):
            self._stok = self._cookie = ""
            return {"success": True}
        if (page, form) != ("admin/nat", "alg"):
            return None
        if fields.get("operation") == "write":
            wanted = {name: fields.get(name, "") for name in self._FORM}
            if any(value not in ("on", "off") for value in wanted.values()):
                return {"success": False, "errorcode": "-40101"}
            self._store(wanted)
        elif fields.get("operation") != "read":
            return {"success": False, "errorcode": "-40101"}
        return {"success": True, "data": self.settings}

    def _opened(self, query: dict[str, str], *, login: bool) -> dict[str, str]:
        """Open a sealed request and judge its signature."""
        signed = dict(_form(self._sign_key.open(query["sign"]).decode()))
        data = query["data"]
        expected = hashlib.md5(  # noqa: S324 - what the interface does
            (self._username + self._password).encode()
        ).hexdigest()
        if signed["s"] != str(self._sequence + len(data)):
            raise ValueError("the sequence number is wrong")
        if signed["h"] != expected and not login:
            raise ValueError("the hash is wrong")
        if login:
            self._aes = signed["k"].encode(), signed["i"].encode()
        if self._aes is None:
            raise ValueError("there was no log-in")
        decryptor = Cipher(algorithms.AES(self._aes[0]), modes.CBC(self._aes[1])).decryptor()
        plain = decryptor.update(base64.b64decode(data)) + decryptor.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return _form((unpadder.update(plain) + unpadder.finalize()).decode())

    def _sealed(self, answer: dict[str, Any]) -> dict[str, str]:
        key, vector = self._aes or (b"", b"")
        padder = padding.PKCS7(128).padder()
        plain = padder.update(json.dumps(answer).encode()) + padder.finalize()
        encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
        return {"data": base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()}


class Jnap(_Base):
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


class Hnap(_Base):
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


def _form(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _soap_fields(body: bytes, action: str) -> dict[str, str]:
    if b"<!DOCTYPE" in body:
        raise ValueError("a document type is no part of SOAP")
    for element in ET.fromstring(body).iter():  # noqa: S314 - from a test's own client, no entities
        if element.tag.rpartition("}")[2] == action:
            return {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    raise ValueError("the body does not hold the action")
