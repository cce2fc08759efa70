"""Network namespaces without names: they live as long as this process holds them, never longer.

Sockets belong to the namespace in which they are made, so one test process can own sockets in all
of them; commands run inside through ``nsenter``.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_TOOLS = ("ip", "nft", "nsenter", "conntrack")
_T = TypeVar("_T")


class Namespace:
    """One network namespace, held by an open file."""

    def __init__(self, label: str) -> None:
        self.label = label
        with ThreadPoolExecutor(1) as pool:
            self._fd = pool.submit(_new_namespace).result()

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def run(self, *command: str, text: str = "", check: bool = True) -> str:
        """Run a command inside; its output, or an error that shows what it said."""
        done = subprocess.run(
            ["nsenter", f"--net={self.path}", *command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.label}: {' '.join(command)}: {done.stderr}\n{text}")
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Run ``ip`` commands, one a line."""
        self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function in a thread that is inside."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self._inside, function).result()

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        return self.call(lambda: socket.socket(family, kind, protocol))

    def sysctl(self, **values: str) -> None:
        """Set ``/proc/sys/net`` values; ``__`` stands for a slash."""

        def write() -> None:
            for name, value in values.items():
                Path(f"/proc/sys/net/{name.replace('__', '/')}").write_text(value, "ascii")

        self.call(write)

    def close(self) -> None:
        os.close(self._fd)

    def _inside(self, function: Callable[[], _T]) -> _T:
        _enter(self._fd)
        return function()


def _libc(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _new_namespace() -> int:
    _libc("unshare", _CLONE_NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(fd: int) -> None:
    _libc("setns", fd, _CLONE_NEWNET)


def missing(tools: Sequence[str] = _TOOLS) -> str:
    """Say why there can be no lab here; empty when there can."""
    for tool in tools:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    try:
        Namespace("probe").close()
    except OSError as error:
        return f"no network namespaces here ({error}); try `unshare -Urn`"
    return ""
