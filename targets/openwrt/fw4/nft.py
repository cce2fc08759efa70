"""Matches and statements of nft, each as text for ``nft -f`` and as nft lists it (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A match or statement, as nft writes it and as nft lists it.

    ``doubt`` says why nobody knows whether it holds; such a part has no text.
    """

    text: str
    data: Mapping[str, Any]
    doubt: str = ""


def quoted(text: str) -> str:
    """Quote as fw4 does, which has no escape for a quotation mark."""
    return '"' + text.replace('"', "'") + '"'


def match(left: str, right: Sequence[str], *, negated: bool = False) -> Part:
    """Match a value, or any of several, against ``ip saddr``, ``tcp dport``, ``iifname`` ..."""
    found = list(dict.fromkeys(right))
    words = [_written(left, word) for word in found]
    text = words[0] if len(words) == 1 else "{ " + ", ".join(words) + " }"
    items = [element(word) for word in found]
    data = {
        "op": "!=" if negated else "==",
        "left": _operand(left),
        "right": items[0] if len(items) == 1 else {"set": items},
    }
    return Part(f"{left} {'!= ' if negated else ''}{text}", {"match": data})


def masked(left: str, mask: str, address: str, *, negated: bool = False) -> Part:
    """Match the bits of an address under a mask that is no prefix."""
    op = "!=" if negated else "=="
    data = {"op": op, "left": {"&": [_operand(left), mask]}, "right": address}
    return Part(f"{left} & {mask} {op} {address}", {"match": data})


def payload(at: int, value: bytes, mask: bytes, *, base: str = "th", negated: bool = False) -> Part:
    """Match bytes under a mask, at a distance from the transport header (``nh``: from IP's)."""
    number, under = int.from_bytes(value) & int.from_bytes(mask), int.from_bytes(mask)
    place = f"@{base},{8 * at},{8 * len(value)}"
    left: Any = {"payload": {"base": base, "offset": 8 * at, "len": 8 * len(value)}}
    op = "!=" if negated else "=="
    if set(mask) <= {0xFF}:
        shown = f"{place} {'!= ' if negated else ''}{number:#x}"
        return Part(shown, {"match": {"op": op, "left": left, "right": number}})
    data = {"op": op, "left": {"&": [left, under]}, "right": number}
    return Part(f"{place} & {under:#x} {op} {number:#x}", {"match": data})


def mark(number: int, mask: int, *, negated: bool = False) -> Part:
    """Match the packet's mark."""
    op = "!=" if negated else "=="
    left: Any = {"meta": {"key": "mark"}}
    if mask != 0xFFFFFFFF:
        left = {"&": [left, mask]}
        return Part(
            f"meta mark and {mask:#x} {op} {number:#x}",
            {"match": {"op": op, "left": left, "right": number}},
        )
    shown = "!= " if negated else ""
    data = {"match": {"op": op, "left": left, "right": number}}
    return Part(f"meta mark {shown}{number:#x}", data)


def in_set(fields: Sequence[str], name: str, *, negated: bool = False) -> Part:
    """Match fields against a named set."""
    operands = [_operand(each) for each in fields]
    left = operands[0] if len(operands) == 1 else {"concat": operands}
    data = {"op": "!=" if negated else "==", "left": left, "right": f"@{name}"}
    return Part(f"{' . '.join(fields)}{' !=' if negated else ''} @{name}", {"match": data})


def doubt(reason: str) -> Part:
    """Match, or not: nobody knows."""
    unknowable = {"op": "==", "left": {"meta": {"key": "unknown"}}, "right": 0}
    return Part("", {"match": unknowable}, reason)


def opaque(reason: str) -> Part:
    """Do something that nobody knows."""
    return Part("", {"unknown": reason}, reason)


def limit(rate: int, unit: str, burst: int | None) -> Part:
    """Match up to a rate."""
    more = f" burst {burst} packets" if burst else ""
    data = {"rate": rate, "burst": burst or 5, "per": unit}
    return Part(f"limit rate {rate}/{unit}{more}", {"limit": data})


