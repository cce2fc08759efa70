"""The line between a client and a router: its latency, and where it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

from compiler.embedded.faults import DropLine

_CHUNK = 65_536
_MOST_CHUNKS = 256


def reset(sock: socket.socket) -> None:
    """End a connection with a TCP reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def over_line(
    sock: socket.socket,
    latency: float,
    drop: DropLine | None,
    serve: Callable[[socket.socket], Awaitable[None]],
    held: set[socket.socket],
) -> None:
    """Serve a connection over a line of its own, kept in ``held``; directly if it is perfect."""
    if drop is None and not latency:
        await serve(sock)
        return
    near, far = socket.socketpair()
    for end in (near, far):
        end.setblocking(False)  # noqa: FBT003 - the socket's own call
    held.add(sock)
    try:
        await asyncio.gather(serve(near), Line(sock, far, latency, drop).run())
    finally:
        held.discard(sock)


class Line:
    """Carries bytes between two sockets with half the latency each way, until it is cut."""

    def __init__(
        self, client: socket.socket, router: socket.socket, latency: float, drop: DropLine | None
    ) -> None:
        self._client, self._router = client, router
        self._delay = latency / 2
        self._drop = drop
        # setting up a TCP connection takes a round trip, which loopback does not
        self._opens = asyncio.get_running_loop().time() + latency
        self._cut = asyncio.Event()

    async def run(self) -> None:
        """Carry until both ends have closed, or the line is cut."""
        ways = [
            asyncio.ensure_future(self._way(self._client, self._router, "in")),
            asyncio.ensure_future(self._way(self._router, self._client, "out")),
        ]
        cut = asyncio.ensure_future(self._cut.wait())
        both = asyncio.gather(*ways, return_exceptions=True)
        try:
            try:
                await asyncio.wait((both, cut), return_when=asyncio.FIRST_COMPLETED)
            finally:  # before a socket is closed, nobody may wait for it: its number is used again
                for task in (*ways, cut):
                    task.cancel()
                await asyncio.gather(both, cut, return_exceptions=True)
            await self._end()
        finally:
            self._router.close()
            self._client.close()

    async def _end(self) -> None:
        if not self._cut.is_set() or self._drop is None:
            return
        self._router.close()
        if self._drop.how == "reset":
            reset(self._client)
        elif self._drop.how == "silence":
            loop = asyncio.get_running_loop()
            with contextlib.suppress(OSError):
                while await loop.sock_recv(self._client, _CHUNK):
                    pass

    async def _way(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        queue: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(_MOST_CHUNKS)
        carrier = asyncio.ensure_future(self._carry(queue, sink))
        loop = asyncio.get_running_loop()
        drop = self._drop if self._drop and self._drop.direction == direction else None
        left = drop.after if drop else None
        try:
            while left != 0:
                data = await loop.sock_recv(source, _CHUNK)
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                await queue.put((max(loop.time(), self._opens) + self._delay, data))
                if not data:
                    break
            else:
                await queue.put((0, None))
            await carrier
            if left == 0:
                self._cut.set()
        except OSError:
            _shut(sink)
        finally:
            carrier.cancel()

    async def _carry(
        self, queue: asyncio.Queue[tuple[float, bytes | None]], sink: socket.socket
    ) -> None:
        """Bring what is due; an empty chunk is the end of the stream, ``None`` that of the line."""
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                if data is not None:
                    sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(sink, data)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
