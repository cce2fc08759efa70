"""The process of a fleet: ``python -m compiler.embedded FD``; started by ``EmbeddedFleet``."""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from compiler.embedded import spawner

_PREFIX = "passthru-embedded-"


def main() -> None:
    """Fork the spawner while this process is small and has one thread, then serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    parent = os.getppid()
    watch = os.pidfd_open(parent)
    if os.getppid() != parent:
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _clear_up()
    # made by those who need one: routers behind namespaces leave nothing on the disk
    folder = f"{tempfile.gettempdir()}/{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    try:
        _serve(control, watch, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_up() -> None:
    """Remove what fleets left that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = path.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not Path("/proc", number).exists():
            shutil.rmtree(path, ignore_errors=True)


def _serve(control: socket.socket, watch: int, folder: str) -> None:
    wanted = {"yes": True, "no": False}.get(sys.argv[2])
    try:
        line, pid, walled = spawner.start(wanted, folder)
    except OSError as error:
        control.sendall(b'{"id": 0, "error": "no namespaces here: %s"}\n' % str(error).encode())
        return
    from compiler.embedded import server  # noqa: PLC0415 - after the fork: the spawner stays small
    from compiler.embedded.client import Sandboxes  # noqa: PLC0415

    try:
        server.serve(control, watch, line, Sandboxes(folder, pid, walled))
    finally:
        line.close()
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
