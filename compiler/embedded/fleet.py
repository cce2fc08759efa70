"""What tests, benchmarks and the demo call: a fleet, and the routers that it is made of.

The fleet lives in a process of its own, so that what a client costs can be measured. It ends with
the process that started it, also when that one is killed.
"""

from __future__ import annotations

import importlib.util
import itertools
import secrets
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Self

from compiler.embedded.control import Control, EmbeddedError
from compiler.embedded.handle import EmbeddedHttp, EmbeddedRouter


class EmbeddedFleet:
    """Routers on loopback, as a context manager.

    ``namespaces``: whether every router gets namespaces of its own (a true sandbox). ``None``
    takes them where the machine allows it; :attr:`namespaces` says what came of it. Without
    them, commands find the router's folder in ``PASSTHRU_ROOT``, and an absolute path is one of
    the machine: run nothing there that does not honour ``PASSTHRU_ROOT``. Commands then have no
    more rights than the user of the fleet, and where that is root, those of nobody.

    Raises:
        EmbeddedError: the fleet does not start; the message says what is missing.
    """

    def __init__(self, *, namespaces: bool | None = None) -> None:
        self._numbers = itertools.count(1)
        self._wanted = namespaces
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Control | None = None
        self.namespaces = False
        self.client_key = ""

    def __enter__(self) -> Self:
        if importlib.util.find_spec("asyncssh") is None:
            raise EmbeddedError("asyncssh is missing: pip install 'passthru[demo]'")
        ours, theirs = socket.socketpair()
        wanted = {True: "yes", False: "no", None: "try"}[self._wanted]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "compiler.embedded", str(theirs.fileno()), wanted],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the client; the fleet ends with it
            )
        self._link = Control(ours)
        try:
            started = self._link.started()
        except BaseException:
            self.close()
            raise
        self.namespaces = started["namespaces"]
        self.client_key = started["client_key"]
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every router and everything that runs on one; nothing is left."""
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._link = self._process = None

    @property
    def pid(self) -> int:
        """The process of the fleet, for measurements."""
        if self._process is None:
            raise EmbeddedError("the fleet is not started")
        return self._process.pid

    def add(  # noqa: PLR0913 - by keyword, each with a default
        self,
        family: str,
        name: str = "",
        *,
        username: str = "",
        password: str | None = None,
        latency: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
        release: str = "",
        without: Sequence[str] = (),
        modules: Sequence[str] | None = None,
        authorized_key: str = "",
        flash_kilobytes: int = 4096,
        legacy: bool = False,
        real_nft: bool | None = None,
        forwards: bool = False,
    ) -> EmbeddedRouter:
        """Add a router: ``openwrt``, ``asuswrt``, ``ddwrt``, ``freshtomato``, ``linux``, ...

        ``latency`` is the time of a round trip in seconds. ``without`` leaves out BusyBox applets
        (``base64``, ``timeout``, ``setsid``, ``nohup``). ``modules`` are the kernel modules that
        it has. ``legacy`` speaks only what old firmware does (``ssh-rsa`` and SHA-1).
        ``real_nft`` runs the machine's nft in a network namespace of the router; by default where
        the family is ``linux`` and the machine allows it. ``forwards``: it forwards connections
        (``direct-tcpip``) to routers of this fleet, by name or by address.
        A client gets in by password or by :attr:`client_key`.

        Raises:
            EmbeddedError: an unknown family, a name that is taken, a port in use.
        """
        values = self._control.ask(
            "add",
            family=family,
            name=name or f"{family}-{next(self._numbers)}",
            username=username,
            password=secrets.token_urlsafe(9) if password is None else password,
            latency=latency,
            address=address,
            port=port,
            release=release,
            without=sorted(without),
            modules=None if modules is None else list(modules),
            authorized_key=authorized_key,
            flash_kilobytes=flash_kilobytes,
            legacy=legacy,
            real_nft=real_nft,
            forwards=forwards,
        )
        return EmbeddedRouter(self._control, values)

    def add_bastion(self, name: str = "", **options: Any) -> EmbeddedRouter:
        """Add a Linux machine that forwards connections to the routers of this fleet."""
        return self.add("linux", name or f"bastion-{next(self._numbers)}", forwards=True, **options)

    def add_http(  # noqa: PLR0913 - by keyword, each with a default
        self,
        kind: str,
        name: str = "",
        *,
        username: str = "admin",
        password: str | None = None,
        latency: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
        encrypted: bool = False,
    ) -> EmbeddedHttp:
        """Add a router with a web interface only.

        ``tplink`` (luci), ``cgi``, ``cgi-gcm``, ``jnap`` or ``hnap``; or a controller, ``omada``,
        which speaks HTTPS with a certificate of its own (:attr:`EmbeddedHttp.fingerprint`).
        ``encrypted``: a TP-Link that takes requests only in AES with a signature.
        """
        values = self._control.ask(
            "add_http",
            kind=kind,
            name=name or f"{kind}-{next(self._numbers)}",
            username=username,
            password=secrets.token_urlsafe(9) if password is None else password,
            latency=latency,
            address=address,
            port=port,
            encrypted=encrypted,
        )
        return EmbeddedHttp(self._control, values)

    @property
    def _control(self) -> Control:
        if self._link is None:
            raise EmbeddedError("the fleet is not started: use it as a context manager")
        return self._link
