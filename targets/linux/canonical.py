"""One spelling for each value, whichever way a file or ``nft list`` writes it."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from compiler.model.protocol import LAYER4, LAYER4_NAMES
from targets.linux import nft

_WORDS = {
    "ct direction": {str(number): word for word, number in nft.DIRECTIONS.items()},
    "meta nfproto": {str(number): word for word, number in nft.NFPROTO.items()},
}
#: Names that nft prints as it finds them in /etc/protocols; numbers mean the same everywhere.
_KEEP_NAMES = frozenset({"tcp", "udp", "gre", "esp", "ah", "sctp"})


def canonical_value(expression: str, text: str) -> str:
    """Give the canonical spelling of one value of an expression."""
    text = text.strip('"') if expression not in ("iifname", "oifname") else text
    if expression in _WORDS:
        return _WORDS[expression].get(text, text)
    if expression == "meta l4proto":
        return layer4_word(_protocol_number(text))
    if expression.startswith("@"):
        return hex(int(text, 0)) if text.removeprefix("0x").isalnum() else text
    if expression in ("iifname", "oifname"):
        return text if text.startswith('"') else f'"{text}"'
    if expression.endswith(("saddr", "daddr")):
        return _address(text)
    return text


def layer4_word(number: int) -> str:
    """Spell a layer-4 protocol: a name that every /etc/protocols knows, else the number."""
    name = LAYER4_NAMES.get(number, "")
    return name if name in _KEEP_NAMES else str(number)


def network_word(network: IPv4Network | IPv6Network) -> str:
    """Spell a network: a single address without its prefix length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def element_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """Order elements by number where they are numbers or addresses, else by text."""
    return tuple(_part_order(part) for part in text.split(" . "))


def _part_order(part: str) -> tuple[int, int, str]:
    head = part.split("-")[0] if not part.startswith('"') else part
    if head.isdigit():
        return (0, int(head), part)
    try:
        network = ip_network(part)
    except ValueError:
        return (2, 0, part)
    return (1, int(network.network_address), part)


def _protocol_number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text in LAYER4:
        return LAYER4[text]
    try:
        return socket.getprotobyname(text)
    except OSError:
        return -1


def _address(text: str) -> str:
    try:
        return network_word(ip_network(text)) if "/" in text else str(ip_address(text))
    except ValueError:
        return text
