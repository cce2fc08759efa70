"""Routers that are managed by HTTP alone: the server, its line, and what goes wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from compiler.embedded.faults import DropLine, Fault, Hang, ReadOnlyFlash, Refuse, Standing
from compiler.embedded.line import over_line
from compiler.embedded.listener import Listener
from compiler.embedded.sites import site
from compiler.embedded.sites.interface import Reply, Request
from compiler.embedded.tls import served

_MOST_HEAD, _MOST_BODY = 65_536, 1 << 20
#: Kinds that speak HTTPS and nothing else.
_HTTPS = frozenset({"omada"})
_REASONS = {
    200: "OK",
    302: "Found",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    500: "Error",
}


class Web:
    """One router with a web interface."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.name: str = values["name"]
        self._values = values
        self._site = site(values)
        self._tls: ssl.SSLContext | None = None
        self._fingerprint = ""
        if values["kind"] in _HTTPS:
            self._tls, self._fingerprint = served(self.name)
        self._latency: float = values["latency"]
        self._listener = Listener(values["address"], values["port"], self._taken)
        self.host, self.port = self._listener.host, self._listener.port
        self._listener.open()
        self._faults = Standing()
        self._count = 0
        self._held: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def described(self) -> dict[str, Any]:
        """Give what a client must know."""
        names = ("name", "kind", "username", "password")
        known = {name: self._values[name] for name in names}
        where = {"host": self.host, "port": self.port}
        return {**known, **where, "fingerprint": self._fingerprint}

    def actions(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Give what can be asked."""
        return {
            "state": self._state,
            "put": self._put,
            "clear": self._clear,
            "expire": self._expire,
        }

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    async def fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        if not isinstance(fault, DropLine | Hang | Refuse | ReadOnlyFlash):
            text = f"a router without a shell knows no {type(fault).__name__}"
            raise ValueError(text)  # noqa: TRY004 - a fault, and not one of these
        self._faults.add(fault, self._count)
        if isinstance(fault, Refuse):
            self._listener.shut()
        self._site.readonly = self._faults.has(ReadOnlyFlash)

    async def _clear(self) -> None:
        self._faults.clear()
        self._site.readonly = False
        self._listener.open()

    async def _expire(self) -> None:
        self._site.expire()

    async def _state(self) -> dict[str, Any]:
        return {
            "settings": self._site.settings,
            "logins": self._site.logins,
            "writes": self._site.writes,
            "requests": self._site.requests,
            "connections": self._count,
        }

    async def _put(self, settings: dict[str, Any]) -> None:
        self._site.settings.update(settings)

    def _taken(self, sock: socket.socket) -> None:
        self._count += 1
        if self._faults.has(Hang):
            self._held.add(sock)
            return
        drop = self._faults.take_drop(self._count)
        line = over_line(sock, self._latency, drop, self._serve, self._held)
        task = asyncio.ensure_future(line)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        reader = asyncio.StreamReader(limit=_MOST_HEAD)
        loop = asyncio.get_running_loop()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=self._tls)
        except OSError:  # no TLS came about
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            while request := await _request(reader):
                reply = self._site.answer(request)
                writer.write(_encoded(reply))
                await writer.drain()
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            transport.abort()
        finally:
            with contextlib.suppress(OSError):
                writer.close()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; ``None`` at the end.

    Raises:
        ValueError: it is none.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if length > _MOST_BODY:
        raise ValueError("the request is too long")
    return Request(method, path, headers, await reader.readexactly(length))


def _encoded(reply: Reply) -> bytes:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    kind = reply.kind if isinstance(reply.body, bytes) else "application/json"
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