COUNTER = Part("counter", {"counter": {"packets": 0, "bytes": 0}})
NOTRACK = Part("notrack", {"notrack": None})
MASQUERADE = Part("masquerade", {"masquerade": None})
OFFLOAD = Part("flow add @ft", {"flow": {"op": "add", "flowtable": "@ft"}})
REJECT_TCP = Part("reject with tcp reset", {"reject": {"type": "tcp reset"}})


def verdict(word: str) -> Part:
    """Accept, drop or return."""
    return Part(word, {word: None})


def jump(chain: str) -> Part:
    """Go to a chain and come back."""
    return Part(f"jump {chain}", {"jump": {"target": chain}})


def reject(code: str) -> Part:
    """Refuse with an ICMP error."""
    return Part(f"reject with icmpx type {code}", {"reject": {"type": "icmpx", "expr": code}})


def states(accepted: Sequence[str], dropped: Sequence[str] = ()) -> Part:
    """Accept or drop by the state of the connection."""
    pairs = [(state, "accept") for state in accepted] + [(state, "drop") for state in dropped]
    text = ", ".join(f"{state} : {word}" for state, word in pairs)
    data = {"set": [[state, {word: None}] for state, word in pairs]}
    key = {"ct": {"key": "state"}}
    return Part(f"ct state vmap {{ {text} }}", {"vmap": {"key": key, "data": data}})


def connection(key: str, word: str) -> Part:
    """Match a flag of the connection, such as ``ct state invalid``."""
    data = {"op": "in", "left": {"ct": {"key": key}}, "right": word}
    return Part(f"ct {key} {word}", {"match": data})


def set_helper(name: str) -> Part:
    """Assign a helper."""
    return Part(f"ct helper set {quoted(name)}", {"ct helper": name})


def set_mark(number: int, mask: int) -> Part:
    """Set the bits under ``mask`` of the packet's mark to ``number`` (xor where they overlap)."""
    now = {"meta": {"key": "mark"}}
    value: Any = number
    if mask == 0xFFFFFFFF:
        text = f"{number:#x}"
    else:
        kept = ~mask & 0xFFFFFFFF
        text = f"mark and {kept:#x} xor {number:#x}"
        value = {"^": [{"&": [now, kept]}, number]}
    return Part(f"meta mark set {text}", {"mangle": {"key": now, "value": value}})


def set_dscp(protocol: str, number: int) -> Part:
    """Set the DSCP field."""
    key = {"payload": {"protocol": protocol, "field": "dscp"}}
    return Part(f"{protocol} dscp set {number:#x}", {"mangle": {"key": key, "value": number}})


def dnat(family: int, address: str, port: str) -> Part:
    """Send on to an address and, with ``port``, to a port or range of ports."""
    shown = f"[{address}]" if family == 6 and port else address
    data: dict[str, Any] = {"family": "ip" if family == 4 else "ip6", "addr": address}
    if port:
        data["port"] = element(port)
    return Part(f"dnat {shown}{':' if port else ''}{port}", {"dnat": data})


def redirect(port: str) -> Part:
    """Send to the router itself."""
    text = f"redirect to {port}" if port else "redirect"
    return Part(text, {"redirect": {"port": element(port)} if port else None})


def _operand(left: str) -> dict[str, Any]:
    words = left.split()
    if left in ("iifname", "oifname"):
        return {"meta": {"key": left}}
    if words[0] in ("meta", "ct"):
        return {words[0]: {"key": words[1]}}
    return {"payload": {"protocol": words[0], "field": words[1]}}


def _written(left: str, word: str) -> str:
    return quoted(word) if left in ("iifname", "oifname", "ct helper") else word


def element(word: str) -> Any:
    """List a number, prefix, range or word as nft does."""
    if word.isdecimal():
        return int(word)
    first, slash, length = word.partition("/")
    if slash and length.isdecimal():
        return {"prefix": {"addr": first, "len": int(length)}}
    first, dash, last = word.partition("-")
    if dash and _is_end(first) and _is_end(last):
        return {"range": [element(first), element(last)]}
    return word


def _is_end(word: str) -> bool:
    if word.isdecimal():
        return True
    try:
        ip_address(word)
    except ValueError:
        return False
    return True
