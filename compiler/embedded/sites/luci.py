"""TP-Link's web interface: RSA for the password, and where it is so set AES for all requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from compiler.embedded.sites import rsa
from compiler.embedded.sites.interface import Reply, Request, Stored


class Luci(Stored):
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


def _form(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
