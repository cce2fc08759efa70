"""SSH sessions of a router: commands and shells in its sandbox, with a real terminal if asked."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncssh

_CHUNK = 65_536
_ENOUGH = 262_144
_STDERR = 1  # SSH_EXTENDED_DATA_STDERR

Spawn = Callable[[Mapping[str, Any], tuple[int, int, int]], Awaitable["asyncio.Future[int]"]]


@dataclass(frozen=True, slots=True)
class Login:
    """How commands run: the shell, its environment, and whether open output keeps a session."""

    shell: str
    environment: Mapping[str, str]
    home: str
    lingers: bool


class Session(asyncssh.SSHServerSession[bytes]):
    """One session channel."""

    def __init__(self, login: Login, spawn: Spawn, tasks: set[asyncio.Task[None]]) -> None:
        self._login, self._spawn, self._tasks = login, spawn, tasks
        self._argv = [login.shell]
        self._size: tuple[int, int, int, int] | None = None
        self._term = ""
        self._input = bytearray()
        self._input_ended = False
        self._stdin = -1
        self._outputs: dict[int, int | None] = {}
        self._paused = False
        self._drained = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._chan = chan

    def pty_requested(
        self, term_type: str | None, term_size: tuple[int, int, int, int], term_modes: Any
    ) -> bool:
        """Give a terminal."""
        del term_modes
        self._term, self._size = term_type or "dumb", term_size
        return True

    def shell_requested(self) -> bool:
        """Give a login shell."""
        self._argv = [self._login.shell, *(["-i"] if self._size else [])]
        return True

    def exec_requested(self, command: str) -> bool:
        """Run a command through the shell, as every SSH server does."""
        self._argv = [self._login.shell, "-c", command]
        return True

    def session_started(self) -> None:
        """Start."""
        task = self._loop.create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        theirs = self._open()
        command = {
            "argv": self._argv,
            "env": {**self._login.environment, **({"TERM": self._term} if self._term else {})},
            "cwd": self._login.home,
            "terminal": self._size is not None,
        }
        try:
            end = await self._spawn(command, theirs)
        except OSError as error:
            for fd in set(theirs):
                os.close(fd)
            self._close()
            self._chan.write_stderr(f"{error}\n".encode())
            self._chan.exit(126)
            return
        for fd in set(theirs):
            os.close(fd)
        self._feed()
        try:
            await self._finish(await end)
        finally:
            self._close()

    def _open(self) -> tuple[int, int, int]:
        """Make pipes or a terminal; give the ends of the command."""
        if self._size is None:
            stdin, self._stdin = os.pipe2(os.O_CLOEXEC)
            out, stdout = os.pipe2(os.O_CLOEXEC)
            err, stderr = os.pipe2(os.O_CLOEXEC)
            self._outputs = {out: None, err: _STDERR}
            theirs = (stdin, stdout, stderr)
        else:
            ours, their = os.openpty()
            width, height, x, y = self._size
            fcntl.ioctl(their, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, x, y))
            self._stdin, self._outputs = os.dup(ours), {ours: None}
            theirs = (their, their, their)
        os.set_blocking(self._stdin, False)
        for fd in self._outputs:
            os.set_blocking(fd, False)
            if not self._paused:
                self._loop.add_reader(fd, self._carry, fd)
        return theirs

    async def _finish(self, status: int) -> None:
        """Bring the rest of the output, then the exit status."""
        if self._login.lingers or self._paused:
            if self._outputs:
                await self._drained.wait()
        else:
            for fd in list(self._outputs):
                while fd in self._outputs and self._carry(fd):
                    pass
        if status < 0:
            self._chan.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            self._chan.exit(status)

    def _carry(self, fd: int) -> bool:
        """Bring what a descriptor gives; tell whether there may be more at once."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # a terminal whose last process has ended
            data = b""
        if not data:
            self._drop(fd)
            return False
        with contextlib.suppress(OSError):
            self._chan.write(data, self._outputs[fd])
        return True

    def _drop(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        os.close(fd)
        del self._outputs[fd]
        if not self._outputs:
            self._drained.set()

    def pause_writing(self) -> None:
        """Wait: the client does not read."""
        self._paused = True
        for fd in self._outputs:
            self._loop.remove_reader(fd)

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        for fd in self._outputs:
            self._loop.add_reader(fd, self._carry, fd)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Take input for the command."""
        del datatype
        self._input += data
        if len(self._input) > _ENOUGH:
            self._chan.pause_reading()
        self._feed()

    def eof_received(self) -> bool:
        """End the input; the output goes on."""
        self._input_ended = True
        self._feed()
        return True

    def _feed(self) -> None:
        if self._stdin < 0:
            return
        try:
            while self._input:
                del self._input[: os.write(self._stdin, self._input[:_CHUNK])]
        except BlockingIOError:
            self._loop.add_writer(self._stdin, self._feed)
            return
        except OSError:  # the command reads no more
            self._input.clear()
        self._loop.remove_writer(self._stdin)
        if not self._input_ended:
            with contextlib.suppress(OSError):
                self._chan.resume_reading()  # may bring more, and feed it, before it returns
        elif self._size is None:
            os.close(self._stdin)
            self._stdin = -1

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Tell the terminal."""
        with contextlib.suppress(OSError):
            size = struct.pack("HHHH", height, width, pixwidth, pixheight)
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close what the command holds on to; it may go on, as on a router."""
        del exc
        self._close()

    def _close(self) -> None:
        if self._stdin >= 0:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
        for fd in list(self._outputs):
            self._drop(fd)
        self._drained.set()
