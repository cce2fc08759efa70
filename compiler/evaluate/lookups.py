"""What a packet under way looks like to rules of any kind: readers shared by nft and iptables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.evaluate import names
from compiler.evaluate.packet import address_of
from compiler.evaluate.statements import Reader
from compiler.evaluate.value import Value

if TYPE_CHECKING:
    from compiler.evaluate.walk import Walk


def bits(base: str, offset: int, width: int) -> Reader:
    """Read bits of the packet from its network (``nh``) or transport header (``th``)."""

    def read(walk: Walk) -> Value | None:
        return walk.read(base, offset, width)

    return read


def constant(number: int, width: int) -> Reader:
    """Read always the same."""
    value = Value.of(number, width)
    return lambda walk: value


def unknown(width: int, reason: str) -> Reader:
    """Read what nobody can know."""
    value = Value.unknown(width, reason)
    return lambda walk: value


def address(walk: Walk, *, destination: bool) -> Value | None:
    """Read an address of the packet as it is now."""
    four = walk.packet.source.version == 4
    first, width = (96, 32) if four else (64, 128)
    return walk.read("nh", first + width * destination, width)


def layer4(walk: Walk) -> Value:
    """Read the protocol above IP."""
    if walk.layer4 is None:
        return Value.unknown(8, "whether an authentication header is passed over is not known")
    return Value.of(walk.layer4, 8)


def family(walk: Walk) -> Value:
    """Read the family as the kernel numbers it."""
    return Value.of(names.FAMILIES[walk.packet.family], 8)


def length(walk: Walk) -> Value:
    """Read the length from the IP header on."""
    if walk.data.open_end:
        return Value.unknown(32, "the length of the packet is not known")
    return Value.of(walk.data.data.width // 8, 32)


def packet_type(walk: Walk) -> Value:
    """Read how the packet was sent on the link: what is forwarded was sent to the router."""
    if walk.hook == "forward":
        return Value.of(names.PACKET_TYPES["host"], 8)
    return Value.unknown(8, "how the packet was sent on its link is not known")


def address_kind(walk: Walk, *, destination: bool, on_interface: bool = False) -> Value:
    """Read the kind of an address (``local``, ``unicast`` ...), as routing sees it."""
    value = address(walk, destination=destination)
    found = address_of(value) if value else None
    router = walk.packet.router
    if found is None or (router is None and not found.is_multicast):
        return Value.unknown(32, "which addresses are the router's own is not known")
    if found.is_multicast:
        return Value.of(names.ROUTES["multicast"], 32)
    if found in (router or ()) or found.is_loopback:
        if on_interface:
            return Value.unknown(32, "on which interface the address is local is not known")
        return Value.of(names.ROUTES["local"], 32)
    kinds = ("unicast", "broadcast", "unreachable")
    taken = walk.choices.pick(len(kinds), f"the kind of the address {found} is not known")
    return Value.of(names.ROUTES[kinds[taken]], 32)


def routed_back(walk: Walk) -> Value:
    """Read whether the way back to the source is by the incoming interface."""
    known = walk.packet.routed_back
    if known is None:
        return Value.unknown(1, "the route back to the source is not known")
    return Value.of(int(known), 1)
