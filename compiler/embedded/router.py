"""One router: its SSH server, its power, and what goes wrong with it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import os
import shlex
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import asyncssh

from compiler.embedded.families import family
from compiler.embedded.faults import (
    ClockJump,
    DropLine,
    Fault,
    FlashFull,
    Hang,
    PowerCut,
    ReadOnlyFlash,
    Refuse,
    SlowFlash,
    ToolFails,
    WrongHostKey,
)
from compiler.embedded.line import Line, reset
from compiler.embedded.listener import Listener
from compiler.embedded.session import Login, Session

if TYPE_CHECKING:
    from compiler.embedded.client import Sandboxes, Spawner

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_REBOOT_DELAY = 0.2
_ATTEMPTS = 5
#: Only what firmware of fifteen years ago speaks.
_LEGACY = {
    "kex_algs": ["diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"],
    "encryption_algs": ["aes128-cbc", "3des-cbc"],
    "mac_algs": ["hmac-sha1"],
    "signature_algs": ["ssh-rsa"],
}

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
        self._keys = [asyncssh.generate_private_key(_key_type(values)) for _ in range(2)]
        self._clients = [client_key.convert_to_public()]
        if values["authorized_key"]:
            self._clients.append(asyncssh.import_public_key(values["authorized_key"]))
        self._options: dict[bool, asyncssh.SSHServerConnectionOptions] = {}
        self._listener = Listener(values["address"], values["port"], self._taken)
        self.host, self.port = self._listener.host, self._listener.port
        self._listener.open()
        self._power = asyncio.Lock()
        self._made = self._up = False
        self._life = asyncio.Event()
        self._boots = self._count = 0
        self._faults: list[Fault] = []
        self._sockets: set[socket.socket] = set()
        self._open: set[asyncssh.SSHServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._prepare()
        self._reviving: asyncio.Future[None] | None = None
        self._init = 0
        self._closed = False

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
            "read": self._read,
            "write": self._write,
            "run": self._console,
            "clear": self._clear,
            "reboot": self._reboot,
            "state": self._state,
        }

    def close(self) -> None:
        """Take no more connections."""
        self._closed = True
        self._listener.close()

    # --- power

    async def _on(self) -> None:
        """Power on, where it is off; a router that reboots itself does that first."""
        while self._reviving is not None:
            await asyncio.wait((self._reviving,))
        async with self._power:
            if not self._up:
                await self._boot()

    async def _boot(self) -> None:
        await self._start()
        self._up = True
        self._boots += 1

    def _prepare(self) -> None:
        """Make what a router has before it is ever on."""

    async def _start(self) -> None:
        if not self._made:
            await self._spawner.ask("make", self.name, spec=self._spec())
            self._made = True
            await self._tell_faults()
        self._life.clear()
        await self._control("boot_id", f"{uuid.uuid4()}\n")
        self._init = (await self._spawner.ask("boot", self.name))["pid"]
        self._up = True
        await self._run(_tool("boot.sh"))

    async def _stop(self) -> None:
        told = (await self._spawner.ask("kill", self.name))["told"]
        if told:
            await self._life.wait()

    async def _off(self) -> None:
        """Pull the plug."""
        self._listener.shut()
        for connection in list(self._open):
            connection.abort()
        for sock in list(self._sockets):
            reset(sock)
        self._sockets.clear()
        if self._up:
            self._up = False
            await self._stop()

    async def _reboot(self, delay: float = _REBOOT_DELAY, *, wait: bool = True) -> None:
        task = asyncio.ensure_future(self._again(delay))
        self._keep(task)
        if wait:
            await task

    async def _again(self, delay: float) -> None:
        async with self._power:
            await self._off()
            await asyncio.sleep(delay)
            if self._closed:
                return
            await self._boot()
            self._listen()

    def died(self) -> None:
        """Be told that process 1 has ended; if nobody asked for it, the router reboots itself."""
        self._life.set()
        if self._up and not self._closed:
            self._up = False
            self._faults = [fault for fault in self._faults if not isinstance(fault, PowerCut)]
            self._reviving = asyncio.ensure_future(self._revive())
            self._keep(self._reviving)

    async def _revive(self) -> None:
        try:
            await self._tell_faults()
            await self._again(_REBOOT_DELAY)
        finally:
            self._reviving = None

    def _keep(self, task: asyncio.Future[None]) -> None:
        kept = asyncio.ensure_future(_waited(task))
        self._tasks.add(kept)
        kept.add_done_callback(self._tasks.discard)

    def _spec(self) -> dict[str, Any]:
        values, kind = self._values, self._family
        real = kind.real_nft if values["real_nft"] is None else values["real_nft"]
        modules = kind.modules if values["modules"] is None else values["modules"]
        without = list(values["without"])
        tools = [tool for tool in kind.tools if tool != "nft"]
        tools.append("nft" if real and self._sandboxes.walled else "nft=nft-list")
        return {
            "root": kind.root,
            "ram": kind.ram,
            "flash": kind.flash,
            "links": kind.links,
            "files": kind.files,
            "tools": tools,
            "without": without,
            "flash_kilobytes": values["flash_kilobytes"],
            "hostname": self.name,
            "control": {
                "family": f"{kind.name}\n",
                "username": f"{self._username}\n",
                "release": f"{values['release'] or kind.release}\n",
                "kernel": f"{kind.kernel}\n",
                "modules": "".join(f"{module}\n" for module in modules),
                "faults": "",
                "nvram": "".join(f"{key}={value}\n" for key, value in kind.nvram.items()),
            },
        }

    # --- what goes wrong

    async def fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        if isinstance(fault, PowerCut) and not self._sandboxes.walled:
            raise ValueError("without namespaces, no router can cut its own power")
        await self._on()
        if isinstance(fault, DropLine) and fault.connection is None:
            fault = DropLine(fault.after, fault.direction, self._count + 1, fault.how)
        self._faults.append(fault)
        await self._tell_faults()
        self._listen()

    async def _clear(self) -> None:
        self._faults.clear()
        if self._up:
            await self._tell_faults()
            self._listen()

    def _has(self, kind: type[Fault]) -> bool:
        return any(isinstance(fault, kind) for fault in self._faults)

    def _listen(self) -> None:
        if self._has(Refuse):
            self._listener.shut()
        elif not self._closed:
            self._listener.open()

    async def _tell_faults(self) -> None:
        """Put the faults of flash and tools where they take effect."""
        full = next((f.left for f in self._faults if isinstance(f, FlashFull)), None)
        readonly = self._has(ReadOnlyFlash)
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
        await self._spawner.ask("flash", self.name, full=full, readonly=readonly)

    async def _control(self, file: str, text: str) -> None:
        await self._spawner.ask("control", self.name, file=file, text=text)

    # --- connections

    def _taken(self, sock: socket.socket) -> None:
        self._count += 1
        if self._has(Hang):
            self._sockets.add(sock)
            return
        drop = _drops(self._faults, self._count)
        if drop is not None:
            self._faults.remove(drop)
        task = asyncio.ensure_future(self._connection(sock, drop))
        self._keep(task)

    async def _connection(self, sock: socket.socket, drop: DropLine | None) -> None:
        latency = self._values["latency"]
        if drop is None and not latency:
            await self._serve(sock)
            return
        near, far = socket.socketpair()
        for end in (near, far):
            end.setblocking(False)  # noqa: FBT003 - the socket's own call
        self._sockets.add(sock)
        try:
            await asyncio.gather(self._serve(near), Line(sock, far, latency, drop).run())
        finally:
            self._sockets.discard(sock)

    async def _serve(self, sock: socket.socket) -> None:
        try:
            await self._on()
            connection = await asyncssh.run_server(sock, options=await self._option())
        except (OSError, asyncssh.Error):
            sock.close()
            return
        self._open.add(connection)
        try:
            await connection.wait_closed()
        finally:
            self._open.discard(connection)

    async def _option(self) -> asyncssh.SSHServerConnectionOptions:
        wrong = self._has(WrongHostKey)
        if wrong not in self._options:
            legacy: dict[str, Any] = _LEGACY if self._values["legacy"] else {}
            self._options[wrong] = asyncssh.SSHServerConnectionOptions(
                server_factory=lambda: _Server(self),
                server_host_keys=[self._keys[wrong]],
                encoding=None,
                allow_scp=False,
                **self._streams(),
                agent_forwarding=False,
                x11_forwarding=False,
                gss_host=None,
                keepalive_interval=0,
                login_timeout=120,
                server_version="dropbear_2022.83",
                compression_algs=["none"],
                **legacy,
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
            "PATH": _PATH,
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

    # --- the console

    async def _run(self, argv: list[str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run a command; give status and output, without what background processes print."""
        command = {
            "argv": argv,
            "env": {"PATH": _PATH, "HOME": "/root", "USER": "root"},
            "cwd": "/",
            "terminal": False,
        }
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        try:
            os.write(files[0], stdin)
            os.lseek(files[0], 0, os.SEEK_SET)
            status = await self._patiently(command, (files[0], files[1], files[2]))
            return status, _all(files[1]), _all(files[2])
        finally:
            for file in files:
                os.close(file)

    async def _patiently(self, command: Mapping[str, Any], fds: tuple[int, int, int]) -> int:
        """Run a command; where the router is just going down, when it is up again."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):
                return await (await self._spawn(command, fds))
            await asyncio.sleep(_REBOOT_DELAY)
            await self._on()
        raise OSError(f"{self.name} runs no commands")

    async def _console(self, command: str, stdin: str) -> dict[str, Any]:
        await self._on()
        status, out, err = await self._run([self._family.shell, "-c", command], stdin.encode())
        return {
            "status": status,
            "stdout": out.decode(errors="replace"),
            "stderr": err.decode(errors="replace"),
        }

    async def _read(self, path: str) -> str:
        await self._on()
        place = shlex.quote(path.lstrip("/"))
        script = f'cat "${{PASSTHRU_ROOT:-}}"/{place}'
        status, out, err = await self._run(["/bin/sh", "-c", script])
        if status:
            raise OSError(err.decode(errors="replace").strip())
        return base64.b64encode(out).decode()

    async def _write(self, path: str, data: str, mode: int) -> None:
        await self._on()
        place = shlex.quote(path.lstrip("/"))
        script = (
            f'file="${{PASSTHRU_ROOT:-}}"/{place}; mkdir -p "${{file%/*}}" && cat > "$file" && '
            f'chmod {mode:o} "$file"'
        )
        status, _, err = await self._run(["/bin/sh", "-c", script], base64.b64decode(data))
        if status:
            raise OSError(err.decode(errors="replace").strip())

    async def _root(self) -> str:
        await self._on()
        if not self._sandboxes.walled:
            return f"{self._sandboxes.folder}/routers/{self.name}/flash"
        spawner = f"/proc/{self._sandboxes.spawner}"
        return f"{spawner}/root/tmp/proc/{self._init}/root"

    async def _state(self) -> dict[str, Any]:
        await self._on()
        status, out = -1, b""
        while status:  # not 0 where a reboot has come in between
            status, out, _ = await self._run(_tool("state.sh"))
        parts: dict[str, Any] = {"log": "", "loaded": "", "nvram": {}, "nvram_flash": {}}
        for record in out.decode(errors="surrogateescape").split("\0"):
            kind, _, text = record.partition(" ")
            if kind in ("log", "loaded"):
                parts[kind] = text
            elif kind in ("nvram", "nvram_flash"):
                key, _, value = text.partition("=")
                parts[kind][key] = value
        return {
            **parts,
            "log": parts["log"].splitlines(),
            "up": self._up,
            "boots": self._boots,
            "connections": self._count,
            "open": len(self._open),
            "processes": (await self._spawner.ask("processes", self.name))["is"],
        }


class _Server(asyncssh.SSHServer):
    def __init__(self, router: Router) -> None:
        self._router = router

    def begin_auth(self, username: str) -> bool:
        """Ask for proof, always."""
        del username
        return True

    def password_auth_supported(self) -> bool:
        """Take passwords."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Judge one."""
        return self._router.admits(username, password)

    def public_key_auth_supported(self) -> bool:
        """Take keys."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Judge one."""
        return self._router.knows(username, key)

    def session_requested(self) -> Session:
        """Open a session."""
        return self._router.session()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection."""
        self._connection = conn

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        """Forward to a router of the fleet, and to nowhere else."""
        del orig_host, orig_port
        found = self._router.forwards(dest_host, dest_port)
        if found is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "not a router of this fleet"
            )
        return self._connection.forward_connection(*found)


def _tool(name: str) -> list[str]:
    return ["/bin/sh", "-c", f'. "${{PASSTHRU_ROOT:-}}/rom/emulate/{name}"']


def _drops(faults: list[Fault], connection: int) -> DropLine | None:
    """Find the fault of a connection."""
    drops = (fault for fault in faults if isinstance(fault, DropLine))
    return next((drop for drop in drops if drop.connection == connection), None)


def _key_type(values: Mapping[str, Any]) -> str:
    return "ssh-rsa" if values["legacy"] else "ssh-ed25519"


def _all(file: int) -> bytes:
    size = os.fstat(file).st_size
    return os.pread(file, size, 0) if size else b""


async def _waited(future: asyncio.Future[None]) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        await future
