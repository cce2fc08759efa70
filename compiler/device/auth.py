"""Logging in with a key in one round trip: RFC 4252 has nobody wait for the service before.

paramiko asks whether there is a log-in service, hears that there is (there is no SSH server
without), and then sends its signature. Over a slow line every push pays for that twice.
"""

from __future__ import annotations

import re
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler

_SERVICE = "ssh-userauth"
#: Servers that take packets one after the other, whatever was answered before: OpenSSH (auth2.c
#: and dispatch.c) and dropbear (process-packet.c and svr-service.c). Others are not known to.
_IN_ORDER = re.compile(r"SSH-2\.0-(OpenSSH|dropbear)")


def may_sign_at_once(server: str, key: paramiko.PKey) -> bool:
    """Tell whether a server, by its greeting, takes a signature with the request for the service.

    How an RSA key signs depends on what the server says first (RFC 8308).
    """
    return _IN_ORDER.match(server) is not None and "rsa" not in key.get_name()


class SignedAtOnce(AuthHandler):
    """What a transport logs in with: the request for the service, and the signature behind it."""

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc] # the stubs lack it, here and below
        accepted = paramiko.Message()
        accepted.add_string(_SERVICE)
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, message: Any) -> None:
        """Take the answer: what it allows has been done."""
