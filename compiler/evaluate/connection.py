"""What connection tracking says about the packet under way (nf_conntrack_core.c, nft_ct.c)."""

from __future__ import annotations

from compiler.evaluate.packet import STATES, WITH_PORTS, Ends, Packet, address_of
from compiler.evaluate.value import Value
from compiler.model.device import Address

#: Bits of ``ct status`` (include/uapi/linux/netfilter/nf_conntrack_common.h).
STATUS = {
    "expected": 1,
    "seen-reply": 2,
    "assured": 4,
    "confirmed": 8,
    "snat": 16,
    "dnat": 32,
    "dying": 512,
}
_TUPLE = ("saddr", "daddr", "proto-src", "proto-dst")


class Connection:
    """The entry of a packet; there is none before the look-up, and none for some packets."""

    def __init__(self, packet: Packet) -> None:
        """Start before the look-up."""
        self._packet = packet
        self.looked_up = False
        self.untracked = False
        self.helper = packet.helper
        mark = packet.ct_mark
        unknown = Value.unknown(32, "the mark of the connection is not known")
        self.mark = unknown if mark is None else Value.of(mark, 32)
        self.master_helper = packet.announced_by
        self.original = _tuple(packet, packet.opened)
        self.answers = _tuple(packet, packet.answered)

    def look_up(self) -> None:
        """Pass the place where the kernel finds or makes the entry."""
        self.looked_up = True

    @property
    def state(self) -> str:
        """Give the state that rules see; without an entry it is invalid."""
        if self.untracked:
            return "untracked"
        return self._packet.state if self.looked_up else "invalid"

    @property
    def exists(self) -> bool:
        """Tell whether rules find an entry."""
        return self.state not in ("invalid", "untracked")

    @property
    def opening(self) -> bool:
        """Tell whether this is the first packet, which may get a helper and NAT."""
        return self.exists and self.state in ("new", "related")

    @property
    def state_bit(self) -> int:
        """Give the state as a bit."""
        return STATES[self.state]

    @property
    def answered(self) -> Ends:
        """Give the ends of the connection as its answers are written, as far as they are known."""
        found = self.answers
        return Ends(
            address_of(found["saddr"]),
            address_of(found["daddr"]),
            found["proto-src"].exact,
            found["proto-dst"].exact,
        )

    @property
    def status(self) -> Value:
        """Give what is known of the status bits: whether the connection is translated."""
        bits = STATUS["snat"] * (self._moved("saddr", "daddr", "proto-src", "proto-dst"))
        bits |= STATUS["dnat"] * (self._moved("daddr", "saddr", "proto-dst", "proto-src"))
        known = STATUS["snat"] | STATUS["dnat"]
        return Value(bits, 32, known, "the status of the connection is not known")

    def _moved(self, end: str, other: str, port: str, other_port: str) -> bool:
        first, answer = self.original, self.answers
        return first[end] != answer[other] or first[port] != answer[other_port]


def _tuple(packet: Packet, ends: Ends) -> dict[str, Value]:
    width = 32 if packet.source.version == 4 else 128
    unported = Value.unknown(16, "what stands for ports in this protocol is not known")
    ported = packet.layer4 in WITH_PORTS
    values = (
        _end(ends.source, width),
        _end(ends.destination, width),
        _end(ends.source_port, 16) if ported else unported,
        _end(ends.destination_port, 16) if ported else unported,
    )
    return dict(zip(_TUPLE, values, strict=True))


def _end(end: Address | int | None, width: int) -> Value:
    if end is None:
        return Value.unknown(width, "an end of the connection is not known")
    return Value.of(int(end), width)
