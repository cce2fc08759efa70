"""A packet under way: what it is by now, what has been done to it, and by which rule."""

from __future__ import annotations

from collections.abc import Callable

from compiler.evaluate.connection import Connection
from compiler.evaluate.explore import Choices
from compiler.evaluate.outcome import Step, Translation
from compiler.evaluate.packet import Header, Packet, written
from compiler.evaluate.value import Truth, Unsure, Value, name_value
from compiler.model.protocol import AH

#: ip6tables passes over an authentication header as over an extension header, iptables-nft and
#: nft do not (ipv6_find_hdr, nft_set_pktinfo_ipv6); both print the same listing.
CARRIED = "whether an authentication header is passed over is not known"


class Way:
    """What rules see of a packet, and what they do to it; knows nothing of chains."""

    def __init__(self, packet: Packet, choices: Choices, *, xtables: bool) -> None:
        """Start outside of the router; ``xtables``: the rules are those of iptables."""
        self.packet = packet
        self.choices = choices
        self.data: Header = written(packet)
        self._read: dict[tuple[int, int], Value | None] = {}
        self._links: dict[tuple[str, bool], Value] = {}
        self._transport_at = 160 if packet.family == "ip" else 320
        hidden = xtables and packet.layer4 == AH and packet.family == "ip6"
        self.layer4: int | None = None if hidden else packet.layer4
        self.mark = _mark(packet.mark, "the mark of the packet is not known")
        self.connection = Connection(packet)
        self.hook = ""
        self.steps: list[Step] = []
        self.translations: list[Translation] = []
        self.deeds: list[Step] = []

    @property
    def at(self) -> Step | None:
        """The rule at hand."""
        return None

    def decide(self, truth: Truth) -> bool:
        """Turn an answer into yes or no; doubts are explored both ways."""
        if isinstance(truth, Unsure):
            reason = f"{truth.reason} ({self.at})" if self.at else truth.reason
            return self.choices.holds(reason, kernel=truth.kernel)
        return truth

    def read(self, base: str, offset: int, width: int) -> Value | None:
        """Give bits of the packet, counted from its ``nh`` or ``th``; ``None`` past its end."""
        if base == "th" and self.layer4 is None:
            return Value.unknown(width, CARRIED)
        place = (offset + (self._transport_at if base == "th" else 0), width)
        if place not in self._read:
            self._read[place] = self.data.read(*place)
        return self._read[place]

    def write(self, base: str, offset: int, part: Value) -> None:
        """Change bits of the packet."""
        self._read.clear()
        self.data = self.data.write(offset + (self._transport_at if base == "th" else 0), part)

    def interface(self, *, incoming: bool) -> Value:
        """Give the name of an interface, empty where the hook has none."""
        key = (self.hook, incoming)
        if key not in self._links:
            self._links[key] = self._interface(incoming=incoming)
        return self._links[key]

    def _interface(self, *, incoming: bool) -> Value:
        packet = self.packet
        if incoming and self.hook == "postrouting" and packet.iif:
            return Value.unknown(
                128, "not every kernel knows the incoming interface in postrouting"
            )
        hidden = ("output", "postrouting") if incoming else ("prerouting", "input")
        name = "" if self.hook in hidden else packet.iif if incoming else packet.oif
        return name_value(name)

    def translated(self, kind: str, to: str) -> None:
        """Note that the rule at hand does NAT."""
        if self.at is not None:
            self.translations.append(Translation(kind, to, self.at))

    def helped(self, helper: str) -> None:
        """Note that the rule at hand assigns a helper."""
        self.connection.helper = helper
        if self.at is not None:
            self.deeds.append(self.at)


#: What reads something of a packet under way; ``None`` where it has no such thing.
Reader = Callable[[Way], Value | None]


def _mark(number: int | None, reason: str) -> Value:
    return Value.unknown(32, reason) if number is None else Value.of(number, 32)
