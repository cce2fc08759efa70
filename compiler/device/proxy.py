"""A ProxyCommand of ssh_config as the socket that a connection goes through.

paramiko's own waits for as many bytes as were asked for, never hears that the command has ended,
and stops working where a process has more than a thousand files open.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess


class ProxyCommand:
    """A running command. Ctrl-C is for us to handle, not for it, so it has a session of its own."""

    def __init__(self, line: str) -> None:
        """Start it, without a shell.

        Raises:
            OSError: it cannot be started.
            ValueError: the line has a quote that is not closed, or is empty.
        """
        words = shlex.split(line)
        if not words:
            raise ValueError("no command")
        self._process = subprocess.Popen(
            words,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._readable = select.poll()
        self._readable.register(self._stdout, select.POLLIN)
        self._timeout: float | None = None
        self._closed = False  # paramiko asks a socket for it

    def settimeout(self, timeout: float | None) -> None:
        """Limit the next calls of :meth:`recv`."""
        self._timeout = timeout

    def recv(self, most: int) -> bytes:
        """Give what has come; nothing is the end.

        Raises:
            TimeoutError: nothing came.
        """
        if not self._readable.poll(None if self._timeout is None else 1000 * self._timeout):
            raise TimeoutError
        return os.read(self._stdout.fileno(), most)

    def send(self, data: bytes) -> int:
        """Send; gives how many bytes were taken."""
        return self._stdin.write(data) or 0

    def close(self) -> None:
        """End the command; it may have ended by itself."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._process.terminate()

    def end(self) -> None:
        """End it, and leave neither the process nor its pipes behind."""
        self.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                stream.close()
