"""The control session: who is it, and what do both ends derive from the shared token.

    client   magic, nonce, HMAC(token; "hello", nonce)               80 bytes
    server   nonce, HMAC(token; "challenge", both nonces)            64 bytes
    client   HMAC(token; "proof", both nonces)                       32 bytes

Nobody is answered who does not know the token, and nobody twice for the same hello. Then both have
keys of their own for each direction and the seed of the exchanges, all from both nonces: nothing
that was recorded works again. Messages are JSON with a length before and a code behind, which
counts them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from compiler.errors import TransportError
from compiler.model.finding import Code

MAGIC = b"passthru probe 1"
NONCE, MAC = 32, 32
HELLO, CHALLENGE = len(MAGIC) + NONCE + MAC, NONCE + MAC
#: No message of a session is near this.
_MOST = 32 << 10
#: RFC 7914; a fixed salt, for both ends must get the same. Guessing costs this much each time.
_SALT, _N, _R, _P = b"passthru probe v1", 1 << 14, 8, 1


@dataclass(frozen=True, slots=True)
class Token:
    """What the token became. The token itself is not kept."""

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Token:
        """Stretch a token: who records a session shall not guess short ones quickly."""
        secret = text.encode("utf-8", "surrogateescape")
        return cls(hashlib.scrypt(secret, salt=_SALT, n=_N, r=_R, p=_P, dklen=32))

    def code(self, label: bytes, *nonces: bytes) -> bytes:
        """Authenticate a step of the handshake."""
        return hmac.digest(self.key, label + b"\0" + b"".join(nonces), hashlib.sha256)

    def hello(self, nonce: bytes) -> bytes:
        """Give what a client says first."""
        return MAGIC + nonce + self.code(b"hello", nonce)

    def greeted(self, hello: bytes) -> bytes | None:
        """Give the client's nonce; nothing when the hello is not of somebody with the token."""
        nonce, code = hello[len(MAGIC) : -MAC], hello[-MAC:]
        known = len(hello) == HELLO and hello.startswith(MAGIC)
        return nonce if known and hmac.compare_digest(code, self.code(b"hello", nonce)) else None

    def challenge(self, theirs: bytes, own: bytes) -> bytes:
        """Give what a server says to a hello."""
        return own + self.code(b"challenge", theirs, own)

    def challenged(self, own: bytes, challenge: bytes) -> bytes | None:
        """Give the server's nonce; nothing when it does not know the token."""
        nonce, code = challenge[:NONCE], challenge[NONCE:]
        return nonce if hmac.compare_digest(code, self.code(b"challenge", own, nonce)) else None


class Hellos:
    """Remembers hellos, so that one that is played again is not answered; the latest only."""

    def __init__(self, most: int = 4096) -> None:
        """Remember none."""
        self._most = most
        self._seen: dict[bytes, None] = {}

    def new(self, nonce: bytes) -> bool:
        """Tell whether a nonce was not seen before, and remember it."""
        if nonce in self._seen:
            return False
        self._seen[nonce] = None
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        return True


class Channel:
    """A session that stands: messages in order, each once, of nobody else."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        token: Token,
        nonces: tuple[bytes, bytes],
        *,
        client: bool,
    ) -> None:
        """Derive the keys."""
        self._reader, self._writer = streams
        keys = [token.code(label, *nonces) for label in (b"from client", b"from server")]
        self._own, self._peer = keys if client else reversed(keys)
        self._said = self._heard = 0
        self.seed = token.code(b"seed", *nonces)

    async def say(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            TransportError: E876, the session broke off.
        """
        body = json.dumps(message, separators=(",", ":")).encode()
        self._said += 1
        try:
            self._writer.write(
                struct.pack("!I", len(body)) + body + _code(self._own, self._said, body)
            )
            await self._writer.drain()
        except OSError as error:
            raise _broken(str(error)) from None

    async def hear(self, seconds: float) -> dict[str, Any]:
        """Give the next message.

        Raises:
            TransportError: E876, none came in time, or one that is not of this session.
        """
        try:
            async with asyncio.timeout(seconds):
                size = struct.unpack("!I", await self._reader.readexactly(4))[0]
                if size > _MOST:
                    raise _broken("a message is too large")
                body = await self._reader.readexactly(size)
                code = await self._reader.readexactly(MAC)
        except TimeoutError:
            raise _broken("no answer came in time") from None
        except (OSError, EOFError) as error:
            raise _broken(
                "the other end has ended it" if isinstance(error, EOFError) else str(error)
            ) from None
        self._heard += 1
        if not hmac.compare_digest(code, _code(self._peer, self._heard, body)):
            raise _broken("a message was changed on the way, or is not of this session")
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise _broken("a message cannot be read")
        return message


async def call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: Token, seconds: float
) -> Channel | None:
    """Open a session as its client; nothing when the other end does not answer as it must.

    Raises:
        OSError, TimeoutError: the connection failed.
    """
    own = secrets.token_bytes(NONCE)
    async with asyncio.timeout(seconds):
        try:
            writer.write(token.hello(own))
            await writer.drain()
            theirs = token.challenged(own, await reader.readexactly(CHALLENGE))
        except (EOFError, ConnectionError):
            return None
        if theirs is None:
            return None
        writer.write(token.code(b"proof", own, theirs))
        await writer.drain()
    return Channel((reader, writer), token, (own, theirs), client=True)


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: Token, hellos: Hellos
) -> Channel | None:
    """Open a session as its server; nothing, and not a byte was sent, to who has no token.

    Raises:
        OSError, EOFError: the connection failed.
    """
    theirs = token.greeted(await reader.readexactly(HELLO))
    if theirs is None or not hellos.new(theirs):
        return None
    own = secrets.token_bytes(NONCE)
    writer.write(token.challenge(theirs, own))
    await writer.drain()
    proof = await reader.readexactly(MAC)
    if not hmac.compare_digest(proof, token.code(b"proof", theirs, own)):
        return None
    return Channel((reader, writer), token, (theirs, own), client=False)


def _code(key: bytes, number: int, body: bytes) -> bytes:
    return hmac.digest(key, struct.pack("!Q", number) + body, hashlib.sha256)


def _broken(why: str) -> TransportError:
    return TransportError.of(Code.E876, f"the probe's session broke off: {why}")
