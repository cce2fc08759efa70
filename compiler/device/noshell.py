"""Netmiko without its interactive shell: its parameters and log filter, and exec channels.

A prompt is never looked for, so nothing depends on what a router prints at log-in, and no output
is mistaken for another's.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import paramiko
from netmiko import NetmikoAuthenticationException, NetmikoTimeoutException
from netmiko.base_connection import BaseConnection

from compiler.device.auth import SignedAtOnce, may_sign_at_once
from compiler.device.hostkeys import HostKeys
from compiler.device.packets import Packets

#: What nobody should need: SHA-1 in key exchange and host keys, CBC, MD5. Old routers do, and
#: ``passthru_ssh_legacy`` brings it back for them.
LEGACY = {
    "kex": [
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
    ],
    "keys": ["ssh-rsa"],
    "pubkeys": ["ssh-rsa"],
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}
#: Dear for a slow router and for a fleet's one interpreter; still spoken where nothing else is.
_LAST = ("diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256")
#: How often paramiko's thread wakes up although nothing comes, in seconds: before the log-in to see
#: to time limits, later for keepalives. Its own 0.1 costs as much as a log-in does while a router
#: restarts its firewall.
_WATCHFUL = 1.0
_IDLE = 5.0
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


@cache
def quiet() -> None:
    """Keep paramiko and netmiko from printing tracebacks of failed log-ins to standard error."""
    for name in ("paramiko", "netmiko"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        logger.setLevel(logging.CRITICAL)


class _Policy(paramiko.MissingHostKeyPolicy):
    """Asks our own known_hosts for every key: paramiko's is left empty."""

    def __init__(self, known: HostKeys) -> None:
        self._known = known

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        del client, hostname
        self._known.check(key)


class _Transport(paramiko.Transport):
    """paramiko's, with packets read our way, and programs that are started without waiting."""

    _active_check_timeout = _WATCHFUL

    def __init__(self, sock: Any, offer: _Offer, **more: Any) -> None:
        self._offer = offer
        super().__init__(sock, packetizer_class=Packets, **more)

    def start_client(
        self, event: threading.Event | None = None, timeout: float | None = None
    ) -> None:
        """Agree on keys. paramiko looks ten times in a second whether that is done."""
        done = event or threading.Event()
        super().start_client(done)
        if event is not None:
            return
        if not done.wait(timeout):
            raise paramiko.SSHException(f"no keys were agreed on within {timeout:.0f} s")
        if not self.is_active():
            raise self.get_exception() or paramiko.SSHException("the connection was closed")

    def auth_publickey(
        self, username: str, key: paramiko.PKey, event: threading.Event | None = None
    ) -> list[str]:
        """Log in with a key, in one round trip where the server is known to take that."""
        if event is not None or not may_sign_at_once(self.remote_version, key):
            return super().auth_publickey(username, key, event)
        done = threading.Event()
        self.auth_handler = SignedAtOnce(self)
        self.auth_handler.auth_publickey(username, key, done)
        return self.auth_handler.wait_for_response(done)

    def start_program(self, channel: paramiko.Channel, command: str) -> None:
        """Ask for a program; ``channel.event`` is set when the far end has answered."""
        request = paramiko.Message()
        request.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)  # noqa: FBT003 - a reply is wanted
        request.add_string(command)
        self._send_user_message(request)  # type: ignore[attr-defined] # the stubs lack it

    def _log(self, level: int, message: Any, *arguments: Any) -> None:
        """Say nothing that nobody hears: paramiko has thirty things to say of a log-in."""
        if self.logger.isEnabledFor(level):
            super()._log(level, message, *arguments)  # type: ignore[misc] # the stubs lack it

    def _filter_algorithm(self, kind: str) -> tuple[str, ...]:
        """Give what is offered, which paramiko works out sixteen times in a log-in."""
        found: tuple[str, ...] = getattr(self._offer, kind)
        return found


