"""One HTTP request to one router, and its answer.

Each request has a connection of its own: the servers of routers are not good at keeping one, and a
request that was cut is then never sent twice by accident.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import paramiko

from compiler.device.http import certificates
from compiler.device.http.line import Line, Raw, TlsLine
from compiler.device.http.way import WebWay
from compiler.device.session import Session
from compiler.errors import ApplyError, LostError, TransportError
from compiler.model.finding import Code

#: More than any answer that is asked for here.
_MOST_BYTES = 1 << 20
_BROKEN = (OSError, EOFError, http.client.HTTPException, paramiko.SSHException)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Cookies are those that it sets."""

    status: int
    text: str
    kind: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Sends requests to one router, through an SSH session or from here."""

    def __init__(
        self, way: WebWay, relay: Session | None, timeout: float, *, accept_new: bool
    ) -> None:
        """``timeout`` is for a whole request, with its connection."""
        self.way = way
        self._relay = relay
        self._timeout = timeout
        self._accept_new = accept_new

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a POST; see :meth:`send`."""
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request and give the answer, whatever its status is; nothing is followed.

        Raises:
            TransportError: S801 no connection, S852 and S853 the certificate.
            LostError: S806, S807: it was sent, or a part of it, and there is no whole answer.
            ApplyError: S808, the answer is no text of a reasonable size.
        """
        deadline = time.monotonic() + self._timeout
        line = self._line(deadline)
        try:
            return self._exchange(line, method, path, body, headers)
        except TimeoutError:
            raise LostError.of(
                Code.S807, f"{self.way.name} did not answer within {self._timeout:.0f} s"
            ) from None
        except _BROKEN as error:
            what = "broke off" if isinstance(error, OSError) else "is no whole HTTP answer"
            raise LostError.of(
                Code.S806, f"the answer of {self.way.name} {what} ({type(error).__name__})"
            ) from None
        finally:
            line.end()

    def _exchange(
        self, line: Line, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        connection = http.client.HTTPConnection(self.way.address, self.way.port)
        given: Any = line  # http.client asks for less than a socket
        connection.sock = given
        if self.way.https and self.way.port == 443:
            connection.default_port = 443  # so that the header Host goes without it
        connection.request(method, path, body or None, {"Connection": "close", **headers})
        answer = connection.getresponse()
        declared = answer.length
        raw = answer.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise ApplyError.of(Code.S808, f"{self.way.name} answers without end")
        # a line that is cut in the middle of the headers ends them, for http.client
        cut = not raw and not answer.chunked if declared is None else len(raw) < declared
        if cut:
            raise http.client.IncompleteRead(b"")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ApplyError.of(
                Code.S808, f"the answer of {self.way.name} is no UTF-8 text"
            ) from None
        cookies = dict(filter(None, map(_cookie, answer.headers.get_all("Set-Cookie", []))))
        return Reply(answer.status, text, answer.headers.get_content_type(), cookies)

    def _line(self, deadline: float) -> Line:
        raw = self._connected()
        if not self.way.https:
            return Line(raw, deadline)
        line = TlsLine(raw, deadline)
        try:
            shown = certificates.fingerprint(line.greet())
            stated = self.way.fingerprint
            new = self._accept_new
            certificates.check(self.way.host, self.way.name, shown, stated, accept_new=new)
        except TransportError:
            line.end()
            raise
        except TimeoutError:
            line.end()
            raise TransportError.of(
                Code.S801, f"{self.way.name} did not begin TLS within {self._timeout:.0f} s"
            ) from None
        except (OSError, EOFError) as error:
            line.end()
            why = getattr(error, "reason", None) or type(error).__name__
            raise TransportError.of(
                Code.S801, f"{self.way.name} speaks no HTTPS that is spoken here: {why}",
                hint="passthru_https: false, through passthru_via; or newer firmware",
            ) from None  # fmt: skip
        return line

    def _connected(self) -> Raw:
        way = self.way
        try:
            if self._relay is not None:
                connection = self._relay.connection
                channel: Raw = connection.tunnel(way.address, way.port, self._timeout)
                return channel
            sock = socket.create_connection((way.address, way.port), self._timeout)
        except (paramiko.SSHException, OSError, EOFError, UnicodeError) as error:
            through = f" from {self._relay.connection.host}" if self._relay else ""
            raise TransportError.of(
                Code.S801,
                f"{way.name} cannot be reached{through}: {_said(error)}",
                hint="ansible_host and ansible_port as the host in passthru_via sees them",
            ) from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def _cookie(header: str) -> tuple[str, str] | None:
    name, equals, value = header.partition(";")[0].partition("=")
    return (name.strip(), value.strip()) if equals else None


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or "the connection was closed"
    return "".join(char if char.isprintable() else "?" for char in text.splitlines()[0])[:160]
