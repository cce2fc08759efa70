"""The server's side of the spawner: requests that can be awaited, and ends of processes."""

from __future__ import annotations

import asyncio
import collections
import itertools
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.embedded import spawner


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """Where the routers' folders are: the folder of the fleet, and the spawner's process."""

    folder: str
    spawner: int
    walled: bool


class Spawner:
    """Talks to the spawner without ever blocking the event loop.

    ``died`` is called with the name of a router whose process 1 has ended.
    """

    def __init__(self, line: socket.socket, died: Callable[[str], None]) -> None:
        line.setblocking(False)  # noqa: FBT003 - the socket's own call
        self._line = line
        self._died = died
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._answers: dict[int, tuple[bool, asyncio.Future[dict[str, Any]]]] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._waiting: collections.deque[tuple[dict[str, Any], tuple[int, ...]]] = (
            collections.deque()
        )
        self._loop.add_reader(line.fileno(), self._read)

    async def ask(self, word: str, name: str, **values: Any) -> dict[str, Any]:
        """Send a request and give its answer.

        Raises:
            OSError: it cannot be done; the message says why.
        """
        return await self._ask({"do": word, "name": name, **values}, ())

    async def spawn(
        self, name: str, command: Mapping[str, Any], fds: tuple[int, int, int]
    ) -> asyncio.Future[int]:
        """Run a command; give its end: the exit status, or minus the signal.

        Raises:
            OSError: the router is off, or the command line too long.
        """
        answer = await self._ask({"do": "spawn", "name": name, **command}, fds)
        return self._ends[answer["pid"]]

    async def _ask(self, message: dict[str, Any], fds: tuple[int, ...]) -> dict[str, Any]:
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._answers[number] = (message["do"] == "spawn", future)
        self._waiting.append(({**message, "id": number}, fds))
        self._write()
        answer = await future
        if "error" in answer:
            raise OSError(answer["error"])
        return answer

    def _write(self) -> None:
        while self._waiting:
            message, fds = self._waiting[0]
            try:
                spawner.send(self._line, message, fds)
            except BlockingIOError:
                self._loop.add_writer(self._line.fileno(), self._write)
                return
            except OSError as error:
                self._answers.pop(message["id"])[1].set_exception(error)
            self._waiting.popleft()
        self._loop.remove_writer(self._line.fileno())

    def _read(self) -> None:
        try:
            message, _ = spawner.receive(self._line)
        except OSError:
            message = None
        if message is None:
            self._loop.remove_reader(self._line.fileno())
            for _, future in self._answers.values():
                future.set_exception(OSError("the process that runs commands has ended"))
            self._answers.clear()
        elif "exit" in message:
            self._end(message)
        else:
            spawned, future = self._answers.pop(message["id"])
            if spawned and "pid" in message:
                self._ends[message["pid"]] = self._loop.create_future()
            if not future.done():
                future.set_result(message)

    def _end(self, message: dict[str, Any]) -> None:
        end = self._ends.pop(message["exit"], None)
        if end is not None and not end.done():
            end.set_result(message["status"])
        if "router" in message:
            self._died(message["router"])
