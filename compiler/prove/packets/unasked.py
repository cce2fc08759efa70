"""Packets from the WAN that nobody asked for: none of them may reach a host in a LAN.

They are sent to a client's own address (over IPv4, as a neighbour in the WAN could) and to the
router's, as if somebody called, and as if they were answers. Where NAT forwards a port to an
exposed server, whichever address was called, the server gets what anybody may send it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from compiler.model.device import Address
from compiler.model.intent import Action, Intent
from compiler.model.protocol import PORTED, Family
from compiler.prove.exchanges import Side
from compiler.prove.lab import Lab, Packet
from compiler.prove.lab.network import INTERNET
from compiler.prove.lab.packets import SYN, SYN_ACK
from compiler.prove.packets.talk import Talk, Wanted
from compiler.prove.result import Check, Experience, Kind, Loss

_SOURCE_PORT = 30000


@dataclass(frozen=True, slots=True)
class Unasked:
    """One packet of a flow that nobody asked for."""

    talk: Talk
    wanted: Wanted
    packet: Packet
    says: str
    servers: frozenset[Address] = frozenset()


def unasked(lab: Lab, talks: Iterable[Talk], intent: Intent) -> Iterator[Unasked]:
    """Give the packets for every flow of every exchange that a client would begin."""
    for talk in talks:
        if talk.kind is not Kind.EXCHANGE or talk.inbound:
            continue
        for wanted in talk.wanted.values():
            servers = frozenset(_servers(intent, wanted))
            targets = [talk.source, *([talk.wan.ipv4] if talk.family is Family.IPV4 else [])]
            for to in targets:
                if to not in servers and not (servers and to == talk.wan.ipv4):
                    for side in (Side.CLIENT, Side.SERVER):
                        yield replace(_packet(lab, talk, wanted, to, side), servers=servers)


def _servers(intent: Intent, wanted: Wanted) -> Iterator[Address]:
    """Give the exposed servers that may get such packets."""
    for exposure in intent.exposures:
        if any(flow.overlaps(wanted.flow) for flow in exposure.flows):
            yield exposure.to


def _packet(lab: Lab, talk: Talk, wanted: Wanted, to: Address, side: Side) -> Unasked:
    """Give what a caller would send to a port, or an answering server from it."""
    flow, exchange = wanted.flow, talk.exchange
    lines = [line for line in exchange.lines if line.flow == flow.id and line.by is side]
    tcp_flags = SYN if side is Side.CLIENT else SYN_ACK
    body = lines[0].build(exchange.begin(b"unasked", talk.number % 4096)) if lines else b""
    ports = (0, 0)
    if flow.layer4 in PORTED:
        near = talk.source_port or _SOURCE_PORT
        ports = (_SOURCE_PORT, wanted.port) if side is Side.CLIENT else (wanted.port, near)
    packet = Packet(
        flow.layer4, talk.called, to, lab.token(), *ports,
        b"" if flow.layer4 == 6 else body, tcp_flags,
    )  # fmt: skip
    says = "a call" if side is Side.CLIENT else "an answer"
    return Unasked(
        talk, wanted, packet, f"{says} to the {'router' if to == talk.wan.ipv4 else 'client'}"
    )


def came_in(lab: Lab, some: Iterable[Unasked]) -> list[tuple[Unasked, bool]]:
    """Send them; tell which of them reached a host in a LAN that is no server for them."""
    found: list[tuple[Unasked, bool]] = []
    asked = list(some)
    for link in dict.fromkeys(one.talk.wan.interface for one in asked):
        batch = [one for one in asked if one.talk.wan.interface == link]
        for part in range(0, len(batch), 200):
            now = batch[part : part + 200]
            arrived = lab.deliver(((INTERNET, one.packet) for one in now), link)
            inside = {
                (token, packet.destination)
                for host, packets in arrived.items()
                if host != INTERNET
                for token, packet in packets.items()
                if packet.source.version == 4 or packet.layer4 != 58
            }
            reached = {(one.packet.token, to) for one in now for to in one.servers}
            leaked = {token for token, _ in inside - reached}
            found += [(one, one.packet.token in leaked) for one in now]
    return found


def checks(found: Iterable[tuple[Unasked, bool]]) -> Iterator[Check]:
    """Give a check for each packet."""
    for one, inside in found:
        talk, wanted = one.talk, one.wanted
        yield Check(
            Kind.UNASKED,
            wanted.decision.protocol,
            wanted.flow.id,
            talk.family,
            talk.client,
            talk.zone,
            f"{talk.wan.interface} > {talk.lan}",
            str(one.packet.source),
            str(one.packet.destination),
            Action.BLOCK,
            Experience.PASSED if inside else Experience.BLOCKED,
            lost=Loss(one.says, "in") if inside else None,
            place=wanted.decision.origin.place,
        )
