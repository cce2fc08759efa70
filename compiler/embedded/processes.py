"""Processes of a router: how a forked one becomes a command, and which there are."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from compiler.embedded import kernel


def become(command: Mapping[str, Any], fds: list[int]) -> None:
    """Become the command; never comes back."""
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    if command["terminal"]:
        kernel.take_terminal(0)
    argv = command["argv"]
    os.execve(argv[0], argv, command["env"])  # noqa: S606 - a shell is what it starts


def guarded(fd: int, action: Callable[[], None]) -> NoReturn:
    """Run the rest of a forked process; whatever fails is told on a descriptor."""
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - a forked child must not unwind into the parent's code
        with contextlib.suppress(OSError):
            os.write(fd, f" {error}\n".encode())
    os._exit(127)


def commands(proc: Path, belongs: Callable[[Path], bool]) -> Iterator[str]:
    """List the command lines of the processes that belong to a router."""
    for pid in sorted(proc.glob("[0-9]*"), key=lambda pid: int(pid.name)):
        with contextlib.suppress(OSError):
            line = (pid / "cmdline").read_bytes()
            if line and belongs(pid):
                yield line.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
