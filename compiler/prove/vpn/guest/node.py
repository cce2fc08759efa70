"""A node: one machine of the lab, with its own network, its own /run and its own /etc/ppp.

A thread that has left for namespaces of its own *is* the node: what it starts runs there. This
costs no program for each step; they are slow to start where the processor is emulated.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from compiler.prove.vpn.guest.shell import Daemon, run

BASE = Path("/run/passthru")
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC = 0x1000, 0x4000
_PPP = Path("/etc/ppp")
_T = TypeVar("_T")


class Node:
    """One machine of the lab. Its files are in ``folder``, the same path inside and outside."""

    def __init__(self, name: str) -> None:
        """Make the namespaces; they live as long as this process."""
        self.name = name
        self.folder = BASE / name
        for part in ("run/passthru", "run/lock", "ppp"):
            (self.folder / part).mkdir(parents=True)
        self._daemons: list[Daemon] = []
        self._thread = ThreadPoolExecutor(1)
        self._fd = self.call(self._leave)

    @property
    def net(self) -> str:
        """The network namespace as a path that ``ip`` takes."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def _leave(self) -> int:
        """Leave for new namespaces. /run is bound with the files of the whole lab in it."""
        _libc("unshare", _CLONE_NEWNS | _CLONE_NEWNET)
        _bind(BASE, self.folder / "run/passthru")
        _bind(self.folder / "run", Path("/run"), _MS_REC)
        if _PPP.is_dir():
            _bind(BASE / self.name / "ppp", _PPP)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function inside. Calls of one node wait for one another."""
        return self._thread.submit(function).result()

    def run(self, *command: str, text: str = "", check: bool = True, seconds: float = 60.0) -> str:
        """Run a command inside; what it printed."""
        return self.call(lambda: run(command, text, check=check, seconds=seconds))

    def ip(self, *lines: str, check: bool = True) -> None:
        """Run ``ip`` commands, one a line; without ``check`` each that fails is passed over."""
        force = () if check else ("-force",)
        self.run("ip", *force, "-batch", "-", text="\n".join(lines) + "\n", check=check)

    def write(self, name: str, text: str, mode: int = 0o600) -> str:
        """Write a file of this node; its path, the same inside and outside."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=mode)
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return str(path)

    def start(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a daemon inside; :meth:`stop` ends it."""
        log = self.folder / f"{Path(command[0]).name}.log"
        self._daemons.append(self.call(lambda: Daemon(command, log, environment)))

    def running(self) -> bool:
        """Tell whether every daemon that was started still runs."""
        return all(daemon.running for daemon in self._daemons)

    def stop(self) -> None:
        """End everything that runs inside, also what a daemon has let go of; forget the logs."""
        while self._daemons:
            self._daemons.pop().stop()
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for log in self.folder.glob("*.log"):
            log.unlink()

    def _processes(self) -> list[int]:
        ours = os.fstat(self._fd).st_ino
        found = []
        for item in Path("/proc").iterdir():
            if item.name.isdecimal() and int(item.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if (item / "ns/net").stat().st_ino == ours:
                        found.append(int(item.name))
        return found

    def socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """Make a socket that belongs to this node, whoever uses it."""
        return self.call(lambda: socket.socket(family, kind, protocol))

    def log(self, lines: int) -> list[str]:
        """Give the last lines of each log, with the name of the program."""
        found: list[str] = []
        for path in sorted(self.folder.glob("*.log")):
            text = path.read_text("utf-8", "replace").splitlines()
            said = [f"{path.stem}: {line.strip()}"[:300] for line in text if line.strip()]
            found += said[-lines:]
        return found


def _libc(function: str, *arguments: int | bytes | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _bind(source: Path, target: Path, more: int = 0) -> None:
    _libc("mount", os.fsencode(source), os.fsencode(target), None, _MS_BIND | more, None)