class NoShell(BaseConnection):
    """A connection without a terminal; :meth:`start` starts a program and gives its channel."""

    def __init__(self, known: HostKeys, *, own_keys: bool = False, **parameters: Any) -> None:
        """Say how; ``own_keys`` tries the account's own (``~/.ssh/id_*``), as ssh does."""
        self._known = known
        self._own_keys = own_keys  # Netmiko's use_keys wants one file, and no other way
        super().__init__(auto_connect=False, ssh_strict=True, **parameters)
        self.key_policy = _Policy(known)
        self.remote_conn_pre = None

    def connect(self) -> None:
        """Connect and log in; the exceptions are Netmiko's, paramiko's and HostKeys' own."""
        self.remote_conn_pre = self._build_ssh_client()
        self.remote_conn_pre.connect(**self._connect_params_dict())
        if self.keepalive:
            self.transport.set_keepalive(int(self.keepalive))
        if isinstance(self.sock, socket.socket):
            self.sock.settimeout(_IDLE)

    @property
    def transport(self) -> _Transport:
        """The connection's transport."""
        client = self.remote_conn_pre
        transport = client.get_transport() if client is not None else None
        if not isinstance(transport, _Transport):
            raise NetmikoTimeoutException("not connected")
        return transport

    def start(self, command: str, timeout: float) -> paramiko.Channel:
        """Start a program without a terminal; whether the far end consents is not waited for.

        What is sent at once goes with the request, in one round trip. A far end that refuses closes
        the channel, which :class:`~compiler.device.pipes.ChannelPipe` tells from other ends.
        """
        channel = self.transport.open_session(timeout=timeout)
        channel.settimeout(timeout)
        self.transport.start_program(channel, command)
        return channel

    def tunnel(self, address: str, port: int, timeout: float) -> paramiko.Channel:
        """Open a connection from the far end to somewhere else."""
        return self.transport.open_channel(
            "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout
        )

    def disconnect(self) -> None:
        """Close the connection; nothing is typed at a prompt first."""
        if isinstance(self.sock, socket.socket):
            with contextlib.suppress(OSError):  # wakes paramiko's thread, which close waits for
                self.sock.shutdown(socket.SHUT_RDWR)
        if self.remote_conn_pre is not None:
            self.remote_conn_pre.close()
        logging.getLogger("netmiko").removeFilter(self._secrets_filter)

    def _connect_params_dict(self) -> dict[str, Any]:
        return {
            **super()._connect_params_dict(),
            "look_for_keys": self._own_keys,
            "transport_factory": self._transport,
        }

    def _transport(self, sock: socket.socket, **more: Any) -> paramiko.Transport:
        barred = more.get("disabled_algorithms") or {}
        gone = tuple((kind, *names) for kind, names in barred.items())
        return _Transport(sock, _best(self._known.kinds, gone), **more)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What is offered to a router, the best first; the names are paramiko's."""

    ciphers: tuple[str, ...]
    kex: tuple[str, ...]
    macs: tuple[str, ...]
    keys: tuple[str, ...]
    pubkeys: tuple[str, ...]
    compression: tuple[str, ...] = ("none",)


@lru_cache(maxsize=64)
def _best(known: tuple[str, ...], barred: tuple[tuple[str, ...], ...]) -> _Offer:
    """Leave out of what paramiko speaks what is barred, and put the rest in order.

    ``known`` are the kinds of host keys that the router has shown before.
    """
    gone = {kind: names for kind, *names in barred}

    def left(kind: str) -> list[str]:
        every: Sequence[str] = getattr(paramiko.Transport, f"_preferred_{kind}")
        return [name for name in every if name not in gone.get(kind, ())]

    def late(name: str) -> int:
        return _LAST.index(name) + 1 if name in _LAST else 0

    # a router has several host keys: it must show one that is known
    wanted = [name for kind in known for name in _algorithms(kind)]

    def unknown(name: str) -> int:
        return wanted.index(name) if name in wanted else len(wanted)

    return _Offer(
        # no MAC of its own, which paramiko compares in Python, byte by byte
        tuple(sorted(left("ciphers"), key=lambda name: "-gcm@" not in name)),
        tuple(sorted(left("kex"), key=late)),
        tuple(left("macs")),
        tuple(sorted(left("keys"), key=unknown)),
        tuple(left("pubkeys")),
    )


def _algorithms(kind: str) -> tuple[str, ...]:
    return _RSA if kind == "ssh-rsa" else (kind,)


__all__ = [
    "LEGACY",
    "NetmikoAuthenticationException",
    "NetmikoTimeoutException",
    "NoShell",
    "quiet",
]
