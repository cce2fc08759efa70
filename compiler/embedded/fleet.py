"""What tests, benchmarks and the demo call: a fleet, its routers, and what can be asked of them.

The fleet lives in a process of its own, so that what a client costs can be measured. It ends with
the process that started it, also when that one is killed.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import itertools
import json
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from compiler.embedded.faults import Fault

_READY_SECONDS = 60.0


class EmbeddedError(Exception):
    """The fleet cannot do what was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class RouterState:
    """What is to be known of a router at one moment.

    ``log`` holds the calls of tools that change or check something (``fw4 reload``,
    ``nvram commit``), over all reboots. ``nvram`` is what runs, ``nvram_flash`` what a reboot
    brings back. ``processes`` are the command lines of what runs in the sandbox.
    """

    up: bool
    boots: int
    connections: int
    open: int
    log: tuple[str, ...]
    nvram: dict[str, str]
    nvram_flash: dict[str, str]
    processes: tuple[str, ...]
    loaded: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command on the console gave."""

    status: int
    stdout: str
    stderr: str


class _Control:
    """Requests and answers, one JSON line each, over a socket to the fleet's process."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._file = line.makefile("rb")
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        #: Answer 0 comes unasked: the fleet has started.
        self._waiting: dict[int, Future[dict[str, Any]]] = {0: Future()}
        self._started = self._waiting[0]
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="embedded-fleet", daemon=True)
        self._reader.start()

    def started(self) -> Any:
        """Wait for the fleet."""
        return self._result(self._started, _READY_SECONDS)

    def ask(self, word: str, **values: Any) -> Any:
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            if self._ended:
                raise EmbeddedError("the fleet has ended")
            self._waiting[number] = future
            try:
                self._line.sendall(
                    json.dumps({"id": number, "do": word, **values}).encode() + b"\n"
                )
            except OSError as error:
                raise EmbeddedError(f"the fleet has ended: {error}") from error
        return self._result(future, None)

    def _result(self, future: Future[dict[str, Any]], timeout: float | None) -> Any:
        try:
            found = future.result(timeout)
        except TimeoutError:
            raise EmbeddedError("the fleet does not start") from None
        if "error" in found:
            raise EmbeddedError(found["error"])
        return found.get("is")

    def _read(self) -> None:
        with self._file, contextlib.suppress(OSError, ValueError):
            for line in self._file:
                answer = json.loads(line)
                self._waiting.pop(answer["id"]).set_result(answer)
        with self._lock:
            self._ended = True
            for future in self._waiting.values():
                future.set_result({"error": "the fleet has ended"})
            self._waiting.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._line.close()


