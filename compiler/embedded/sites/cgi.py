"""TP-Link's web interface behind ``/cgi_gdpr?9``: textbook RSA, AES, a cookie and a token.

A log-in ends the session of whoever else is there without a word; only ``getBusy`` tells. A request
without the router's own address as ``Referer``, without the session's cookie or without the token
of the index page is answered with 406.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compiler.embedded.sites import rsa
from compiler.embedded.sites.interface import Reply, Request, Stored

_NOT_ACCEPTABLE = Reply(406, b"<html><head><title>406 Not Acceptable</title></head></html>")
_WRONG, _NOT_UNDERSTOOD = 71233, 71234
_ACTS = "/cgi_gdpr"
_STACKS = ("stack", "pstack")


class Cgi(Stored):
    """TP-Link with ``DEV2_ALG_CFG``: fields are ``1`` or ``0`` as text, a write may hold some."""

    _FIELDS = (
        "pptpAlg", "l2tpAlg", "ipSecAlg", "ftpAlg", "tftpAlg", "h323Alg", "rtspAlg", "sipAlg",
    )  # fmt: skip

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values, dict.fromkeys(self._FIELDS, "1"))
        self._gcm = values["kind"] == "cgi-gcm"
        self._cookie = self._token = self._digest = ""
        self._sequence = secrets.randbelow(10**9)
        self._key = self._vector = b""

    @cached_property
    def _rsa(self) -> rsa.Key:
        return rsa.generate(512)

    def answer(self, request: Request) -> Reply:
        """Answer."""
        place = request.path.partition("?")[0]
        if place != _ACTS:  # those say inside what they ask for
            self.requests.append(place)
        referer = request.headers.get("referer", "").removesuffix("/")
        if referer != f"http://{request.headers.get('host')}":
            return _NOT_ACCEPTABLE
        pages: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("POST", "/cgi/getGDPRParm"): self._parameters,
            ("POST", "/cgi/getBusy"): self._busy,
            ("POST", _ACTS): self._sealed,
            ("GET", "/"): self._index,
        }
        page = pages.get((request.method, place))
        try:
            return page(request) if page else Reply(404)
        except (KeyError, ValueError):
            return Reply(500)

    def _parameters(self, _: Request) -> Reply:
        modulus, exponent = self._rsa.public
        text = f'var ee="{exponent}";\nvar nn="{modulus}";\nvar seq="{self._sequence}";\n$.ret=0;\n'
        return Reply(body=text.encode())

    def expire(self) -> None:
        """End the session."""
        self._cookie = self._token = ""

    def _ours(self, request: Request) -> bool:
        given = request.headers.get("cookie", "")
        return bool(self._cookie) and f"JSESSIONID={self._cookie}" in given

    def _busy(self, request: Request) -> Reply:
        if self._ours(request):
            return _NOT_ACCEPTABLE
        there = int(bool(self._cookie))
        return Reply(body=f"var isLogined={there};\nvar isBusy={there};\n$.ret=0;\n".encode())

    def _index(self, request: Request) -> Reply:
        if not self._ours(request):
            return Reply(body=b"<html><script>var userSetting=1;</script></html>")
        self._token = secrets.token_hex(16)
        self._known()
        page = f'<html><script type="text/javascript">var token="{self._token}";</script></html>'
        return Reply(body=page.encode())

    def _sealed(self, request: Request) -> Reply:
        lines = _pairs(request.body.decode().split("\r\n"))
        told = _pairs(self._rsa.unpadded(lines["sign"]).decode().split("&"))
        if told.get("s") != str(self._sequence + len(lines["data"])):
            return _result(_NOT_UNDERSTOOD)
        if "key" in told:
            return self._enter(told, lines)
        token = request.headers.get("tokenid", "")
        if not self._ours(request) or not self._token or token != self._token:
            return _NOT_ACCEPTABLE
        if told["h"] != self._digest:
            return _result(_NOT_UNDERSTOOD)
        act = json.loads(self._opened(lines))
        self.requests.append(f"{act['operation']} {act['oid']}")
        if act["oid"] == "/cgi/logout":
            self.expire()
            return Reply()
        return Reply(body=self._closed(json.dumps(self._act(act), indent=1)))

    def _enter(self, told: dict[str, str], lines: dict[str, str]) -> Reply:
        self.requests.append("cgi /cgi/login")
        decode = base64.b64decode if self._gcm else str.encode
        self._key, self._vector = decode(told["key"]), decode(told["iv"])
        try:
            act = json.loads(self._opened(lines))["data"]
        except Exception:  # noqa: BLE001 - sealed in another way than this router takes
            return _result(_NOT_UNDERSTOOD)
        known = {"UserName": self._username, "Passwd": self._password}
        right = all(base64.b64decode(act[n]) == text.encode() for n, text in known.items())
        digest = md5(self._username + self._password)
        if not right or not hmac.compare_digest(told["h"], digest):
            return Reply(body=self._closed(f"$.ret={_WRONG};\0"))
        self.logins += 1
        self._cookie, self._token, self._digest = secrets.token_hex(15), "", digest
        headers = {"Set-Cookie": f"JSESSIONID={self._cookie}; Path=/; HttpOnly"}
        return Reply(body=self._entered(), headers=headers)

    def _entered(self) -> bytes:
        """Say that the log-in is right."""
        return self._closed("$.ret=0;\0")

    def _known(self) -> None:
        """Know the account by something else from now on, which most builds do not."""

    def _act(self, act: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in act["data"].items() if name not in _STACKS}
        known = act["oid"] == "DEV2_ALG_CFG" and fields.keys() <= self.settings.keys()
        writes = act["operation"] == "so"
        if not known or (writes and any(value not in ("0", "1") for value in fields.values())):
            return {**act, "success": False, "errorcode": 9003 if not known else 9007}
        if writes:
            self._store({**self.settings, **fields})
            return {**act, "data": {"stack": "0,0,0,0,0,0"}, "success": True}
        asked = {name: self.settings[name] for name in fields or self.settings}
        return {**act, "data": {**asked, "stack": "0,0,0,0,0,0"}, "success": True}

    def _opened(self, lines: dict[str, str]) -> bytes:
        data = base64.b64decode(lines["data"])
        if self._gcm:
            tagged = data + base64.b64decode(lines["tag"])
            return AESGCM(self._key).decrypt(self._vector, tagged, None)
        decryptor, unpadder = self._cipher().decryptor(), padding.PKCS7(128).unpadder()
        plain = decryptor.update(data) + decryptor.finalize()
        return unpadder.update(plain) + unpadder.finalize()

    def _closed(self, text: str) -> bytes:
        if self._gcm:
            sealed = AESGCM(self._key).encrypt(self._vector, text.encode(), None)
            return base64.b64encode(sealed[:-16]) + base64.b64encode(sealed[-16:])
        padder, encryptor = padding.PKCS7(128).padder(), self._cipher().encryptor()
        padded = padder.update(text.encode()) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize())

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._vector))


def _pairs(texts: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts if "=" in text)


def md5(text: str) -> str:
    """Give what the interface knows an account by."""
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - what the interface does


def _result(code: int) -> Reply:
    return Reply(body=f"$.ret={code};\n".encode())
