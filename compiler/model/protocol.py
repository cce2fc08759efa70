"""VPN protocols and their flows, as the catalogue and the users' own files describe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

TCP, UDP, GRE, ESP, AH = 6, 17, 47, 50, 51

#: Layer-4 protocols by the names that policies and the catalogue use (IANA "protocol-numbers").
LAYER4 = {
    "tcp": TCP,
    "udp": UDP,
    "gre": GRE,
    "esp": ESP,
    "ah": AH,
    "l2tp-ip": 115,
    "sctp": 132,
    "ipip": 4,
    "ipv6-in-ip": 41,
    "etherip": 97,
}
LAYER4_NAMES = {number: name for name, number in LAYER4.items()}
PORTED = frozenset({TCP, UDP, 132})


def layer4_name(number: int) -> str:
    """Name a layer-4 protocol for people: ``tcp``, ``gre``, or ``proto-99``."""
    return LAYER4_NAMES.get(number, f"proto-{number}")


class Family(StrEnum):
    """Address family."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


BOTH_FAMILIES = frozenset(Family)


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Destination ports ``first`` to ``last``, both included; one port when they are equal."""

    first: int
    last: int

    def __contains__(self, port: int) -> bool:
        """Tell whether ``port`` lies in the range."""
        return self.first <= port <= self.last

    def overlaps(self, other: PortRange) -> bool:
        """Tell whether the ranges share a port."""
        return self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        """Give ``500`` or ``500-510``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class ByteMatch:
    """``value`` under ``mask`` at byte ``at`` of the transport payload; all same length."""

    at: int
    value: bytes
    mask: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells a flow's first packet from others, without knowing the port.

    ``payload_length`` is in bytes (``None``: any). The bytes count from the end of the
    UDP or TCP header.
    """

    matches: tuple[ByteMatch, ...]
    payload_length: int | None = None

    def holds(self, payload: bytes) -> bool:
        """Tell whether ``payload`` has this signature."""
        if self.payload_length is not None and len(payload) != self.payload_length:
            return False
        return all(_masked(payload, match) for match in self.matches)


def _masked(payload: bytes, match: ByteMatch) -> bool:
    found = payload[match.at : match.at + len(match.value)]
    return len(found) == len(match.value) and all(
        byte & mask == want & mask
        for byte, want, mask in zip(found, match.value, match.mask, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Helper:
    """A connection-tracking helper that a protocol needs to cross NAT."""

    name: str
    layer4: int
    port: int
    modules: tuple[str, ...]
    families: frozenset[Family]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """One kind of packet that a protocol sends from LAN to WAN, and the replies to it.

    - ``layer4`` is the IP protocol number; ``ports`` are destination ports, empty for a
      protocol without ports (GRE, ESP, AH).
    - ``families``: where the flow exists at all.
    - ``shared``: the rest of the internet uses these packets too (tcp/443).
    - ``carried``: comes only after another flow of the same protocol, announced by its NAT
      helper (PPTP's GRE).
    - ``helper`` is the NAT helper that the flow's protocol needs, on each of its flows.
    - ``signature`` is set where the ports alone do not tell the flow (IKE versions).
    - ``introduces``: only some packets of a connection carry the signature (IKE on udp/4500),
      and what they are is what the whole connection is.
    - ``serves``: the other protocols that need this flow too (ESP serves both IKE versions);
      a decision about one of them claims the flow.
    """

    id: str
    protocol: str
    layer4: int
    ports: tuple[PortRange, ...] = ()
    families: frozenset[Family] = BOTH_FAMILIES
    shared: bool = False
    carried: bool = False
    signature: Signature | None = None
    introduces: bool = False
    helper: Helper | None = None
    serves: tuple[str, ...] = ()
    purpose: str = ""
    source: str = ""

    def overlaps(self, other: Flow) -> bool:
        """Tell whether one packet (signatures aside) can belong to both flows."""
        if self.layer4 != other.layer4 or not self.families & other.families:
            return False
        if not self.ports or not other.ports:
            return True
        return any(a.overlaps(b) for a in self.ports for b in other.ports)

    @property
    def ports_text(self) -> str:
        """Give ``tcp/1723``, ``udp/500,4500`` or ``gre`` for people."""
        name = layer4_name(self.layer4)
        return f"{name}/{','.join(map(str, self.ports))}" if self.ports else name


@dataclass(frozen=True, slots=True)
class Background:
    """What a person wants to know about a protocol before deciding (Markdown-free text)."""

    sends: str
    nat: str
    passthrough: str
    safety: str
    instead: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A public source: title and address."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """One VPN protocol.

    - ``part_of`` is the parent in the small tree (``ikev1`` is part of ``ipsec``) whose decision it
      follows unless it is named itself; ``follows_when`` says which actions of the parent it
      follows (AH follows IPsec only when blocking).
    - ``signatures`` find the protocol on any port (``detect: signature``).
    - ``movable``: the port is a habit, not a rule; a block by port can be evaded.
    - ``nat4``: ``fine``, ``helper`` (works only with ``helper``), ``limited`` or ``impossible``.
    - ``passthrough``: ``needed``, ``filters-only`` (only where something blocks it),
      ``older-clients`` or ``impossible``.
    - ``security``: ``sound``, ``depends``, ``broken`` or ``none``.
    """

    id: str
    name: str
    title: str
    flows: tuple[Flow, ...]
    background: Background
    part_of: str = ""
    follows_when: frozenset[str] = frozenset({"pass", "block"})
    helper: Helper | None = None
    signatures: tuple[tuple[int, Signature], ...] = ()
    movable: bool = False
    nat4: str = "fine"
    passthrough: str = "filters-only"
    security: str = "sound"
    references: tuple[Reference, ...] = ()
    builtin: bool = True
    aliases: tuple[str, ...] = field(default=())
