"""NAT of the packet under way (nf_nat_core.c, nf_nat_proto.c).

Only the first packet of a connection meets the nat chains. Later ones are translated as the
connection's two tuples say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from compiler.evaluate.packet import WITH_PORTS
from compiler.evaluate.ruleset import GO_ON, Chain, Kind, Move
from compiler.evaluate.value import Value
from compiler.evaluate.way import Way

_DESTINATION_HOOKS = ("prerouting", "output")


def translate(way: Way, chains: Iterable[Chain], run: Callable[[Chain], Move]) -> Move:
    """Pass the NAT station of a hook, with its nat chains in their order; ``run`` walks one."""
    connection = way.connection
    if not connection.exists:
        return GO_ON
    if connection.state == "established":
        _as_before(way)
        return GO_ON
    nat = list(chains)
    if connection.state == "related" and nat:
        reason = "whether a related connection meets the nat chains depends on its helper"
        if not way.choices.holds(reason):
            return GO_ON
    for chain in nat:
        before, steps = len(way.translations), len(way.steps)
        move = run(chain)
        if move.kind in (Kind.DROP, Kind.REJECT, Kind.UNKNOWN):
            return move
        if len(way.translations) > before:
            break
        del way.steps[steps:]
    return GO_ON


def move_end(way: Way, kind: str, to: str, address: Value | None, port: Value | None) -> None:
    """Give the packet another source or destination, as a NAT rule says.

    ``address`` is ``None`` where the rule leaves it alone. A port that the rule leaves alone may
    still change when the translated connection would meet another one.
    """
    way.translated(kind, to)
    destination = kind in ("dnat", "redirect")
    ported = way.packet.layer4 in WITH_PORTS
    if not destination and port is None:
        port = Value.unknown(16, "the router may choose another source port")
    _write(way, destination=destination, address=address, port=port if ported else None)
    answers = way.connection.answers
    if address is not None:
        answers["saddr" if destination else "daddr"] = address
    if port is not None and ported:
        answers["proto-src" if destination else "proto-dst"] = port


def ends_at_router(way: Way) -> bool:
    """Tell whether a redirect has made the router itself the destination."""
    return any(done.kind == "redirect" for done in way.translations)


def _as_before(way: Way) -> None:
    """Translate as the connection's tuples say: towards the inverse of the other direction."""
    packet, connection = way.packet, way.connection
    if packet.original is None and packet.translated is None:
        return
    other = connection.original if packet.reply else connection.answers
    destination = way.hook in _DESTINATION_HOOKS
    address, port = ("saddr", "proto-src") if destination else ("daddr", "proto-dst")
    ported = packet.layer4 in WITH_PORTS
    new_port = other[port] if ported else None
    _write(way, destination=destination, address=other[address], port=new_port)


def _write(way: Way, *, destination: bool, address: Value | None, port: Value | None) -> None:
    if address is not None:
        four = way.packet.source.version == 4
        first, width = (96, 32) if four else (64, 128)
        way.write("nh", first + width * destination, address)
    if port is not None:
        way.write("th", 16 * destination, port)
