"""A ruleset in parts, printed twice: as text for ``nft -f``, and as nft lists it (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

TABLE = "fw4"


@dataclass(frozen=True, slots=True)
class Part:
    """A match or statement, as nft writes it and as nft lists it.

    ``doubt`` says why nobody knows whether it holds; such a part has no text.
    """

    text: str
    data: Mapping[str, Any]
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; ``origin`` names the section of the config that made it, if one did."""

    parts: tuple[Part, ...]
    origin: str = ""
    comment: str = ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why nobody knows whether the rule matches."""
        return tuple(part.doubt for part in self.parts if part.doubt)

    def text(self) -> str:
        """Print as a line of a chain."""
        words = " ".join(part.text for part in self.parts)
        return f"{words} comment {quoted(self.comment)}" if self.comment else words


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain sits."""

    type: str
    name: str
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of the table."""

    name: str
    rules: tuple[Rule, ...]
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """A named set; ``changes``: programs fill it, so its elements say nothing certain."""

    name: str
    types: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...] = ()
    interval: bool = False
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Helper:
    """A connection-tracking helper object."""

    name: str
    layer4: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One table for both address families."""

    chains: tuple[Chain, ...]
    helpers: tuple[Helper, ...] = ()
    sets: tuple[Set, ...] = ()
    table: str = TABLE
    rules: Mapping[int, Rule] = field(init=False)

    def __post_init__(self) -> None:
        """Number the rules in their order; a listing calls the numbers handles."""
        numbered = dict(enumerate((rule for chain in self.chains for rule in chain.rules), 1))
        object.__setattr__(self, "rules", numbered)

    def text(self) -> str:
        """Print for ``nft -f``.

        Raises:
            ValueError: a part of it is not known, so there is no text.
        """
        if any(rule.doubts for rule in self.rules.values()) or any(s.changes for s in self.sets):
            raise ValueError("a ruleset that is not known in full has no text")
        return "\n".join([f"table inet {self.table} {{", *self._body(), "}", ""])

    def _body(self) -> Iterator[str]:
        for helper in self.helpers:
            yield f"\tct helper {helper.name} {{"
            yield f'\t\ttype "{helper.name}" protocol {helper.layer4};'
            yield "\t}"
        for chain in self.chains:
            yield f"\tchain {chain.name} {{"
            if chain.hook:
                hook = chain.hook
                where = f"type {hook.type} hook {hook.name} priority {hook.priority}"
                yield f"\t\t{where}; policy {hook.policy};"
            for rule in chain.rules:
                yield f"\t\t{rule.text()}"
            yield "\t}"

    def listing(self) -> str:
        """Print as ``nft -j list ruleset`` does; unknown parts stand in it as words of our own."""
        entries: list[dict[str, Any]] = [{"metainfo": {"json_schema_version": 1}}]
        here = {"family": "inet", "table": self.table}
        entries.append({"table": {"family": "inet", "name": self.table, "handle": 0}})
        for helper in self.helpers:
            object_ = {"name": helper.name, "type": helper.name, "protocol": helper.layer4}
            entries.append({"ct helper": {**here, **object_, "l3proto": "inet"}})
        entries += ({"set": {**here, **_listed(set_)}} for set_ in self.sets)
        for chain in self.chains:
            entries.append({"chain": {**here, "name": chain.name, **_hooked(chain.hook)}})
        number = 0
        for chain in self.chains:
            for rule in chain.rules:
                number += 1
                expr = [dict(part.data) for part in rule.parts]
                entries.append(
                    {"rule": {**here, "chain": chain.name, "handle": number, "expr": expr}}
                )
        return json.dumps({"nftables": entries})


def _hooked(hook: Hook | None) -> dict[str, Any]:
    if hook is None:
        return {}
    return {"type": hook.type, "hook": hook.name, "prio": hook.priority, "policy": hook.policy}


def _listed(set_: Set) -> dict[str, Any]:
    flags = (["interval"] if set_.interval else []) + (["dynamic"] if set_.changes else [])
    listed: dict[str, Any] = {
        "name": set_.name,
        "type": set_.types[0] if len(set_.types) == 1 else list(set_.types),
        "flags": flags,
    }
    if set_.elements:
        found = [[_element(part) for part in element] for element in set_.elements]
        listed["elem"] = [e[0] if len(e) == 1 else {"concat": e} for e in found]
    return listed


def quoted(text: str) -> str:
    """Quote as fw4 does, which has no escape for a quotation mark."""
    return '"' + text.replace('"', "'") + '"'


def match(left: str, right: Sequence[str], *, negated: bool = False) -> Part:
    """Match a value, or any of several, against ``ip saddr``, ``tcp dport``, ``iifname`` ..."""
    found = list(dict.fromkeys(right))
    words = [_written(left, word) for word in found]
    text = words[0] if len(words) == 1 else "{ " + ", ".join(words) + " }"
    items = [_element(word) for word in found]
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


def payload(at: int, value: bytes, mask: bytes) -> Part:
    """Match bytes, at a distance from the beginning of the transport header, under a mask."""
    number, under = int.from_bytes(value) & int.from_bytes(mask), int.from_bytes(mask)
    place = f"@th,{8 * at},{8 * len(value)}"
    left: Any = {"payload": {"base": "th", "offset": 8 * at, "len": 8 * len(value)}}
    if set(mask) <= {0xFF}:
        return Part(f"{place} {number:#x}", {"match": {"op": "==", "left": left, "right": number}})
    data = {"op": "==", "left": {"&": [left, under]}, "right": number}
    return Part(f"{place} & {under:#x} == {number:#x}", {"match": data})


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
        data["port"] = _element(port)
    return Part(f"dnat {shown}{':' if port else ''}{port}", {"dnat": data})


def redirect(port: str) -> Part:
    """Send to the router itself."""
    text = f"redirect to {port}" if port else "redirect"
    return Part(text, {"redirect": {"port": _element(port)} if port else None})


def _operand(left: str) -> dict[str, Any]:
    words = left.split()
    if left in ("iifname", "oifname"):
        return {"meta": {"key": left}}
    if words[0] in ("meta", "ct"):
        return {words[0]: {"key": words[1]}}
    return {"payload": {"protocol": words[0], "field": words[1]}}


def _written(left: str, word: str) -> str:
    return quoted(word) if left in ("iifname", "oifname", "ct helper") else word


def _element(word: str) -> Any:
    if word.isdecimal():
        return int(word)
    first, slash, length = word.partition("/")
    if slash and length.isdecimal():
        return {"prefix": {"addr": first, "len": int(length)}}
    first, dash, last = word.partition("-")
    if dash and _is_end(first) and _is_end(last):
        return {"range": [_element(first), _element(last)]}
    return word


def _is_end(word: str) -> bool:
    if word.isdecimal():
        return True
    try:
        ip_address(word)
    except ValueError:
        return False
    return True
