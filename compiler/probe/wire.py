"""Sockets: where they are bound, what they cannot do without root, and what their errors mean."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from compiler.model.protocol import TCP, UDP, Family, layer4_name
from compiler.probe.talks import Place

#: A socket address as Python gives it, IPv4 or IPv6.
Name = tuple[Any, ...]
#: More than any message of an exchange, with an IP header.
LARGEST = 2048
_FAMILIES = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}
_KINDS = {TCP: socket.SOCK_STREAM, UDP: socket.SOCK_DGRAM}
_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EHOSTUNREACH: "told unreachable on the way",
    errno.EPROTO: "told unreachable on the way",
    errno.ENOPROTOOPT: "told unreachable on the way",
    errno.ENETUNREACH: "no route from here",
    errno.EADDRNOTAVAIL: "this address is not here",
    errno.EPIPE: "reset",
    errno.EADDRINUSE: "in use by another program",
}


def family_of(name: Name) -> Family:
    """Say of which family an address is."""
    return Family.IPV4 if len(name) == 2 else Family.IPV6


def with_port(name: Name, port: int) -> Name:
    """Give an address with another port."""
    return (name[0], port, *name[2:])


def host_of(name: Name) -> str:
    """Give the bare address, without the zone of a link."""
    return str(name[0]).partition("%")[0]


def opened(place: Place, local: Name, port: int) -> socket.socket:
    """Open a socket for a flow, bound to a local address; a raw one where there are no ports.

    Raises:
        OSError: it may not be had here; see :func:`words`.
    """
    layer4 = place[0]
    kind = _KINDS.get(layer4, socket.SOCK_RAW)
    made = socket.socket(_FAMILIES[family_of(local)], kind, layer4)
    try:
        made.setblocking(False)  # noqa: FBT003 - the standard library's
        if layer4 == TCP:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(with_port(local, port if kind is not socket.SOCK_RAW else 0))
    except BaseException:
        made.close()
        raise
    return made


def is_raw(layer4: int) -> bool:
    """Tell whether a raw socket is needed."""
    return layer4 not in _KINDS


def content(family: Family, layer4: int, packet: bytes) -> bytes:
    """Give what follows the IP header, which raw sockets of IPv4 show and those of IPv6 do not."""
    if family is Family.IPV4 and is_raw(layer4) and packet:
        return packet[(packet[0] & 0x0F) * 4 :]
    return packet


def cut(connection: socket.socket) -> None:
    """Close a connection with a reset: nothing lingers."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def words(error: OSError, place: Place, where: str) -> str:
    """Say why a socket could not be had, for people."""
    layer4, port = place
    if isinstance(error, PermissionError) or error.errno in (errno.EPERM, errno.EACCES):
        need = "CAP_NET_RAW" if is_raw(layer4) else "CAP_NET_BIND_SERVICE"
        return f"needs root {where} ({need})"
    if error.errno == errno.EADDRINUSE:
        return f"{layer4_name(layer4)}/{port} is in use {where}"
    if error.errno in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.ESOCKTNOSUPPORT):
        return f"the system {where} does not know it"
    return f"{trouble(error)} {where}"


def trouble(error: OSError) -> str:
    """Say in a few words what an error means."""
    known = _WORDS.get(error.errno or 0)
    return known or (error.strerror or str(error)).lower()
