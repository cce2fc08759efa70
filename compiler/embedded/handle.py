"""What a client holds of a router: what can be asked of it, and what the answers are."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compiler.embedded.control import Control
from compiler.embedded.faults import Fault


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


class EmbeddedRouter:
    """A router of the fleet. Attributes never change; what happens is in :meth:`state`.

    ``host_key`` is the public key as known_hosts has it (``ssh-ed25519 AAAA...``).
    """

    def __init__(self, control: Control, values: dict[str, Any]) -> None:
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
    """A router that is managed by HTTP alone, or a controller of such routers."""

    def __init__(self, control: Control, values: dict[str, Any]) -> None:
        self._control = control
        self.name: str = values["name"]
        self.kind: str = values["kind"]
        self.host: str = values["host"]
        self.port: int = values["port"]
        self.username: str = values["username"]
        self.password: str = values["password"]
        self.fingerprint: str = values["fingerprint"]

    def __repr__(self) -> str:
        return f"EmbeddedHttp({self.name!r}, {self.kind!r}, {self.host}:{self.port})"

    def state(self) -> dict[str, Any]:
        """Give ``settings`` (as the firmware stores them), ``logins``, ``writes``, ``requests``."""
        found: dict[str, Any] = self._control.ask("state", name=self.name)
        return found

    def put(self, **settings: Any) -> None:
        """Change stored settings behind the client's back."""
        self._control.ask("put", name=self.name, settings=settings)

    def expire(self) -> None:
        """End all sessions, as time does."""
        self._control.ask("expire", name=self.name)

    def fault(self, fault: Fault) -> None:
        """Let something go wrong: ``DropLine``, ``Hang``, ``Refuse`` or ``ReadOnlyFlash``."""
        self._control.ask("fault", name=self.name, kind=type(fault).__name__, values=asdict(fault))

    def clear(self) -> None:
        """End all faults."""
        self._control.ask("clear", name=self.name)
