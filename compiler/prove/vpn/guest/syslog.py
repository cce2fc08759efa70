"""What programs say to syslog, kept in a log file of their node."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from compiler.prove.vpn.guest.node import Node

#: ``<PRIORITY>Mmm dd hh:mm:ss program[pid]: text`` (RFC 3164, as the C library writes it).
_LINE = re.compile(r"<\d+>(?:\w{3} [ \d]\d [\d:]{8} )?(.*)", re.DOTALL)
_SOCKET = "log.sock"


def relay(nodes: Sequence[Node], device: Path = Path("/dev/log")) -> None:
    """Let each node's syslog go to its ``syslog.log``, until this process ends.

    ``device`` becomes a link into /run, and /run is each node's own.
    """
    device.unlink(missing_ok=True)
    device.symlink_to(f"/run/{_SOCKET}")
    listening: dict[socket.socket, Path] = {}
    for node in nodes:
        one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.bind(str(node.folder / "run" / _SOCKET))
        listening[one] = node.folder / "syslog.log"
    threading.Thread(target=_write, args=(listening,), daemon=True).start()


def _write(listening: dict[socket.socket, Path]) -> None:
    poll = select.poll()
    by_number = {one.fileno(): (one, path) for one, path in listening.items()}
    for number in by_number:
        poll.register(number, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            one, path = by_number[number]
            with path.open("a", encoding="utf-8") as log:
                log.write(clean(one.recv(8192)) + "\n")


def clean(message: bytes) -> str:
    """Give what a message says, without its priority and date."""
    text = message.decode("utf-8", "replace").rstrip("\0\n")
    found = _LINE.fullmatch(text)
    return found[1] if found else text
