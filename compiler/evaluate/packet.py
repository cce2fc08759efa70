"""One packet, and what the router knows about its connection: what rules can see."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from compiler.evaluate.value import Value
from compiler.model.device import Address
from compiler.model.protocol import TCP, UDP, Signature

T = TypeVar("T")
ICMP, ICMPV6, SCTP, UDPLITE, DCCP = 1, 58, 132, 136, 33
#: Protocols whose header starts with a source and a destination port.
WITH_PORTS = frozenset({TCP, UDP, SCTP, UDPLITE, DCCP})
SYN = 0x02

#: Connection states as bits, as in ``ct state`` (include/net/netfilter/nf_conntrack.h).
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of a connection as one of its two sides wrote them (a conntrack tuple).

    ``None`` is an end that nobody knows, such as the address that a masquerading router has.
    """

    source: Address | None
    destination: Address | None
    source_port: int | None = 0
    destination_port: int | None = 0


@dataclass(frozen=True, slots=True)
class Packet:
    """An unfragmented packet without IP options, TCP options or extension headers, as it arrives.

    ``None`` means: not known, so a rule that asks for it makes the outcome depend on the answer.

    - ``payload`` is what follows the UDP or TCP header; for other protocols what follows the IP
      header (for ICMP: from the type on). It also gives the length.
    - ``state`` is the conntrack state, ``reply`` whether the packet runs against the direction in
      which its connection was opened.
    - ``original`` and ``translated`` are the ends of the connection as its opener wrote them, and
      as the *answers* are written. Without them the connection is this packet's, without NAT.
    - ``unseen`` names fields that are not known (``source``, ``destination``, ``source_port``,
      ``destination_port``); what stands there then only tells the family.
    - ``glimpse``: what is known of a payload that is not known.
    - ``helper`` is the helper of the connection, ``announced_by`` that of the connection whose
      helper has announced this one.
    - ``router`` holds the addresses of the router itself, for ``fib daddr type local``.
    - ``young``: no packet before this one can have moved the connection to a flow table.
    - ``hosts``: source and destination are hosts, or the router, and no broadcast addresses.
    - ``routed_back``: the route to the source leads out of the incoming interface.
    """

    source: Address
    destination: Address
    layer4: int
    iif: str = ""
    oif: str = ""
    source_port: int = 0
    destination_port: int = 0
    payload: bytes | None = None
    tcp_flags: int = SYN
    state: str = "new"
    reply: bool = False
    original: Ends | None = None
    translated: Ends | None = None
    unseen: frozenset[str] = frozenset()
    glimpse: Signature | None = None
    helper: str = ""
    announced_by: str = ""
    router: frozenset[Address] | None = None
    young: bool = False
    hosts: bool = False
    routed_back: bool | None = True
    mark: int | None = 0
    ct_mark: int | None = 0
    ttl: int | None = 64
    dscp: int | None = 0

    @property
    def family(self) -> str:
        """Give ``ip`` or ``ip6``, as nft names families."""
        return "ip" if self.source.version == 4 else "ip6"

    @property
    def opened(self) -> Ends:
        """The connection as its opener wrote it."""
        if self.original is not None:
            return self.original
        ends = Ends(
            self._seen("source", self.source),
            self._seen("destination", self.destination),
            self._seen("source_port", self.source_port),
            self._seen("destination_port", self.destination_port),
        )
        return turned(ends) if self.reply else ends

    def _seen(self, name: str, what: T) -> T | None:
        return None if name in self.unseen else what

    @property
    def answered(self) -> Ends:
        """The connection as the answers are written."""
        if self.translated is not None:
            return self.translated
        return turned(self.opened)


def turned(ends: Ends) -> Ends:
    """Give the ends as the other side writes them."""
    return Ends(ends.destination, ends.source, ends.destination_port, ends.source_port)


