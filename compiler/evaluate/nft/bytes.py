"""Which expressions look at nothing but the packet, so that any kernel reads them alike.

What is not understood here may still be clear to a kernel that holds the rule (a twin). That does
not go for what a rule asks of the router around it: time, chance, users, routes, links, groups of
interfaces, sets that packets fill.
"""

from __future__ import annotations

from typing import Any

from compiler.evaluate.nft.headers import HEADERS

_PROTOCOLS = frozenset({*HEADERS, "gre", "igmp", "comp"})
_BASES = frozenset({"nh", "th", "ih"})
_META = frozenset(("mark", "iif", "oif", "iifname", "oifname", "nfproto", "l4proto", "protocol"))
_CONNECTION = frozenset({"state", "direction", "status", "mark", "protocol", "l3proto"})
_ENDS = frozenset({"saddr", "daddr", "proto-src", "proto-dst"})
_OPERATORS = frozenset({"&", "|", "^", "<<", ">>", "concat"})


def by_the_packet(data: Any) -> bool:
    """Tell whether the answer of a match is in the packet and the rule alone."""
    if not isinstance(data, dict):
        return False
    right = data.get("right")
    named = isinstance(right, str) and right.startswith("@")
    return not named and _reads_packet(data.get("left"))


def _reads_packet(data: Any) -> bool:
    if isinstance(data, int):
        return True
    if not isinstance(data, dict) or len(data) != 1:
        return False
    ((word, inner),) = data.items()
    if word in _OPERATORS:
        return isinstance(inner, list) and all(map(_reads_packet, inner))
    return isinstance(inner, dict) and _is_field(str(word), inner)


def _is_field(word: str, inner: dict[str, Any]) -> bool:
    key = str(inner.get("key", ""))
    if word == "payload":
        return inner.get("base") in _BASES or inner.get("protocol") in _PROTOCOLS
    if word == "ct":
        return key in _CONNECTION or key.rpartition(" ")[2] in _ENDS
    return word == "meta" and key in _META
