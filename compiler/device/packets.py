"""SSH packets read in large pieces, and a handshake whose time is measured without a thread.

paramiko asks the system twice for every packet, and starts a timer's thread for every connection.
A fleet pays for both in one interpreter, where each call of the system hands it to another thread.
"""

from __future__ import annotations

import errno
import time
from typing import Any

from paramiko.packet import NeedRekeyException, Packetizer

_CHUNK = 1 << 15


class Packets(Packetizer):
    """What paramiko reads its packets with, for a socket that gives what has come."""

    def __init__(self, sock: Any) -> None:
        """Read from a socket, or from what behaves as one."""
        super().__init__(sock)
        self._sock = sock
        self._come = b""
        self._last: float | None = None

    def start_handshake(self, timeout: float) -> None:
        """Begin the time in which the far end must have answered with a first packet."""
        if self._last is None:
            self._last = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        """Tell whether that time is over."""
        return self._last is not None and time.monotonic() > self._last

    def complete_handshake(self) -> None:
        """End that time: the far end has answered."""
        self._last = float("inf")

    def readline(self, timeout: float) -> str:
        """Read a line of the greeting; what comes after it is kept."""
        while b"\n" not in self._come:
            self._come += self._read_timeout(timeout)  # type: ignore[attr-defined] # the stubs lack it
        line, _, self._come = self._come.partition(b"\n")
        return line.removesuffix(b"\r").decode()

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 - paramiko's
        """Give so many bytes, waiting as long as it takes.

        Raises:
            EOFError: the connection has ended, or the handshake's time.
            NeedRekeyException: new keys are to be made, and nothing of a packet has come.
        """
        while len(self._come) < n:
            self._receive(may_rekey=check_rekey)
        found, self._come = self._come[:n], self._come[n:]
        return found

    def _receive(self, *, may_rekey: bool) -> None:
        """Take what has come, or use the pause when nothing has."""
        if self.handshake_timed_out():
            raise EOFError
        try:
            came = self._sock.recv(_CHUNK)
        except TimeoutError:
            self._pause(may_rekey=may_rekey)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                self._pause(may_rekey=may_rekey)
            elif self.closed:
                raise EOFError from None
            else:
                raise
        else:
            if not came:
                raise EOFError
            self._come += came

    def _pause(self, *, may_rekey: bool) -> None:
        if self.closed:
            raise EOFError
        if may_rekey and not self._come and self.need_rekey():
            raise NeedRekeyException
        self._check_keepalive()  # type: ignore[attr-defined]
