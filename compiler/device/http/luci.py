"""The log-in with a token (``stok``) in the path: one administrator at a time.

The password goes sealed with the router's RSA key. Where the router gives a sequence number and a
second key, every request is AES under a key made for this log-in, with a sealed signature. Newer
firmware has a longer key for the password; it still gives a second one, and takes nothing sealed
with that.

The words for refusals are those of the interface's own page; the order of requests follows
https://github.com/AlexandrErohin/TP-Link-Archer-C6U (no line of it is here).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from compiler.device.http.client import Client, Reply
from compiler.device.http.document import Document
from compiler.device.http.login import (
    json_object,
    locked,
    refused,
    shown,
    taken,
    unusable,
    usable,
    word,
)
from compiler.device.reach import reveal

_USER = "admin"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PATH = "/cgi-bin/luci/;stok="
#: A signature is sealed in parts of this size, whatever the key's size is.
_PART = 53
#: Password keys of this size are those of firmware that seals the password only.
_LONG_KEY = 2048
_LOST = frozenset({"timeout", "permission denied"})


class Luci:
    """One session."""

    def __init__(self, client: Client) -> None:
        """Remember where to."""
        self._client = client
        self._stok = ""
        self._cookies: dict[str, str] = {}
        self._seal: _Seal | None = None

    def enter(self, *, over_others: bool) -> None:
        """Fetch the keys and log in."""
        keys = json_object(self._client, self._post("/login?form=keys", b"operation=read"))
        key = self._key(_part(keys, "password"))
        newer = key.key_size >= _LONG_KEY
        self._seal = None if newer else self._offered_seal()
        fields = {"operation": "login"}
        if self._seal is None and not newer:
            fields["username"] = self._user
        fields["password"] = self._sealed_password(key)
        if over_others:
            fields["confirm"] = "true"
        reply = self._post("/login?form=login", urlencode(fields).encode(), login=True)
        if reply.status in (401, 403):
            raise refused(self._name)
        told = self._opened(reply)
        data = told.get("data")
        stok = word(data.get("stok")) if isinstance(data, dict) else ""
        if told.get("success") is not True or not stok:
            raise self._judged(told)
        self._stok, self._cookies = stok, dict(reply.cookies)

    def ask(self, request: Document) -> str:
        """Send a request with the token in its path."""
        page = request.path.replace("{stok}", self._stok).removeprefix(f"{_PATH}{self._stok}")
        reply = self._post(page, request.body)
        if reply.status in (401, 403):
            raise taken(self._name, "they ended this session")
        told = self._opened(reply)
        if told.get("success") is not True and str(told.get("errorcode")) in _LOST:
            raise taken(self._name, "they ended this session")
        return json.dumps(told) if self._seal else reply.text

    def refusal(self, answer: str) -> str:
        """Say why not."""
        told = json.loads(answer)
        return "" if told.get("success") is True else shown(told.get("errorcode")) or "no success"

    def leave(self) -> None:
        """Log out, so that a person can log in."""
        if self._stok:
            usable(self._client, self._post("/admin/system?form=logout", b"operation=write"))

    @property
    def _name(self) -> str:
        return self._client.way.name

    @property
    def _user(self) -> str:
        return self._client.way.user or _USER

    def _post(self, page: str, body: bytes, *, login: bool = False) -> Reply:
        origin = self._client.way.origin
        headers = {**_FORM, "Referer": f"{origin}/webpages/index.html", "Origin": origin}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={v}" for name, v in self._cookies.items())
        if self._seal is not None:
            body = self._seal.close(body, login=login)
        return self._client.post(f"{_PATH}{self._stok}{page}", body, headers)

    def _sealed_password(self, key: rsa.RSAPublicKey) -> str:
        password = (reveal(self._client.way.password) or "").encode()
        try:
            return key.encrypt(password, rsa_padding.PKCS1v15()).hex()
        except ValueError:
            raise refused(self._name, "the password is longer than its key takes") from None

    def _offered_seal(self) -> _Seal | None:
        reply = self._post("/login?form=auth", b"operation=read")
        try:
            found = json.loads(reply.text) if reply.status == 200 else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.get("success") is not True:
            return None  # firmware that seals the password only
        sequence = _part(found, "seq")
        if isinstance(sequence, bool) or not str(sequence).isdecimal():
            raise unusable(self._name, "gives no sequence number", "is this another firmware?")
        password = reveal(self._client.way.password) or ""
        digest = hashlib.md5(  # noqa: S324 - what the interface does
            (self._user + password).encode()
        ).hexdigest()
        return _Seal(self._key(_part(found, "key")), int(sequence), digest)

    def _key(self, parts: Any) -> rsa.RSAPublicKey:
        try:
            modulus, exponent = (int(part, 16) for part in parts)
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        except (TypeError, ValueError):
            raise unusable(self._name, "gives no RSA key", "is this another firmware?") from None

    def _opened(self, reply: Reply) -> dict[str, Any]:
        told = json_object(self._client, reply)
        if self._seal is None or not isinstance(told.get("data"), str):
            return told
        try:
            opened = json.loads(self._seal.open(told["data"]))
        except (ValueError, RecursionError):
            opened = None
        if not isinstance(opened, dict):
            raise unusable(self._name, "gives a sealed answer that cannot be opened")
        return opened

    def _judged(self, told: Mapping[str, Any]) -> Exception:
        code, data = str(told.get("errorcode", "")), told.get("data")
        if code in ("user conflict", "multiple login"):
            return taken(self._name)
        if code == "exceeded max attempts":
            return locked(self._name, code)
        left = data.get("attemptsAllowed") if isinstance(data, dict) else None
        more = f", {left} tries left" if isinstance(left, int) else ""
        return refused(self._name, f"{shown(code) or 'no reason given'}{more}")


class _Seal:
    """Seals the requests of one log-in."""

    def __init__(self, public: rsa.RSAPublicKey, sequence: int, digest: str) -> None:
        self._public, self._sequence, self._digest = public, sequence, digest
        key, vector = secrets.token_hex(8), secrets.token_hex(8)
        self._cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(vector.encode()))
        self._told = f"k={key}&i={vector}&"

    def close(self, body: bytes, *, login: bool) -> bytes:
        """Seal a body; that of the log-in tells the router the AES key."""
        padder, encryptor = padding.PKCS7(128).padder(), self._cipher.encryptor()
        padded = padder.update(body) + padder.finalize()
        data = base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
        signed = f"{self._told if login else ''}h={self._digest}&s={self._sequence + len(data)}"
        texts = (signed[at : at + _PART] for at in range(0, len(signed), _PART))
        parts = (self._public.encrypt(t.encode(), rsa_padding.PKCS1v15()).hex() for t in texts)
        return urlencode({"sign": "".join(parts), "data": data}).encode()

    def open(self, data: str) -> bytes:
        """Open an answer.

        Raises:
            ValueError: it is none of this log-in.
        """
        decryptor, unpadder = self._cipher.decryptor(), padding.PKCS7(128).unpadder()
        opened = decryptor.update(base64.b64decode(data)) + decryptor.finalize()
        return unpadder.update(opened) + unpadder.finalize()


def _part(told: Mapping[str, Any], name: str) -> Any:
    data = told.get("data")
    return data.get(name) if isinstance(data, dict) else None
