"""One router: its connections, who gets in, and what goes wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncssh

from compiler.embedded import ssh
from compiler.embedded.client import Sandboxes, Spawner
from compiler.embedded.console import PATH, Console
from compiler.embedded.families import family
from compiler.embedded.faults import (
    ClockJump,
    Fault,
    FlashFull,
    Hang,
    PowerCut,
    ReadOnlyFlash,
    Refuse,
    SlowFlash,
    Standing,
    ToolFails,
    WrongHostKey,
)
from compiler.embedded.line import over_line, reset
from compiler.embedded.listener import Listener
from compiler.embedded.power import REBOOT_DELAY, Power
from compiler.embedded.session import Login, Session
from compiler.embedded.specification import specification

Find = Callable[[str, int], tuple[str, int] | None]


class Router:
    """A router of the fleet, powered on when somebody first needs it."""

    def __init__(
        self,
        values: dict[str, Any],
        spawner: Spawner,
        sandboxes: Sandboxes,
        client_key: asyncssh.SSHKey,
        find: Find,
    ) -> None:
        self.name: str = values["name"]
        self._values = values
        self._spawner, self._sandboxes, self._find = spawner, sandboxes, find
        self._family = family(values["family"])
        if self._family.walled and not sandboxes.walled:
            raise ValueError(f"{self._family.name} needs namespaces, which this fleet has not")
        self._username = values["username"] or self._family.username
        self._keys = [ssh.host_key(legacy=values["legacy"]) for _ in range(2)]
        self._clients = [client_key.convert_to_public()]
        if values["authorized_key"]:
            self._clients.append(asyncssh.import_public_key(values["authorized_key"]))
        self._options: dict[bool, asyncssh.SSHServerConnectionOptions] = {}
        self._listener = Listener(values["address"], values["port"], self._taken)
        self.host, self.port = self._listener.host, self._listener.port
        self._listener.open()
        self._power = Power(self, self._keep)
        self._console = Console(self.name, self._family.shell, self._spawn, self._power.on)
        self._faults = Standing()
        self._made = False
        self._life = asyncio.Event()
        self._init = self._count = 0
        self._sockets: set[socket.socket] = set()
        self._open: set[asyncssh.SSHServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._prepare()

    def _prepare(self) -> None:
        """Make what a router has before it is ever on."""

    def described(self) -> dict[str, Any]:
        """Give what a client must know."""
        return {
            "name": self.name,
            "family": self._family.name,
            "host": self.host,
            "port": self.port,
            "username": self._username,
            "password": self._values["password"],
            "host_key": self._keys[0].export_public_key().decode().strip(),
        }

    def actions(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Give what can be asked."""
        return {
            "root": self._root,
            "read": self._console.read,
            "write": self._console.write,
            "run": self._console.command,
            "clear": self._clear,
            "reboot": self._reboot,
            "state": self._state,
        }

    def close(self) -> None:
        """Take no more connections."""
        self._power.closed = True
        self._listener.close()

    def _keep(self, task: asyncio.Future[None]) -> None:
        kept = asyncio.ensure_future(_waited(task))
        self._tasks.add(kept)
        kept.add_done_callback(self._tasks.discard)

    # --- power

    async def start(self) -> None:
        """Boot: make the sandbox, if there is none yet, give it life, and run the boot hooks."""
        if not self._made:
            spec = specification(self._family, self._values, walled=self._sandboxes.walled)
            await self._spawner.ask("make", self.name, spec=spec)
            self._made = True
            await self._tell_faults()
        self._life.clear()
        await self._control("boot_id", f"{uuid.uuid4()}\n")
        self._init = (await self._spawner.ask("boot", self.name))["pid"]
        self._power.up = True
        await self._console.tool("boot.sh")

    async def stop(self) -> None:
        """End every process."""
        told = (await self._spawner.ask("kill", self.name))["told"]
        if told:
            await self._life.wait()

    def cut(self) -> None:
        """Drop all connections, and take no more."""
        self._listener.shut()
        for connection in list(self._open):
            connection.abort()
        for sock in list(self._sockets):
            reset(sock)
        self._sockets.clear()

    def died(self) -> None:
        """Be told that process 1 has ended; if nobody asked for it, the router reboots itself."""
        self._life.set()
        if self._power.up and not self._power.closed:
            self._faults.end(PowerCut)
            self._power.revive(self._tell_faults)

    async def _reboot(self, delay: float = REBOOT_DELAY, *, wait: bool = True) -> None:
        task = self._power.restart(delay)
        if wait:
            await task

    # --- what goes wrong

    async def fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        if isinstance(fault, PowerCut) and not self._sandboxes.walled:
            raise ValueError("without namespaces, no router can cut its own power")
        await self._power.on()
        self._faults.add(fault, self._count)
        await self._tell_faults()
        self.listen()

    async def _clear(self) -> None:
        self._faults.clear()
        if self._power.up:
            await self._tell_faults()
            self.listen()

    def listen(self) -> None:
        """Take connections, unless it shall refuse them."""
        if self._faults.has(Refuse):
            self._listener.shut()
        elif not self._power.closed:
            self._listener.open()

    async def _tell_faults(self) -> None:
        """Put the faults of flash and tools where they take effect."""
        full = next((f.left for f in self._faults if isinstance(f, FlashFull)), None)
        lines = []
        for fault in self._faults:
            match fault:
                case PowerCut(event, after):
                    lines.append(f"cut {'after' if after else 'before'} {event}")
                case ToolFails(event, status):
                    lines.append(f"fail {status} {event}")
                case SlowFlash(seconds):
                    lines.append(f"slow {seconds}")
                case ClockJump(seconds):
                    lines.append(f"clock {seconds}")
                case FlashFull() | ReadOnlyFlash():
                    lines.append("nvram full")
        await self._control("faults", "".join(f"{line}\n" for line in lines))
        readonly = self._faults.has(ReadOnlyFlash)
        await self._spawner.ask("flash", self.name, full=full, readonly=readonly)

    async def _control(self, file: str, text: str) -> None:
        await self._spawner.ask("control", self.name, file=file, text=text)

    # --- connections

    def _taken(self, sock: socket.socket) -> None:
        self._count += 1
        if self._faults.has(Hang):
            self._sockets.add(sock)
            return
        drop = self._faults.take_drop(self._count)
        line = over_line(sock, self._values["latency"], drop, self._serve, self._sockets)
        self._keep(asyncio.ensure_future(line))

    async def _serve(self, sock: socket.socket) -> None:
        try:
            await self._power.on()
            connection = await asyncssh.run_server(sock, options=self._option())
        except (OSError, asyncssh.Error):
            sock.close()
            return
        self._open.add(connection)
        try:
            await connection.wait_closed()
        finally:
            self._open.discard(connection)

    def _option(self) -> asyncssh.SSHServerConnectionOptions:
        wrong = self._faults.has(WrongHostKey)
        if wrong not in self._options:
            legacy = self._values["legacy"]
            self._options[wrong] = ssh.options(
                self, self._keys[wrong], self._streams(), legacy=legacy
            )
        return self._options[wrong]

    def _streams(self) -> dict[str, Any]:
        """Give what takes sessions in place of :meth:`session`; BusyBox routers have no SFTP."""
        return {}

    def admits(self, username: str, password: str) -> bool:
        """Judge a password."""
        right = hmac.compare_digest(password.encode(), self._values["password"].encode())
        return right and username == self._username

    def knows(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Judge a key."""
        return username == self._username and key in self._clients

    def session(self) -> Session:
        """Open a session."""
        home = "/root" if self._username == "root" else f"/tmp/home/{self._username}"  # noqa: S108
        environment = {
            "PATH": PATH,
            "HOME": home,
            "USER": self._username,
            "LOGNAME": self._username,
            "SHELL": self._family.shell,
            "PS1": self._family.prompt,
        }
        login = Login(self._family.shell, environment, home, self._family.lingers)
        return Session(login, self._spawn, self._tasks)

    def forwards(self, host: str, port: int) -> tuple[str, int] | None:
        """Tell where a forwarded connection goes, if it may."""
        return self._find(host, port) if self._values["forwards"] else None

    async def _spawn(
        self, command: Mapping[str, Any], fds: tuple[int, int, int]
    ) -> asyncio.Future[int]:
        return await self._spawner.spawn(self.name, command, fds)

    # --- what there is to be known

    async def _root(self) -> str:
        await self._power.on()
        if not self._sandboxes.walled:
            return f"{self._sandboxes.folder}/routers/{self.name}/flash"
        spawner = f"/proc/{self._sandboxes.spawner}"
        return f"{spawner}/root/tmp/proc/{self._init}/root"

    async def _state(self) -> dict[str, Any]:
        return {
            **await self._console.state(),
            **self._counted(),
            "processes": (await self._spawner.ask("processes", self.name))["is"],
        }

    def _counted(self) -> dict[str, Any]:
        return {
            "up": self._power.up,
            "boots": self._power.boots,
            "connections": self._count,
            "open": len(self._open),
        }


async def _waited(future: asyncio.Future[None]) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        await future
