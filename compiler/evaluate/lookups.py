"""What a packet under way looks like to rules of any kind: readers shared by nft and iptables."""

from __future__ import annotations

from compiler.evaluate import names
from compiler.evaluate.packet import address_of
from compiler.evaluate.value import Value
from compiler.evaluate.way import CARRIED, Reader, Way
from compiler.model.device import Address


def bits(base: str, offset: int, width: int) -> Reader:
    """Read bits of the packet from its network (``nh``) or transport header (``th``)."""

    def read(way: Way) -> Value | None:
        return way.read(base, offset, width)

    return read


def constant(number: int, width: int) -> Reader:
    """Read always the same."""
    value = Value.of(number, width)
    return lambda way: value


def unknown(width: int, reason: str) -> Reader:
    """Read what nobody can know."""
    value = Value.unknown(width, reason)
    return lambda way: value


def address(way: Way, *, destination: bool) -> Value | None:
    """Read an address of the packet as it is now."""
    four = way.packet.source.version == 4
    first, width = (96, 32) if four else (64, 128)
    return way.read("nh", first + width * destination, width)


def layer4(way: Way) -> Value:
    """Read the protocol above IP."""
    if way.layer4 is None:
        return Value.unknown(8, CARRIED)
    return Value.of(way.layer4, 8)


def family(way: Way) -> Value:
    """Read the family as the kernel numbers it."""
    return Value.of(names.FAMILIES[way.packet.family], 8)


def length(way: Way) -> Value:
    """Read the length from the IP header on."""
    if way.data.open_end:
        return Value.unknown(32, "the length of the packet is not known")
    return Value.of(way.data.data.width // 8, 32)


def packet_type(way: Way) -> Value:
    """Read how the packet was sent on the link: what is forwarded was sent to the router."""
    if way.hook == "forward":
        return Value.of(names.PACKET_TYPES["host"], 8)
    return Value.unknown(8, "how the packet was sent on its link is not known")


def address_kind(way: Way, *, destination: bool, on_interface: bool = False) -> Value:
    """Read the kind of an address (``local``, ``unicast`` ...), as routing sees it."""
    value = address(way, destination=destination)
    found = address_of(value) if value else None
    router = way.packet.router
    if way.packet.hosts and found not in (router or ()) and found in _ends(way):
        return Value.of(names.ROUTES["unicast"], 32)
    if found is None or (router is None and not found.is_multicast):
        return Value.unknown(32, "which addresses are the router's own is not known")
    if found.is_multicast:
        return Value.of(names.ROUTES["multicast"], 32)
    if found in (router or ()) or found.is_loopback:
        if on_interface:
            return Value.unknown(32, "on which interface the address is local is not known")
        return Value.of(names.ROUTES["local"], 32)
    kinds = ("unicast", "broadcast", "unreachable")
    taken = way.choices.pick(len(kinds), f"the kind of the address {found} is not known")
    return Value.of(names.ROUTES[kinds[taken]], 32)


def _ends(way: Way) -> tuple[Address | None, ...]:
    packet, opened = way.packet, way.packet.opened
    return packet.source, packet.destination, opened.source, opened.destination


def routed_back(way: Way) -> Value:
    """Read whether the way back to the source is by the incoming interface."""
    known = way.packet.routed_back
    if known is None:
        return Value.unknown(1, "the route back to the source is not known")
    return Value.of(int(known), 1)
