"""Matches and verdict maps of the listing, compiled to statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.evaluate.elements import Elements
from compiler.evaluate.nft import constant as c
from compiler.evaluate.nft.objects import Scope
from compiler.evaluate.nft.operand import Operand, operand, operands
from compiler.evaluate.ruleset import BREAK, GO_ON, Kind, Move
from compiler.evaluate.statements import Match
from compiler.evaluate.value import Span, Truth, Value, every, negated
from compiler.evaluate.way import Reader, Way

_PLAIN = {"accept": Kind.ACCEPT, "drop": Kind.DROP, "return": Kind.RETURN, "continue": Kind.GO_ON}
_Question = Callable[[tuple[Value, ...]], Truth]


def read_all(asked: tuple[Operand, ...], way: Way) -> tuple[Value, ...] | None:
    """Read all parts; ``None`` where the packet lacks one, which breaks the rule in any case."""
    values = tuple(part.read(way) for part in asked)
    return None if None in values else values  # type: ignore[return-value]


def match(inner: Any, scope: Scope) -> Match:
    """Compile ``{"op": ..., "left": ..., "right": ...}``.

    Raises:
        NotUnderstoodError: a part of it is none that this reader knows.
    """
    asked = operands(inner["left"], scope.family)
    for part in asked:
        if part.reason:
            raise c.NotUnderstoodError(part.reason)
    question = _question(str(inner.get("op", "in")), asked, inner["right"], scope)

    def test(way: Way) -> Truth:
        values = read_all(asked, way)
        return False if values is None else question(values)

    return Match(test)


def _question(op: str, asked: tuple[Operand, ...], right: Any, scope: Scope) -> _Question:
    if _names_set(right):
        elements: Elements[bool] = scope.elements(right, [part.type for part in asked], bool)
        return _signed(op, elements.holds)
    first = asked[0].type
    if op in ("in", "!") and first.flags:
        mask = c.number(right, first)
        return _signed("==" if op == "in" else "!=", lambda values: values[0].any_of(mask))
    if op in _COMPARED:
        limit = _COMPARED[op](c.number(right, first))
        return lambda values: limit.holds(values[0])
    key = c.key(right, [part.type for part in asked])
    return _signed(op, Elements.of([(key, True)]).holds)


def _names_set(right: Any) -> bool:
    if isinstance(right, str):
        return right.startswith("@")
    return isinstance(right, dict) and "set" in right


_LARGEST = (1 << 128) - 1
_COMPARED: Mapping[str, Callable[[int], Span]] = {
    "<": lambda number: Span(0, number - 1),
    "<=": lambda number: Span(0, number),
    ">": lambda number: Span(number + 1, _LARGEST),
    ">=": lambda number: Span(number, _LARGEST),
}


def _signed(op: str, question: _Question) -> _Question:
    if op in ("==", "in"):
        return question
    if op == "!=":
        return lambda values: negated(question(values))
    raise c.NotUnderstoodError(f"the operator '{op}' is not understood here")


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """Look a value up and do what its element says; without an element the rule breaks."""

    asked: tuple[Operand, ...]
    elements: Elements[Move]

    def run(self, way: Way) -> Move:
        """Look it up."""
        values = read_all(self.asked, way)
        found = None if values is None else self.elements.find(values, way.decide)
        return BREAK if found is None else found


def verdict_map(inner: Any, scope: Scope) -> VerdictMap:
    """Compile ``{"key": ..., "data": ...}``.

    Raises:
        NotUnderstoodError: a part of it is none that this reader knows.
    """
    asked = operands(inner["key"], scope.family)
    types = [part.type for part in asked]
    return VerdictMap(
        asked, scope.elements(inner["data"], types, lambda item: verdict(item, scope))
    )


def found_in(maps: Sequence[Any], scope: Scope) -> Match:
    """Compile look-ups whose results change no verdict: a key that a map lacks breaks the rule.

    Raises:
        NotUnderstoodError: a part of one is none that this reader knows.
    """
    asked = [operands(each["key"], scope.family) for each in maps]
    elements: list[Elements[bool]] = [
        scope.elements(each["data"], [part.type for part in parts], bool)
        for each, parts in zip(maps, asked, strict=True)
    ]

    def test(way: Way) -> Truth:
        read = [read_all(parts, way) for parts in asked]
        return every(
            values is not None and some.holds(values)
            for values, some in zip(read, elements, strict=True)
        )

    return Match(test)


def verdict(data: Any, scope: Scope) -> Move:
    """Read ``{"drop": null}`` or ``{"jump": {"target": ...}}``.

    Raises:
        NotUnderstoodError: it is no verdict, or leads to a chain that is not there.
    """
    ((word, inner),) = data.items()
    if word in ("jump", "goto"):
        return Move(Kind(word), scope.verdicts_target(str(inner["target"])))
    if word in _PLAIN:
        return GO_ON if word == "continue" else Move(_PLAIN[word])
    if word == "queue":
        return Move(Kind.UNKNOWN, "a program decides: queue")
    raise c.NotUnderstoodError(f"the verdict '{word}' is not understood")


def value(data: Any, type_: c.Type, scope: Scope) -> Reader:
    """Compile what a statement sets something to: a constant, an expression or a map of them.

    Raises:
        NotUnderstoodError: it is none that this reader knows.
    """
    if isinstance(data, dict) and "map" in data:
        return _mapped(data["map"], type_, scope)
    if isinstance(data, dict) and "range" not in data and "prefix" not in data:
        return operand(data, scope.family).read
    found = _constant(data, type_)
    return lambda way: found


def _mapped(inner: Any, type_: c.Type, scope: Scope) -> Reader:
    asked = operands(inner["key"], scope.family)
    types = [part.type for part in asked]
    elements = scope.elements(inner["data"], types, lambda item: _constant(item, type_))

    def read(way: Way) -> Value | None:
        values = read_all(asked, way)
        return None if values is None else elements.find(values, way.decide)

    return read


def _constant(data: Any, type_: c.Type) -> Value:
    if isinstance(data, dict) and "concat" in data:
        return Value.unknown(type_.width, "a map gives address and port together")
    found = c.span(data, type_)
    if found.low == found.high:
        return Value.of(found.low, type_.width)
    return Value.unknown(type_.width, "the router chooses one of a range")
