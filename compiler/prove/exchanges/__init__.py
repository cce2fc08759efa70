"""What VPN protocols say: every flow of the catalogue as a real exchange, both sides.

Messages are made with :mod:`struct`, not scapy: each is a handful of fields whose RFC is named
beside it, they are made and *checked* byte by byte, and a command that people install should not
draw in a packet laboratory of a hundred thousand lines under another licence.

Nothing here sends anything. :class:`~compiler.prove.exchanges.script.Exchange` is a script of
lines; whoever has a transport plays it.
"""

from __future__ import annotations

from collections.abc import Iterable

from compiler.model.protocol import Flow
from compiler.prove.exchanges import ipsec, openvpn, overlays, tls, wireguard
from compiler.prove.exchanges.l2tp import L2TP, L2TPV3
from compiler.prove.exchanges.plain import plain
from compiler.prove.exchanges.pptp import PPTP
from compiler.prove.exchanges.script import Exchange, Heard, Io, Line, Memory, Side

EXCHANGES: tuple[Exchange, ...] = (
    PPTP,
    L2TP,
    L2TPV3,
    *ipsec.EXCHANGES,
    *openvpn.EXCHANGES,
    *wireguard.EXCHANGES,
    *tls.EXCHANGES,
    *overlays.EXCHANGES,
)
_BY_FLOW = {flow: exchange for exchange in EXCHANGES for flow in exchange.flows}


def exchanges_of(flows: Iterable[Flow]) -> tuple[Exchange, ...]:
    """Give the exchanges that these flows take part in, each once, in the order of the flows.

    A flow that no built-in exchange knows gets one of its own, made from its data.
    """
    found: dict[str, Exchange] = {}
    for flow in flows:
        exchange = _BY_FLOW.get(flow.id) or plain(flow)
        found.setdefault(exchange.id, exchange)
    return tuple(found.values())


__all__ = [
    "EXCHANGES",
    "Exchange",
    "Heard",
    "Io",
    "Line",
    "Memory",
    "Side",
    "exchanges_of",
    "plain",
]
