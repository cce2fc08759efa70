"""One connection to a web interface: TCP or an SSH channel, with TLS on it or not.

It has what :mod:`http.client` asks of a socket, and an end: however slowly the far side answers,
nothing goes on after the deadline.
"""

from __future__ import annotations

import contextlib
import io
import ssl
import time
from typing import Any, Protocol

_CHUNK = 16_384


class Raw(Protocol):
    """What a socket and an SSH channel have in common."""

    def settimeout(self, timeout: float, /) -> None:
        """Limit the next calls."""

    def recv(self, most: int, /) -> bytes:
        """Receive; nothing is the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send."""

    def close(self) -> None:
        """Close."""


class Line:
    """Bytes to and fro until a deadline (of the monotonic clock)."""

    def __init__(self, raw: Raw, deadline: float) -> None:
        """Take over a connection."""
        self._raw = raw
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send everything.

        Raises:
            TimeoutError: the time is over.
        """
        self._raw.settimeout(self._left())
        self._raw.sendall(data)

    def receive(self, most: int) -> bytes:
        """Receive something; nothing is the end.

        Raises:
            TimeoutError: the time is over.
        """
        self._raw.settimeout(self._left())
        return self._raw.recv(most)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Give it as a file for reading."""
        del mode
        return io.BufferedReader(_File(self))

    def close(self) -> None:
        """Do nothing: http.client closes before it has read the body. See :meth:`end`."""

    def end(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError, EOFError):
            self._raw.close()

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class TlsLine(Line):
    """The same with TLS, which works on memory: an SSH channel is no socket of the system."""

    def __init__(self, raw: Raw, deadline: float) -> None:
        """Take over a connection; :meth:`greet` comes first."""
        super().__init__(raw, deadline)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._in, self._out)

    def greet(self) -> bytes:
        """Shake hands; give the far side's certificate (DER), which nobody has judged yet.

        Raises:
            OSError: there is no TLS, or none that is spoken here.
        """
        self._do(self._tls.do_handshake)
        return self._tls.getpeercert(binary_form=True) or b""

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        self._do(self._tls.write, data)

    def receive(self, most: int) -> bytes:
        """Receive something."""
        try:
            found: bytes = self._do(self._tls.read, most)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return found

    def _do(self, call: Any, *arguments: Any) -> Any:
        while True:
            try:
                done = call(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                came = super().receive(_CHUNK)
                if came:
                    self._in.write(came)
                else:
                    self._in.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if self._out.pending:
            super().sendall(self._out.read())


def _context() -> ssl.SSLContext:
    """Give a context that takes any certificate: it is judged by its fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # keys of 1024 bits, which routers make for themselves
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    return context


class _File(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._line.receive(len(buffer))
        buffer[: len(found)] = found
        return len(found)