class EmbeddedRouter:
    """A router of the fleet. Attributes never change; what happens is in :meth:`state`.

    ``host_key`` is the public key as known_hosts has it (``ssh-ed25519 AAAA...``).
    """

    def __init__(self, control: _Control, values: dict[str, Any]) -> None:
        self._control = control
        self.name: str = values["name"]
        self.family: str = values["family"]
        self.host: str = values["host"]
        self.port: int = values["port"]
        self.username: str = values["username"]
        self.password: str = values["password"]
        self.host_key: str = values["host_key"]

    def __repr__(self) -> str:
        return f"EmbeddedRouter({self.name!r}, {self.family!r}, {self.host}:{self.port})"

    @property
    def known_hosts(self) -> str:
        """The line for a known_hosts file."""
        return f"[{self.host}]:{self.port} {self.host_key}\n"

    @property
    def root(self) -> Path:
        """The root folder of the router, as a path of the machine; another after a reboot.

        Links in it are those of the router: an absolute one leads out of the folder. Use
        :meth:`read` and :meth:`write` for single files.
        """
        return Path(self._ask("root"))

    def read(self, path: str) -> bytes:
        """Read a file of the router.

        Raises:
            EmbeddedError: there is no such file.
        """
        return base64.b64decode(self._ask("read", path=path))

    def write(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        """Write a file of the router, with the folders above it."""
        content = data.encode() if isinstance(data, str) else data
        self._ask("write", path=path, data=base64.b64encode(content).decode(), mode=mode)

    def run(self, command: str, stdin: str = "") -> Ran:
        """Run a command on the router's console, without SSH, latency or faults of the line."""
        return Ran(**self._ask("run", command=command, stdin=stdin))

    def fault(self, fault: Fault) -> None:
        """Let something go wrong from now on; see :mod:`compiler.embedded.faults`."""
        self._ask("fault", kind=type(fault).__name__, values=asdict(fault))

    def clear(self) -> None:
        """End all faults. A clock that has jumped jumps back."""
        self._ask("clear")

    def reboot(self, delay: float = 0.2, *, wait: bool = True) -> None:
        """Pull the plug: lines drop, processes die, RAM is empty, boot hooks run.

        The router refuses connections for ``delay`` seconds. ``wait``: return when its boot
        hooks have ended and it takes connections again.
        """
        self._ask("reboot", delay=delay, wait=wait)

    def state(self) -> RouterState:
        """Tell what is so now."""
        found = self._ask("state")
        return RouterState(
            **{
                **found,
                "log": tuple(found["log"]),
                "processes": tuple(found["processes"]),
            }
        )

    def _ask(self, word: str, **values: Any) -> Any:
        return self._control.ask(word, name=self.name, **values)


class EmbeddedHttp:
    """A router that is managed by HTTP alone: ``tplink``, ``jnap`` or ``hnap``."""

    def __init__(self, control: _Control, values: dict[str, Any]) -> None:
        self._control = control
        self.name: str = values["name"]
        self.kind: str = values["kind"]
        self.host: str = values["host"]
        self.port: int = values["port"]
        self.username: str = values["username"]
        self.password: str = values["password"]

    def __repr__(self) -> str:
        return f"EmbeddedHttp({self.name!r}, {self.kind!r}, {self.host}:{self.port})"

    def state(self) -> dict[str, Any]:
        """Give ``settings`` (as the firmware stores them), ``logins``, ``writes``, ``requests``."""
        found: dict[str, Any] = self._control.ask("state", name=self.name)
        return found

    def put(self, **settings: Any) -> None:
        """Change stored settings behind the client's back."""
        self._control.ask("put", name=self.name, settings=settings)

    def fault(self, fault: Fault) -> None:
        """Let something go wrong: ``DropLine``, ``Hang``, ``Refuse`` or ``ReadOnlyFlash``."""
        self._control.ask("fault", name=self.name, kind=type(fault).__name__, values=asdict(fault))

    def clear(self) -> None:
        """End all faults."""
        self._control.ask("clear", name=self.name)


class EmbeddedFleet:
    """Routers on loopback, as a context manager.

    ``namespaces``: whether every router gets namespaces of its own (a true sandbox). ``None``
    takes them where the machine allows it; :attr:`namespaces` says what came of it. Without
    them, commands find the router's folder in ``PASSTHRU_ROOT``, and an absolute path is one of
    the machine: run nothing there that does not honour ``PASSTHRU_ROOT``. Commands then have no
    more rights than the user of the fleet, and where that is root, those of nobody.

    Raises:
        EmbeddedError: the fleet does not start; the message says what is missing.
    """

    def __init__(self, *, namespaces: bool | None = None) -> None:
        self._numbers = itertools.count(1)
        self._wanted = namespaces
        self._process: subprocess.Popen[bytes] | None = None
        self._link: _Control | None = None
        self.namespaces = False
        self.client_key = ""

    def __enter__(self) -> Self:
        if importlib.util.find_spec("asyncssh") is None:
            raise EmbeddedError("asyncssh is missing: pip install 'passthru[demo]'")
        ours, theirs = socket.socketpair()
        wanted = {True: "yes", False: "no", None: "try"}[self._wanted]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "compiler.embedded", str(theirs.fileno()), wanted],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the client; the fleet ends with it
            )
        self._link = _Control(ours)
        try:
            started = self._link.started()
        except BaseException:
            self.close()
            raise
        self.namespaces = started["namespaces"]
        self.client_key = started["client_key"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every router and everything that runs on one; nothing is left."""
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._link = self._process = None

    @property
    def pid(self) -> int:
        """The process of the fleet, for measurements."""
        if self._process is None:
            raise EmbeddedError("the fleet is not started")
        return self._process.pid

    def add(  # noqa: PLR0913 - by keyword, each with a default
        self,
        family: str,
        name: str = "",
        *,
        username: str = "",
        password: str | None = None,
        latency: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
        release: str = "",
        without: Sequence[str] = (),
        modules: Sequence[str] | None = None,
        authorized_key: str = "",
        flash_kilobytes: int = 4096,
        legacy: bool = False,
        real_nft: bool | None = None,
        forwards: bool = False,
    ) -> EmbeddedRouter:
        """Add a router: ``openwrt``, ``asuswrt``, ``ddwrt``, ``freshtomato``, ``linux``, ...

        ``latency`` is the time of a round trip in seconds. ``without`` leaves out BusyBox applets
        (``base64``, ``timeout``, ``setsid``, ``nohup``). ``modules`` are the kernel modules that
        it has. ``legacy`` speaks only what old firmware does (``ssh-rsa`` and SHA-1).
        ``real_nft`` runs the machine's nft in a network namespace of the router; by default where
        the family is ``linux`` and the machine allows it. ``forwards``: it forwards connections
        (``direct-tcpip``) to routers of this fleet, by name or by address.
        A client gets in by password or by :attr:`client_key`.

        Raises:
            EmbeddedError: an unknown family, a name that is taken, a port in use.
        """
        values = self._control.ask(
            "add",
            family=family,
            name=name or f"{family}-{next(self._numbers)}",
            username=username,
            password=secrets.token_urlsafe(9) if password is None else password,
            latency=latency,
            address=address,
            port=port,
            release=release,
            without=sorted(without),
            modules=None if modules is None else list(modules),
            authorized_key=authorized_key,
            flash_kilobytes=flash_kilobytes,
            legacy=legacy,
            real_nft=real_nft,
            forwards=forwards,
        )
        return EmbeddedRouter(self._control, values)

    def add_bastion(self, name: str = "", **options: Any) -> EmbeddedRouter:
        """Add a Linux machine that forwards connections to the routers of this fleet."""
        return self.add("linux", name or f"bastion-{next(self._numbers)}", forwards=True, **options)

    def add_http(  # noqa: PLR0913 - by keyword, each with a default
        self,
        kind: str,
        name: str = "",
        *,
        username: str = "admin",
        password: str | None = None,
        latency: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
        encrypted: bool = False,
    ) -> EmbeddedHttp:
        """Add a router with a web interface only: ``tplink``, ``jnap`` or ``hnap``.

        ``encrypted``: a TP-Link that takes requests only in AES with a signature.
        """
        values = self._control.ask(
            "add_http",
            kind=kind,
            name=name or f"{kind}-{next(self._numbers)}",
            username=username,
            password=secrets.token_urlsafe(9) if password is None else password,
            latency=latency,
            address=address,
            port=port,
            encrypted=encrypted,
        )
        return EmbeddedHttp(self._control, values)

    @property
    def _control(self) -> _Control:
        if self._link is None:
            raise EmbeddedError("the fleet is not started: use it as a context manager")
        return self._link
