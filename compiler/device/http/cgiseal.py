"""How TP-Link's cgi firmware has its requests sealed: AES, and a signature over the length.

Older builds take AES in CBC mode; newer ones take GCM, with a line ``tag=`` and the session's key
and nonce in base64. That the nonce stays the same for all requests of a session is the firmware's
doing, and takes from GCM what it is for. Sources are in targets/tplink/README.md.
"""

from __future__ import annotations

import base64
import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compiler.device.http.textbook import Key

_BLOCK_BITS = 128
#: An authentication tag in base64.
_TAG = 24


class Mode(Protocol):
    """A mode of AES, with a key made for one session."""

    #: What the signature of a log-in tells the router.
    told: str

    def close(self, plain: bytes) -> tuple[str, str]:
        """Give the line ``data=``, and the lines that come after it."""
        ...

    def open(self, sealed: str) -> bytes:
        """Open an answer.

        Raises:
            ValueError: it is none of this session.
        """
        ...


class Cbc:
    """AES-128-CBC with PKCS #7; key and vector are sixteen characters each."""

    def __init__(self) -> None:
        """Make a key."""
        key, vector = secrets.token_hex(8), secrets.token_hex(8)
        self.told = f"key={key}&iv={vector}"
        self._cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(vector.encode()))

    def close(self, plain: bytes) -> tuple[str, str]:
        """Seal."""
        padder, encryptor = padding.PKCS7(_BLOCK_BITS).padder(), self._cipher.encryptor()
        padded = padder.update(plain) + padder.finalize()
        return _base64(encryptor.update(padded) + encryptor.finalize()), ""

    def open(self, sealed: str) -> bytes:
        """Open."""
        decryptor, unpadder = self._cipher.decryptor(), padding.PKCS7(_BLOCK_BITS).unpadder()
        opened = decryptor.update(_decoded(sealed)) + decryptor.finalize()
        return unpadder.update(opened) + unpadder.finalize()


class Gcm:
    """AES-128-GCM; the key is sixteen characters, the nonce twelve."""

    def __init__(self) -> None:
        """Make a key."""
        key, nonce = secrets.token_hex(8).encode(), secrets.token_hex(6).encode()
        self.told = f"key={_base64(key)}&iv={_base64(nonce)}"
        self._cipher, self._nonce = AESGCM(key), nonce

    def close(self, plain: bytes) -> tuple[str, str]:
        """Seal."""
        sealed = self._cipher.encrypt(self._nonce, plain, None)
        return _base64(sealed[:-16]), f"tag={_base64(sealed[-16:])}\r\n"

    def open(self, sealed: str) -> bytes:
        """Open; the tag stands at the end."""
        raw = _decoded(sealed[:-_TAG]) + _decoded(sealed[-_TAG:])
        try:
            return self._cipher.decrypt(self._nonce, raw, None)
        except InvalidTag:
            raise ValueError("this is not sealed with the session's key") from None


class Seal:
    """Seals the requests of one session, and opens its answers."""

    def __init__(self, mode: Mode, key: Key, sequence: int, digest: str) -> None:
        """``digest`` is what the router knows the account by."""
        self.digest = digest
        self._mode, self._key, self._sequence = mode, key, sequence

    def close(self, plain: bytes, *, login: bool = False) -> bytes:
        """Seal a request; that of the log-in tells the router the AES key."""
        data, after = self._mode.close(plain)
        told = f"{self._mode.told}&" if login else ""
        sign = self._key.seal(f"{told}h={self.digest}&s={self._sequence + len(data)}")
        return f"sign={sign}\r\ndata={data}\r\n{after}".encode("ascii")

    def open(self, sealed: str) -> str:
        """Open an answer.

        Raises:
            ValueError: it is none of this session, or cut off.
        """
        return self._mode.open(sealed).decode()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
