"""The two kinds of running shells: an SSH channel, and a process on this machine."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time

import paramiko

from compiler.errors import TransportError
from compiler.model.finding import Code

_CHUNK = 1 << 16


class ChannelPipe:
    """A program at the far end of an SSH connection, which may yet refuse to start it."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        """Wait on both of the channel's outputs with one event; ``name`` is the machine's."""
        self._channel = channel
        self._name = name
        self._came = threading.Event()
        channel.in_buffer.set_event(self._came)
        channel.in_stderr_buffer.set_event(self._came)

    def send(self, data: bytes, timeout: float) -> None:
        """Send bytes; waits while the far end does not take more.

        Raises:
            TransportError: S808, it did not start the program; so does :meth:`receive`.
            OSError: the connection broke off; paramiko says that in three ways.
        """
        self._channel.settimeout(timeout)
        try:
            self._channel.sendall(data)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._see_consent()
            if isinstance(error, OSError):
                raise
            raise ConnectionError(str(error)) from None

    def receive(self, timeout: float) -> tuple[bytes, bytes] | None:
        """Give what has come. Reading clears the event, so it is waited for only after a look at
        both outputs that read nothing.
        """  # noqa: D205 - one thought
        deadline = time.monotonic() + timeout
        while True:
            channel = self._channel
            out = channel.recv(_CHUNK) if channel.recv_ready() else b""
            err = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
            if out or err:
                return out, err
            if channel.closed or channel.eof_received:
                self._see_consent()
                return None
            left = deadline - time.monotonic()
            if left <= 0 or not self._came.wait(left):
                raise TimeoutError

    def status(self) -> int | None:
        """Give the exit status, waiting a moment for it: it may come after the end of output."""
        channel = self._channel
        channel.status_event.wait(2.0)
        return (
            channel.exit_status
            if channel.exit_status_ready() and channel.exit_status >= 0
            else None
        )

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _see_consent(self) -> None:
        """Tell a refusal from a connection that broke off: its channels nobody closes in order."""
        channel = self._channel
        if channel.closed and channel.eof_sent and not channel.event_ready:
            raise no_command(self._name, "refused")


def no_command(name: str, why: str) -> TransportError:
    """Give the error for a machine that starts no program."""
    hint = "the account must run commands: `ssh USER@HOST sh -s`"
    return TransportError.of(Code.S808, f"{name} starts no command: {why}", hint=hint)


class ProcessPipe:
    """A shell on this machine, in a session of its own: Ctrl-C is for us to handle, not for it."""

    def __init__(self, command: list[str]) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._streams = selectors.DefaultSelector()
        for stream, which in ((self._process.stdout, 0), (self._process.stderr, 1)):
            assert stream is not None  # noqa: S101 - for the type checker: all three are pipes
            os.set_blocking(stream.fileno(), False)
            self._streams.register(stream, selectors.EVENT_READ, which)

    def send(self, data: bytes, timeout: float) -> None:
        """Send bytes."""
        del timeout
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - same
        stdin.write(data)
        stdin.flush()

    def receive(self, timeout: float) -> tuple[bytes, bytes] | None:
        """Give what has come."""
        ready = self._streams.select(timeout) if self._streams.get_map() else []
        if not ready:
            if not self._streams.get_map():
                return None
            raise TimeoutError
        came = [b"", b""]
        for key, _ in ready:
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._streams.unregister(key.fileobj)
            came[key.data] = data
        if any(came):
            return came[0], came[1]
        return self.receive(timeout)

    def status(self) -> int | None:
        """Give the exit status."""
        try:
            return self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """End its input, and with it the shell; a script that still runs is left to its end."""
        self._streams.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            threading.Thread(target=self._process.wait, daemon=True).start()
