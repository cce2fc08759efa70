"""NAT of the packet under way (nf_nat_core.c, nf_nat_proto.c).

Only the first packet of a connection meets the nat chains. Later ones are translated as the
connection's two tuples say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.evaluate.packet import WITH_PORTS
from compiler.evaluate.ruleset import GO_ON, Kind, Move
from compiler.evaluate.value import Value

if TYPE_CHECKING:
    from compiler.evaluate.walk import Walk

_DESTINATION_HOOKS = ("prerouting", "output")


def translate(walk: Walk) -> Move:
    """Pass the NAT station of a hook."""
    connection = walk.connection
    if not connection.exists:
        return GO_ON
    if connection.state == "established":
        _as_before(walk)
        return GO_ON
    chains = [
        chain
        for chain in walk.ruleset.hooked(walk.hook, walk.packet.family)
        if chain.hook and chain.hook.type == "nat"
    ]
    if connection.state == "related" and chains:
        reason = "whether a related connection meets the nat chains depends on its helper"
        if not walk.choices.holds(reason):
            return GO_ON
    for chain in chains:
        before, steps = len(walk.translations), len(walk.steps)
        move = walk.base(chain)
        if move.kind in (Kind.DROP, Kind.REJECT, Kind.UNKNOWN):
            return move
        if len(walk.translations) > before:
            break
        del walk.steps[steps:]
    return GO_ON


def move_end(walk: Walk, kind: str, to: str, address: Value | None, port: Value | None) -> None:
    """Give the packet another source or destination, as a NAT rule says.

    ``address`` is ``None`` where the rule leaves it alone. A port that the rule leaves alone may
    still change when the translated connection would meet another one.
    """
    walk.translated(kind, to)
    destination = kind in ("dnat", "redirect")
    ported = walk.packet.layer4 in WITH_PORTS
    if not destination and port is None:
        port = Value.unknown(16, "the router may choose another source port")
    _write(walk, destination=destination, address=address, port=port if ported else None)
    answers = walk.connection.answers
    if address is not None:
        answers["saddr" if destination else "daddr"] = address
    if port is not None and ported:
        answers["proto-src" if destination else "proto-dst"] = port


def ends_at_router(walk: Walk) -> bool:
    """Tell whether a redirect has made the router itself the destination."""
    return any(done.kind == "redirect" for done in walk.translations)


def _as_before(walk: Walk) -> None:
    """Translate as the connection's tuples say: towards the inverse of the other direction."""
    packet, connection = walk.packet, walk.connection
    if packet.original is None and packet.translated is None:
        return
    other = connection.original if packet.reply else connection.answers
    destination = walk.hook in _DESTINATION_HOOKS
    address, port = ("saddr", "proto-src") if destination else ("daddr", "proto-dst")
    ported = packet.layer4 in WITH_PORTS
    new_port = other[port] if ported else None
    _write(walk, destination=destination, address=other[address], port=new_port)


def _write(walk: Walk, *, destination: bool, address: Value | None, port: Value | None) -> None:
    if address is not None:
        four = walk.packet.source.version == 4
        first, width = (96, 32) if four else (64, 128)
        walk.write("nh", first + width * destination, address)
    if port is not None:
        walk.write("th", 16 * destination, port)
