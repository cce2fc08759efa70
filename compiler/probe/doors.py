"""The server's sockets for flows: open while somebody is served who asked for them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from compiler.model.protocol import TCP
from compiler.probe.desk import Desk
from compiler.probe.script import Part
from compiler.probe.talks import Place
from compiler.probe.wire import LARGEST, Name, content, cut, family_of, host_of, opened, words

#: Packets that are looked at before others get their turn.
_AT_ONCE = 64
#: Connections at once, of all clients; each holds at most one message.
_MOST_CONNECTIONS = 128
Door = tuple[Name, Place]


@dataclass(slots=True)
class _Visit:
    """One TCP connection of a flow."""

    place: Place
    address: str
    port: int
    part: Part | None = None
    data: bytes = field(default=b"", repr=False)


class Doors:
    """Opens and closes sockets, and carries what the desk answers."""

    def __init__(self, desk: Desk) -> None:
        """Open nothing yet."""
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[Door, socket.socket] = {}
        self._users: dict[Door, int] = {}
        self._visits: dict[socket.socket, _Visit] = {}

    def open(self, local: Name, places: Iterable[Place]) -> dict[Place, str]:
        """Open sockets at an address; why not, for those that cannot be had."""
        refused: dict[Place, str] = {}
        for place in sorted(places):
            door = (local, place)
            try:
                self._users[door] = self._users.get(door, 0) + 1
                if door not in self._sockets:
                    self._sockets[door] = self._listen(door)
            except OSError as error:
                refused[place] = words(error, place, "at the server")
        return refused

    def _listen(self, door: Door) -> socket.socket:
        local, place = door
        made = opened(place, local, place[1])
        if place[0] == TCP:
            try:
                made.listen(16)
            except OSError:
                made.close()
                raise
            self._loop.add_reader(made, self._accept, made, place)
        else:
            self._loop.add_reader(made, self._read, made, place)
        return made

    def leave(self, local: Name, places: Iterable[Place], address: str) -> None:
        """Close what nobody else uses, and the connections of an address where nobody is left."""
        for place in places:
            door = (local, place)
            self._users[door] -= 1
            if not self._users[door]:
                del self._users[door]
                found = self._sockets.pop(door, None)
                if found is not None:
                    self._loop.remove_reader(found)
                    found.close()
        if not self._desk.expects(address):
            for connection in [c for c, visit in self._visits.items() if visit.address == address]:
                self._end(connection)

    def _read(self, made: socket.socket, place: Place) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet, name = made.recvfrom(LARGEST)
            except OSError:
                return
            message = content(family_of(name), place[0], packet)
            port = name[1] if place[1] else 0
            for answer in self._desk.hear(place, host_of(name), port, message):
                with suppress(OSError):  # what cannot be sent is lost, like any packet
                    made.sendto(answer, name)

    def _accept(self, made: socket.socket, place: Place) -> None:
        try:
            connection, name = made.accept()
        except OSError:
            return
        address = host_of(name)
        if not self._desk.expects(address) or len(self._visits) >= _MOST_CONNECTIONS:
            cut(connection)
            return
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        self._visits[connection] = _Visit(place, address, name[1])
        self._loop.add_reader(connection, self._hear, connection)

    def _hear(self, connection: socket.socket) -> None:
        visit = self._visits[connection]
        try:
            data = connection.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        visit.data += data
        if not data or not self._take(connection, visit):
            if visit.part is None:
                self._desk.stray_connection(visit.place, visit.address)
            self._end(connection)

    def _take(self, connection: socket.socket, visit: _Visit) -> bool:
        """Take what has come; whether the connection may go on."""
        if visit.part is None:
            visit.part, waiting = self._desk.find(visit.place, visit.address, visit.data)
            if visit.part is None:
                return waiting
        part = visit.part
        while part.wanted and len(visit.data) >= part.wanted:
            size = part.wanted
            message, visit.data = visit.data[:size], visit.data[size:]
            answers = part.hear(message, visit.port)
            if answers is None:
                return False
            try:
                connection.sendall(b"".join(answers))
            except OSError:
                return False
        return len(visit.data) < LARGEST

    def _end(self, connection: socket.socket) -> None:
        del self._visits[connection]
        self._loop.remove_reader(connection)
        cut(connection)

    def close(self) -> None:
        """Close everything."""
        for connection in list(self._visits):
            self._end(connection)
        for made in self._sockets.values():
            self._loop.remove_reader(made)
            made.close()
        self._sockets.clear()
