"""Netmiko without its interactive shell: its parameters and log filter, and exec channels.

A prompt is never looked for, so nothing depends on what a router prints at log-in, and no output
is mistaken for another's.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import Any

import paramiko
from netmiko import NetmikoAuthenticationException, NetmikoTimeoutException
from netmiko.base_connection import BaseConnection

from compiler.device.hostkeys import HostKeys

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
#: How often paramiko's thread of an idle connection wakes up, in seconds; its own 0.1 costs as much
#: as a log-in does while a router restarts its firewall.
_IDLE = 1.0
_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


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


class NoShell(BaseConnection):
    """A connection without a terminal; :meth:`run` starts a program and gives its channel."""

    def __init__(self, known: HostKeys, *, compress: bool = False, **parameters: Any) -> None:
        self._known = known
        self._compress = compress
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
    def transport(self) -> paramiko.Transport:
        """The connection's transport."""
        client = self.remote_conn_pre
        transport = client.get_transport() if client is not None else None
        if transport is None:
            raise NetmikoTimeoutException("not connected")
        return transport

    def run(self, command: str, timeout: float) -> paramiko.Channel:
        """Start a program without a terminal."""
        channel = self.transport.open_session(timeout=timeout)
        channel.settimeout(timeout)
        # paramiko waits for the far end's consent without end, also on a line that is dead
        watch = threading.Timer(timeout, channel.close)
        watch.daemon = True
        watch.start()
        try:
            channel.exec_command(command)
        finally:
            watch.cancel()
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
        return {**super()._connect_params_dict(), "transport_factory": self._transport}

    def _transport(self, sock: socket.socket, **more: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **more)
        options = transport.get_security_options()
        kex = [name for name in options.kex if name not in _LAST]
        # no MAC of its own, which paramiko compares in Python, byte by byte
        sealed = [name for name in options.ciphers if "-gcm@" in name]
        options.ciphers = (*sealed, *(name for name in options.ciphers if name not in sealed))
        options.kex = (*kex, *(name for name in _LAST if name in options.kex))
        # a router has several host keys: it must show one that is known
        wanted = [name for kind in self._known.kinds for name in _algorithms(kind)]
        usable = [name for name in wanted if name in options.key_types]
        if usable:
            options.key_types = (*usable, *(n for n in options.key_types if n not in usable))
        return transport


def _algorithms(kind: str) -> tuple[str, ...]:
    return _RSA if kind == "ssh-rsa" else (kind,)


__all__ = [
    "LEGACY",
    "NetmikoAuthenticationException",
    "NetmikoTimeoutException",
    "NoShell",
    "quiet",
]
