"""The answers to packets, as they come back to the router."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compiler.evaluate.outcome import Outcome
from compiler.evaluate.packet import WITH_PORTS, Ends, Packet
from compiler.model.protocol import TCP

#: The ends of a connection that nobody knows.
NOBODY = Ends(None, None, None, None)
_SYN_ACK = 0x12


def answers(opening: Packet, first: Outcome) -> Iterator[Packet]:
    """Give the answers to a packet that passed: of its connection, or of none where it has none."""
    uncertain = "tracking" in first.uncertain
    if first.tracked or uncertain:
        ends = first.answered or NOBODY
        yield replace(
            answer(opening, ends, opening.opened, first.connection_mark),
            helper=first.helper,
            young=True,
        )
    if not first.tracked or uncertain:
        yield replace(
            opening, iif=opening.oif, oif=opening.iif, source=opening.destination,
            destination=opening.source, source_port=opening.destination_port,
            destination_port=opening.source_port, tcp_flags=_SYN_ACK, payload=None, glimpse=None,
            state="invalid" if opening.layer4 == TCP else "new",
        )  # fmt: skip


def answer(opening: Packet, ends: Ends, opened: Ends, mark: int | None) -> Packet:
    """Give the answer as it enters the router."""
    ported = opening.layer4 in WITH_PORTS
    unseen = {
        name
        for name, end in (
            ("source", ends.source),
            ("destination", ends.destination),
            ("source_port", ends.source_port),
            ("destination_port", ends.destination_port),
        )
        if end is None and (ported or not name.endswith("port"))
    }
    return replace(
        opening,
        iif=opening.oif,
        oif=opening.iif,
        source=ends.source or opening.destination,
        destination=ends.destination or opening.source,
        source_port=ends.source_port or opening.destination_port,
        destination_port=ends.destination_port or opening.source_port,
        payload=None,
        glimpse=None,
        tcp_flags=_SYN_ACK,
        state="established",
        reply=True,
        unseen=frozenset(unseen),
        hosts=not unseen,
        announced_by=opening.announced_by,
        original=opened,
        translated=ends,
        ct_mark=mark,
    )
