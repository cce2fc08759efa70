"""The SSH server of a router: who gets in, and what connections may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import asyncssh

from compiler.embedded.session import Session

#: Only what firmware of fifteen years ago speaks.
_LEGACY: Mapping[str, Any] = {
    "kex_algs": ["diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"],
    "encryption_algs": ["aes128-cbc", "3des-cbc"],
    "mac_algs": ["hmac-sha1"],
    "signature_algs": ["ssh-rsa"],
}


class Host(Protocol):
    """What the server asks of its router."""

    def admits(self, username: str, password: str) -> bool:
        """Judge a password."""

    def knows(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Judge a key."""

    def session(self) -> Session:
        """Open a session."""

    def forwards(self, host: str, port: int) -> tuple[str, int] | None:
        """Tell where a forwarded connection goes, if it may."""


def host_key(*, legacy: bool) -> asyncssh.SSHKey:
    """Make a key that a router shows."""
    return asyncssh.generate_private_key("ssh-rsa" if legacy else "ssh-ed25519")


def options(
    host: Host, key: asyncssh.SSHKey, streams: Mapping[str, Any], *, legacy: bool
) -> asyncssh.SSHServerConnectionOptions:
    """Say how a router serves; ``streams`` takes sessions in place of :meth:`Host.session`."""
    old = _LEGACY if legacy else {}
    return asyncssh.SSHServerConnectionOptions(
        server_factory=lambda: _Server(host),
        server_host_keys=[key],
        encoding=None,
        allow_scp=False,
        **streams,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        keepalive_interval=0,
        login_timeout=120,
        server_version="dropbear_2022.83",
        compression_algs=["none"],
        **old,
    )


class _Server(asyncssh.SSHServer):
    def __init__(self, host: Host) -> None:
        self._host = host

    def begin_auth(self, username: str) -> bool:
        """Ask for proof, always."""
        del username
        return True

    def password_auth_supported(self) -> bool:
        """Take passwords."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Judge one."""
        return self._host.admits(username, password)

    def public_key_auth_supported(self) -> bool:
        """Take keys."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Judge one."""
        return self._host.knows(username, key)

    def session_requested(self) -> Session:
        """Open a session."""
        return self._host.session()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection. As those of routers, the server sends no packets to be ignored."""
        self._connection = conn
        send = conn.send_packet

        def send_what_matters(kind: int, *parts: bytes, **more: Any) -> None:
            if kind != asyncssh.constants.MSG_IGNORE:
                send(kind, *parts, **more)

        conn.send_packet = send_what_matters  # type: ignore[assignment, method-assign]

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        """Forward to a router of the fleet, and to nowhere else."""
        del orig_host, orig_port
        found = self._host.forwards(dest_host, dest_port)
        if found is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "not a router of this fleet"
            )
        return self._connection.forward_connection(*found)
