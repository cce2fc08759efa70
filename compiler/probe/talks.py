"""Talks: which exchange is tried on which port, worked out of the catalogue by both ends."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from compiler.catalogue import Catalogue
from compiler.model.protocol import PORTED, Family, Flow, Protocol, layer4_name
from compiler.prove.exchanges import Exchange, exchanges_of

#: Where packets of a flow go: layer-4 protocol and port (0 where there are no ports).
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Talk:
    """One exchange to one port. Its ``id`` is the exchange's, with the port where it has several.

    ``flows`` are those of the exchange that exist in the family at hand.
    """

    id: str
    exchange: Exchange
    flows: tuple[Flow, ...]
    port: int

    @property
    def protocol(self) -> str:
        """The protocol that it is about."""
        return self.flows[0].protocol

    @property
    def ported(self) -> bool:
        """Tell whether its leading flow has ports."""
        return self.flows[0].layer4 in PORTED

    def place(self, flow: Flow) -> Place:
        """Say where packets of a flow go."""
        return (flow.layer4, self.port if flow.layer4 in PORTED else 0)

    def packets(self, flow: Flow) -> str:
        """Name a flow's packets for people: ``tcp/1723``, ``gre``."""
        layer4, port = self.place(flow)
        return f"{layer4_name(layer4)}/{port}" if port else layer4_name(layer4)

    def seed(self, session: bytes) -> bytes:
        """Derive what its messages are made from; two talks on one port must not look alike."""
        return hmac.digest(session, b"talk " + self.id.encode(), hashlib.sha256)


def talks_of(
    catalogue: Catalogue, family: Family, protocols: Collection[str] = ()
) -> tuple[Talk, ...]:
    """Give the talks of these protocols and their parts (none named: of all), by protocol."""
    chosen = [
        p for p in catalogue.protocols.values() if not protocols or _named(catalogue, p, protocols)
    ]
    return tuple(talk for protocol in chosen for talk in _talks(protocol, family))


def _named(catalogue: Catalogue, protocol: Protocol, protocols: Collection[str]) -> bool:
    return any(ancestor.id in protocols for ancestor in catalogue.lineage(protocol.id))


def _talks(protocol: Protocol, family: Family) -> Iterator[Talk]:
    for exchange in exchanges_of(protocol.flows):
        flows = tuple(
            flow
            for name in exchange.flows
            for flow in protocol.flows
            if flow.id == name and family in flow.families
        )
        if not flows:
            continue
        ports = [ports.first for ports in flows[0].ports] or [0]
        for port in ports:
            yield Talk(exchange.id + (f":{port}" if ports[1:] else ""), exchange, flows, port)
