"""Whether a rule matches a probe: yes, no, or it cannot be told."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from compiler.model.device import Address

#: True, False, or None where it cannot be told.
Tristate = bool | None


def all_of(found: Iterable[Tristate]) -> Tristate:
    """Combine conditions that must all hold."""
    states = set(found)
    if False in states:
        return False
    return None if None in states else True


def any_of(found: Iterable[Tristate]) -> Tristate:
    """Combine alternatives."""
    states = set(found)
    if True in states:
        return True
    return None if None in states else False


def port_in(stated: str, port: int) -> Tristate:
    """Tell whether a port is in ``500``, ``500-510`` or a comma list of those."""
    return any_of(_in_range(each, port) for each in stated.split(","))


def _in_range(stated: str, port: int) -> Tristate:
    first, _, last = stated.partition("-")
    if not _is_port(first) or not _is_port(last or first):
        return None
    return int(first) <= port <= int(last or first)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5


def address_in(stated: str, address: Address | None) -> Tristate:
    """Tell whether an address is in a network or in a range ``a-b``.

    An address of ``None`` is one that no rule mentions, so it is in nothing but everything.
    """
    first, dash, last = stated.partition("-")
    try:
        if dash:
            low, high = ip_address(first), ip_address(last)
            same = address is not None and address.version == low.version == high.version
            return same and int(low) <= int(address or low) <= int(high)
        network = ip_network(stated, strict=False)
    except ValueError:
        return None
    if address is None:
        return network.prefixlen == 0
    return address.version == network.version and address in network
