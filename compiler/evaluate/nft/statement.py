"""Statements of the listing, compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compiler.evaluate.nft import constant as c
from compiler.evaluate.nft.bytes import by_the_packet
from compiler.evaluate.nft.headers import HEADERS
from compiler.evaluate.nft.match import found_in, match, value, verdict, verdict_map
from compiler.evaluate.nft.objects import Scope
from compiler.evaluate.nft.text import write
from compiler.evaluate.ruleset import Kind, Move, Statement
from compiler.evaluate.statements import (
    AssignHelper,
    End,
    Match,
    Nat,
    NoTrack,
    Perhaps,
    SetMark,
    Write,
    opaque,
)

_Compiler = Callable[[Any, Scope], Statement | None]
#: What malformed data raises on the way; such a statement is one that is not understood.
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError)


def statements(expressions: Sequence[Any], scope: Scope) -> tuple[Statement, ...]:
    """Compile the statements of a rule; what is not understood becomes a doubt, never a guess."""
    found = [one for data in expressions if (one := _statement(data, scope)) is not None]
    while found and isinstance(found[-1], Match | Perhaps):
        found.pop()
    return tuple(found)


def _statement(data: Any, scope: Scope) -> Statement | None:
    try:
        ((word, inner),) = data.items()
        compile_ = _COMPILERS.get(word)
        return opaque(f"'{word}' is not understood") if compile_ is None else compile_(inner, scope)
    except c.NotUnderstoodError as error:
        reason = str(error)
    except _MALFORMED:
        reason = f"this is not understood: {write(data)}"
    if isinstance(data, dict) and "match" in data:
        return Perhaps(reason, kernel=by_the_packet(data["match"]))
    return opaque(reason)


def _verdict(word: str) -> _Compiler:
    return lambda inner, scope: End(verdict({word: inner}, scope))


def _perhaps(word: str) -> _Compiler:
    return lambda inner, scope: Perhaps(f"{write({word: inner})}: it holds at times")


def _unknown_end(reason: str) -> _Compiler:
    return lambda inner, scope: opaque(reason)


def _harmless(inner: Any, scope: Scope) -> Statement | None:
    parts = [inner, *inner.values()] if isinstance(inner, dict) else []
    maps = [part["map"] for part in parts if isinstance(part, dict) and "map" in part]
    return found_in(maps, scope) if maps else None


def _mangle(inner: Any, scope: Scope) -> Statement | None:
    ((word, key),) = inner["key"].items()
    name = key.get("key")
    if word == "meta" and name == "mark":
        return SetMark(value(inner["value"], c.MARK, scope))
    if word == "ct" and name == "mark":
        return SetMark(value(inner["value"], c.MARK, scope), connection=True)
    if word in ("meta", "ct"):
        return _harmless(inner["value"], scope)
    if word == "tcp option":
        return Perhaps("the TCP option to set may be missing")
    if word == "payload" and "protocol" in key:
        base, offset, type_ = HEADERS[key["protocol"]][key["field"]]
        return Write(base, offset, type_.width, value(inner["value"], type_, scope))
    return opaque("what this writes into the packet is not understood")


def _helper(inner: Any, scope: Scope) -> Statement:
    if not isinstance(inner, str):
        return opaque("a map chooses the helper")
    helper = scope.objects.helpers.get(scope.name(inner))
    if helper is None:
        return opaque(f"the listing holds no ct helper {inner}")
    return AssignHelper(helper.type, helper.layer4, helper.families)


def _nat(kind: str) -> _Compiler:
    def compile_(inner: Any, scope: Scope) -> Statement:
        told = inner or {}
        family = told.get("family") or (scope.family if scope.family != "inet" else "")
        address, port = told.get("addr"), told.get("port")
        if address is not None and not family:
            return opaque(f"the family of this {kind} is not known")
        to = " ".join(write(part) for part in (address, port) if part is not None)
        return Nat(
            kind,
            to,
            value(address, c.IP4 if family == "ip" else c.IP6, scope)
            if address is not None
            else None,
            value(port, c.PORT, scope) if port is not None else None,
            str(family) if address is not None else "",
        )

    return compile_


def _xt(inner: Any, scope: Scope) -> Statement:
    name = inner.get("name", "?") if isinstance(inner, dict) else "?"
    reason = f"the xtables extension {name} is not understood"
    is_match = isinstance(inner, dict) and inner.get("type") == "match"
    return Perhaps(reason) if is_match else opaque(reason)


_COMPILERS: Mapping[str, _Compiler] = {
    "match": match,
    "vmap": verdict_map,
    "reject": lambda inner, scope: End(Move(Kind.REJECT)),
    "notrack": lambda inner, scope: NoTrack(),
    "mangle": _mangle,
    "ct helper": _helper,
    "tproxy": _unknown_end("a transparent proxy takes the packet"),
    "synproxy": _unknown_end("a SYN proxy answers for the server"),
    "fwd": _unknown_end("the packet is forwarded past the rules"),
    "queue": _unknown_end("a program decides: queue"),
    "xt": _xt,
    **{word: _verdict(word) for word in ("accept", "drop", "return", "continue", "jump", "goto")},
    **{word: _nat(word) for word in ("dnat", "snat", "masquerade", "redirect")},
    **{
        word: _perhaps(word)
        for word in ("limit", "quota", "ct count", "meter", "set", "map", "flow")
    },
    **dict.fromkeys(
        ("counter", "log", "last", "dup", "secmark", "ct timeout", "ct expectation", "comment"),
        _harmless,
    ),
}
