"""A port on loopback that stays reserved while nobody listens on it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

_BACKLOG = 128


class Listener:
    """Takes connections for ``taken`` while it is open."""

    def __init__(self, address: str, port: int, taken: Callable[[socket.socket], None]) -> None:
        self._taken = taken
        self._reserved = _bound(address, port)
        self.host, self.port = self._reserved.getsockname()[:2]
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Listen."""
        if self._socket is None:
            # both are bound at once: allowed as long as none listens when the other is bound
            self._socket = _bound(self.host, self.port)
            self._socket.listen(_BACKLOG)
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept)

    def shut(self) -> None:
        """Refuse connections."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Give the port back."""
        self.shut()
        self._reserved.close()

    def _accept(self) -> None:
        try:
            found, _ = self._socket.accept() if self._socket else (None, None)
        except OSError:
            return
        if found is not None:
            found.setblocking(False)  # noqa: FBT003 - the socket's own call
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._taken(found)


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)  # noqa: FBT003 - the socket's own call
    return sock
