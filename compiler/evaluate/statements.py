"""The statements of rules, whatever text they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.evaluate.nat import move_end
from compiler.evaluate.ruleset import BREAK, GO_ON, Kind, Move
from compiler.evaluate.value import Truth, Unsure, Value
from compiler.evaluate.way import Reader, Way
from compiler.model.protocol import AH

#: A question about the packet under way.
Test = Callable[[Way], Truth]


@dataclass(frozen=True, slots=True)
class Match:
    """Go on where the test holds."""

    test: Test

    def run(self, way: Way) -> Move:
        """Ask; a doubt is explored both ways."""
        return GO_ON if way.decide(self.test(way)) else BREAK


@dataclass(frozen=True, slots=True)
class Perhaps:
    """Go on, or not: a limit, a set that may be full, a match that is not understood.

    ``kernel``: a kernel could tell, by the packet alone.
    """

    reason: str
    kernel: bool = False

    def run(self, way: Way) -> Move:
        """Explore both."""
        return GO_ON if way.decide(Unsure(self.reason, self.kernel)) else BREAK


@dataclass(frozen=True, slots=True)
class End:
    """A verdict: accept, drop, reject, return, jump, goto, or an unknown end with its reason."""

    move: Move

    def run(self, way: Way) -> Move:  # noqa: ARG002 - a statement like the others
        """Give the move."""
        return self.move


def opaque(reason: str) -> End:
    """Give a statement after which nothing can be said."""
    return End(Move(Kind.UNKNOWN, reason))


@dataclass(frozen=True, slots=True)
class SetMark:
    """Set the mark of the packet, or of its connection."""

    value: Reader
    connection: bool = False

    def run(self, way: Way) -> Move:
        """Set it; a value that the packet does not have breaks the rule."""
        value = self.value(way)
        if value is None:
            return BREAK
        if not self.connection:
            way.mark = value
        elif way.connection.exists:
            way.connection.mark = value
        return GO_ON


@dataclass(frozen=True, slots=True)
class Write:
    """Change a field of the packet."""

    base: str
    offset: int
    width: int
    value: Reader

    def run(self, way: Way) -> Move:
        """Write it where the packet has the field."""
        value = self.value(way)
        if value is None or way.read(self.base, self.offset, self.width) is None:
            return BREAK
        way.write(self.base, self.offset, value)
        return GO_ON


@dataclass(frozen=True, slots=True)
class NoTrack:
    """Keep the packet out of connection tracking."""

    def run(self, way: Way) -> Move:
        """Do so, where it has not been looked up yet."""
        if not way.connection.looked_up:
            way.connection.untracked = True
        return GO_ON


@dataclass(frozen=True, slots=True)
class AssignHelper:
    """Assign a connection-tracking helper to a new connection that has none.

    ``families`` and ``layer4`` are those of the helper object. ``early``: iptables' CT target
    assigns before the look-up (a template); nft needs the entry.
    """

    helper: str
    layer4: int
    families: frozenset[str]
    early: bool = False

    def run(self, way: Way) -> Move:
        """Assign it; the first helper stays."""
        fits = way.packet.layer4 == self.layer4 and way.packet.family in self.families
        state = way.packet.state
        opening = way.connection.opening or (
            self.early and not way.connection.untracked and state in ("new", "related")
        )
        if fits and opening and not way.connection.helper:
            way.helped(self.helper)
        return GO_ON


@dataclass(frozen=True, slots=True)
class Nat:
    """Translate the connection: ``dnat``, ``snat``, ``masquerade`` or ``redirect``.

    ``to`` is for people. Without an address reader the kind's own address is taken.
    """

    kind: str
    to: str
    address: Reader | None = None
    port: Reader | None = None
    family: str = ""

    def run(self, way: Way) -> Move:
        """Translate and end the chain, as NAT does."""
        if self.family and way.packet.family != self.family:
            return BREAK
        four = way.packet.source.version == 4
        if way.packet.layer4 == AH and not four:
            return Move(Kind.UNKNOWN, "whether NAT loses an authentication header is not known")
        width = 32 if four else 128
        address = self.address(way) if self.address else None
        port = self.port(way) if self.port else None
        if (self.address and address is None) or (self.port and port is None):
            return BREAK
        if self.kind in ("masquerade", "redirect"):
            address = Value.unknown(width, "the router chooses one of its own addresses")
        move_end(way, self.kind, self.to, address, port)
        return Move(Kind.ACCEPT)
