"""Where the fields of headers lie: base, offset in bits, and type.

A listing leaves out the dependencies that nft adds by itself (``tcp dport`` looks at TCP only), so
they are added here again. Sources: RFC 791, 8200, 768, 9293, 792, 4443, 4303, 4302, 9260.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.evaluate.nft import constant as c
from compiler.evaluate.packet import DCCP, ICMP, ICMPV6, SCTP, UDPLITE
from compiler.evaluate.way import Way
from compiler.model.protocol import AH, ESP, TCP, UDP

Field = tuple[str, int, c.Type]


def _number(base: str, offset: int, width: int) -> Field:
    return base, offset, c.integer(width)


_PORTS: dict[str, Field] = {"sport": ("th", 0, c.PORT), "dport": ("th", 16, c.PORT)}

HEADERS: Mapping[str, Mapping[str, Field]] = {
    "ip": {
        "version": _number("nh", 0, 4),
        "hdrlength": _number("nh", 4, 4),
        "dscp": ("nh", 8, c.DSCP),
        "length": _number("nh", 16, 16),
        "id": _number("nh", 32, 16),
        "frag-off": _number("nh", 48, 16),
        "ttl": _number("nh", 64, 8),
        "protocol": ("nh", 72, c.LAYER4),
        "checksum": _number("nh", 80, 16),
        "saddr": ("nh", 96, c.IP4),
        "daddr": ("nh", 128, c.IP4),
    },
    "ip6": {
        "version": _number("nh", 0, 4),
        "dscp": ("nh", 4, c.DSCP),
        "length": _number("nh", 32, 16),
        "nexthdr": ("nh", 48, c.LAYER4),
        "hoplimit": _number("nh", 56, 8),
        "saddr": ("nh", 64, c.IP6),
        "daddr": ("nh", 192, c.IP6),
    },
    "th": _PORTS,
    "udp": {**_PORTS, "length": _number("th", 32, 16), "checksum": _number("th", 48, 16)},
    "udplite": _PORTS,
    "dccp": _PORTS,
    "sctp": {**_PORTS, "vtag": _number("th", 32, 32)},
    "tcp": {
        **_PORTS,
        "sequence": _number("th", 32, 32),
        "ackseq": _number("th", 64, 32),
        "doff": _number("th", 96, 4),
        "flags": ("th", 104, c.TCP_FLAGS),
        "window": _number("th", 112, 16),
        "checksum": _number("th", 128, 16),
        "urgptr": _number("th", 144, 16),
    },
    "icmp": {
        "type": ("th", 0, c.ICMP_TYPE),
        "code": ("th", 8, c.ICMP_CODE),
        "id": _number("th", 32, 16),
        "sequence": _number("th", 48, 16),
        "mtu": _number("th", 48, 16),
    },
    "icmpv6": {
        "type": ("th", 0, c.ICMPV6_TYPE),
        "code": ("th", 8, c.ICMPV6_CODE),
        "id": _number("th", 32, 16),
        "sequence": _number("th", 48, 16),
        "mtu": _number("th", 32, 32),
    },
    "esp": {"spi": _number("th", 0, 32), "sequence": _number("th", 32, 32)},
    "ah": {"spi": _number("th", 32, 32), "sequence": _number("th", 64, 32)},
}
_FAMILY = {"ip": "ip", "ip6": "ip6", "icmp": "ip", "icmpv6": "ip6"}
_LAYER4 = {
    "tcp": TCP, "udp": UDP, "udplite": UDPLITE, "dccp": DCCP, "sctp": SCTP, "icmp": ICMP,
    "icmpv6": ICMPV6, "esp": ESP, "ah": AH,
}  # fmt: skip


def fits(protocol: str, way: Way) -> bool:
    """Tell whether a packet has the header at all."""
    family, layer4 = way.packet.family, way.layer4
    return _FAMILY.get(protocol, family) == family and _LAYER4.get(protocol, layer4) == layer4