@dataclass(frozen=True, slots=True)
class Header:
    """Bytes from the start of a header to the end of the packet, as far as they are known.

    ``open_end``: more may follow, or not.
    """

    data: Value
    open_end: bool = False

    def read(self, offset: int, width: int) -> Value | None:
        """Give some bits; ``None`` where the packet ends before them."""
        if offset + width <= self.data.width:
            return self.data.part(offset, width)
        return Value.unknown(width, "the payload is not known") if self.open_end else None

    def write(self, offset: int, part: Value) -> Header:
        """Give the header with some bits replaced."""
        if offset + part.width > self.data.width:
            return self
        return Header(self.data.with_part(offset, part), self.open_end)


def written(packet: Packet) -> Header:
    """Write the packet from its IP header on.

    Identification, fragment bits, sequence numbers and checksums are not known.
    """
    length = _transport_length(packet)
    fields = _ip4(packet, length) if packet.source.version == 4 else _ip6(packet, length)
    fields += _transport(packet)
    open_end = packet.payload is None
    if packet.payload is not None:
        fields.append((int.from_bytes(packet.payload), 8 * len(packet.payload)))
    elif packet.glimpse is not None:
        fields += _glimpsed(packet.glimpse)
        open_end = packet.glimpse.payload_length is None
    bits = known = width = 0
    for number, size in fields:
        full = (1 << size) - 1
        bits = bits << size | ((number or 0) & full)
        known = known << size | (0 if number is None else full)
        width += size
    value = Value(bits, width, known, "this field of the packet is not known")
    return Header(value, open_end=open_end)


#: Fields of a header: the number, if it is known, and its bits.
_Fields = list[tuple[int | None, int]]


def _ip4(packet: Packet, length: int | None) -> _Fields:
    traffic = None if packet.dscp is None else packet.dscp << 2
    total = None if length is None else 20 + length
    return [
        (0x45, 8), (traffic, 8), (total, 16), (None, 18), (0, 14), (packet.ttl, 8),
        (packet.layer4, 8), (None, 16), *_addresses(packet, 32),
    ]  # fmt: skip


def _ip6(packet: Packet, length: int | None) -> _Fields:
    traffic = None if packet.dscp is None else packet.dscp << 2
    return [
        (6, 4), (traffic, 8), (None, 20), (length, 16), (packet.layer4, 8), (packet.ttl, 8),
        *_addresses(packet, 128),
    ]  # fmt: skip


def _addresses(packet: Packet, width: int) -> _Fields:
    return [
        (None if "source" in packet.unseen else int(packet.source), width),
        (None if "destination" in packet.unseen else int(packet.destination), width),
    ]


def _glimpsed(signature: Signature) -> _Fields:
    """Give the bits of a payload, one by one, as far as a signature tells them."""
    ends = (match.at + len(match.value) for match in signature.matches)
    length = max((signature.payload_length or 0, *ends))
    known: list[int | None] = [None] * (8 * length)
    for match in signature.matches:
        for number, (byte, mask) in enumerate(zip(match.value, match.mask, strict=True)):
            for bit in range(8):
                if mask >> (7 - bit) & 1:
                    known[8 * (match.at + number) + bit] = byte >> (7 - bit) & 1
    return [(bit, 1) for bit in known]


def _transport(packet: Packet) -> _Fields:
    ports: _Fields = [
        (None if "source_port" in packet.unseen else packet.source_port, 16),
        (None if "destination_port" in packet.unseen else packet.destination_port, 16),
    ]
    if packet.layer4 == UDP:
        return [*ports, (_transport_length(packet), 16), (None, 16)]
    if packet.layer4 == TCP:
        return [*ports, (None, 64), (5, 4), (0, 4), (packet.tcp_flags, 8), (None, 48)]
    return ports if packet.layer4 in WITH_PORTS else []


def _transport_length(packet: Packet) -> int | None:
    length = len(packet.payload) if packet.payload is not None else None
    if length is None and packet.glimpse is not None:
        length = packet.glimpse.payload_length
    if length is None:
        return None
    header = {UDP: 8, TCP: 20}.get(packet.layer4, 4 if packet.layer4 in WITH_PORTS else 0)
    return header + length


def address_of(value: Value) -> Address | None:
    """Give the address that a value of 32 or 128 bits is."""
    number = value.exact
    if number is None:
        return None
    return ip_address(number.to_bytes(value.width // 8))
