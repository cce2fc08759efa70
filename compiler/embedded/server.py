"""The process with the SSH servers: one event loop for all routers of a fleet."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh

from compiler.embedded import faults, web
from compiler.embedded.client import Sandboxes, Spawner
from compiler.embedded.faults import Fault
from compiler.embedded.ros.router import RosRouter
from compiler.embedded.router import Router

_MOST_REQUEST = 64 << 20


def serve(control: socket.socket, watch: int, line: socket.socket, sandboxes: Sandboxes) -> None:
    """Serve until the control line ends, the parent does, or somebody ends this process."""
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(_Fleet(control, watch, line, sandboxes).run())


class _Fleet:
    def __init__(
        self, control: socket.socket, watch: int, line: socket.socket, sandboxes: Sandboxes
    ) -> None:
        self._control, self._watch, self._line = control, watch, line
        self._sandboxes = sandboxes
        self._routers: dict[str, Router] = {}
        self._webs: dict[str, web.Web] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._client_key = asyncssh.generate_private_key("ssh-ed25519")

    async def run(self) -> None:
        """Answer requests, each in a task of its own."""
        loop = asyncio.get_running_loop()
        self._spawner = Spawner(self._line, self._died)
        this = asyncio.current_task()
        if this is not None:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.add_signal_handler(number, this.cancel)
            loop.add_reader(self._watch, this.cancel)
        reader, self._writer = await asyncio.open_connection(
            sock=self._control, limit=_MOST_REQUEST
        )
        key = self._client_key.export_private_key().decode()
        self._answer(0, {"is": {"namespaces": self._sandboxes.walled, "client_key": key}})
        try:
            while text := await reader.readline():
                request = json.loads(text)
                task = loop.create_task(self._request(request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            for router in self._routers.values():
                router.close()
            for site in self._webs.values():
                site.close()

    def _died(self, name: str) -> None:
        self._routers[name].died()

    def _answer(self, number: int, answer: dict[str, Any]) -> None:
        self._writer.write(json.dumps({"id": number, **answer}).encode() + b"\n")

    async def _request(self, request: dict[str, Any]) -> None:
        number = request.pop("id")
        try:
            answer = {"is": await self._do(request.pop("do"), request)}
        except (OSError, ValueError) as error:
            answer = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the client must get an answer, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"}
        self._answer(number, answer)

    async def _do(self, word: str, values: dict[str, Any]) -> Any:
        if word == "add":
            return self._add(values)
        if word == "add_http":
            return self._add_http(values)
        name = values.pop("name")
        found: Router | web.Web = self._routers.get(name) or self._webs[name]
        actions: dict[str, Callable[..., Awaitable[Any]]] = found.actions()
        if word == "fault":
            kind: type[Fault] = getattr(faults, values["kind"])
            return await found.fault(kind(**values["values"]))
        return await actions[word](**values)

    def _free(self, name: str) -> None:
        if name in self._routers or name in self._webs:
            raise ValueError(f"the fleet has a router {name} already")
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"{name!r} cannot be the name of a router")

    def _add(self, values: dict[str, Any]) -> dict[str, Any]:
        self._free(values["name"])
        kind = RosRouter if values["family"] == "routeros" else Router
        router = kind(values, self._spawner, self._sandboxes, self._client_key, self._find)
        self._routers[router.name] = router
        return router.described()

    def _add_http(self, values: dict[str, Any]) -> dict[str, Any]:
        self._free(values["name"])
        site = web.Web(values)
        self._webs[site.name] = site
        return site.described()

    def _find(self, host: str, port: int) -> tuple[str, int] | None:
        """Give where a bastion's connection may go: by the name of a router, or its address."""
        known: tuple[Router | web.Web, ...] = (*self._routers.values(), *self._webs.values())
        for found in known:
            if host == found.name or (host, port) == (found.host, found.port):
                return found.host, found.port
        return None
