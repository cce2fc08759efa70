"""One talk: who plays which exchange with whom, and what is wanted of each of its flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.model.device import Address
from compiler.model.effect import Probe
from compiler.model.intent import Action, Decision, Exposure
from compiler.model.protocol import PORTED, Family, Flow
from compiler.prove.exchanges import Exchange, Side
from compiler.prove.lab import Wan
from compiler.prove.lab.network import INTERNET
from compiler.prove.result import Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the intent wants of one flow of a talk; the probe is the question behind it."""

    flow: Flow
    port: int
    probe: Probe
    action: Action
    decision: Decision | Exposure


@dataclass(frozen=True, slots=True)
class Talk:
    """One exchange between a client and a server, which are hosts of the lab.

    ``called`` is the address that the client sends to; over IPv4 an exposed server is called at the
    router's. ``short``: only the first line each way, for borders of limits. ``ttl`` is what the
    client sends with; ``routed``: nobody says that the router hides its clients.
    """

    number: int
    kind: Kind
    exchange: Exchange
    family: Family
    client: str
    server: str
    zone: str
    lan: str
    wan: Wan
    source: Address
    called: Address
    source_port: int
    wanted: Mapping[str, Wanted] = field(default_factory=dict)
    short: bool = False
    ttl: int = 64
    routed: bool = False

    @property
    def inbound(self) -> bool:
        """Tell whether the client is in the WAN."""
        return self.client == INTERNET

    @property
    def way(self) -> str:
        """From which interface to which, for people."""
        ends = (self.wan.interface, self.lan) if self.inbound else (self.lan, self.wan.interface)
        return " > ".join(ends)

    def way_of(self, side: Side) -> str:
        """Say which way a side's packets go: ``out``, ``in`` or, answers, ``back``."""
        if side is Side.SERVER:
            return "back"
        return "in" if self.inbound else "out"

    @property
    def portless(self) -> tuple[int, ...]:
        """Layer-4 protocols without ports that it uses and no helper tells apart."""
        return tuple(
            one.flow.layer4
            for one in self.wanted.values()
            if one.flow.layer4 not in PORTED and not one.flow.carried
        )
