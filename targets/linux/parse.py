"""Read nft text: a file of ours, or what ``nft list table inet passthru`` prints.

The grammar is the part of nft(8) in :mod:`targets.linux.nft`. Anything else in the table means
that somebody changed it by hand; that is an error with its line, never a guess. Other tables in
the text are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compiler.errors import NativeError
from compiler.model.finding import Code, Place
from targets.linux import nft
from targets.linux.canonical import canonical_value, element_order

_TOKEN = re.compile(r'"[^"\n]*"|[{};,]|[^\s{};,"]+|\n')
_KEY_WORDS = {
    "ct": {"direction": 2, "state": 2, "original": 4, "reply": 4, "status": 2},
    "meta": {"nfproto": 2, "l4proto": 2},
    "ip": {"saddr": 2, "daddr": 2},
    "ip6": {"saddr": 2, "daddr": 2},
    "tcp": {"dport": 2, "sport": 2},
    "udp": {"dport": 2, "sport": 2, "length": 2},
    "sctp": {"dport": 2, "sport": 2},
    "th": {"dport": 2, "sport": 2},
    "fib": {"daddr": 3},
}
_SHORT_KEYS = frozenset({"iifname", "oifname"})


@dataclass(slots=True)
class _Reader:
    """Tokens with their lines, and a cursor."""

    tokens: list[tuple[str, int]]
    at: int = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    @property
    def line(self) -> int:
        return self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 1

    def take(self) -> str:
        token = self.next
        if not token:
            raise self.error("the text ends too early")
        self.at += 1
        return token

    def expect(self, *words: str) -> None:
        for word in words:
            if self.take() != word:
                self.at -= 1
                raise self.error(f"expected '{word}', found '{self.next}'")

    def skip_ends(self) -> None:
        while self.next in ("\n", ";"):
            self.at += 1

    def error(self, message: str) -> NativeError:
        found = NativeError.of(Code.T407, f"nft text: {message}", Place("nft", self.line))
        return NativeError(found.findings)


def parse(text: str, name: str) -> nft.Table:
    """Read the table ``inet NAME`` out of nft text.

    Raises:
        NativeError: there is no such table, the text is cut off, or it holds what this target
            does not write.
    """
    reader = _Reader(list(_tokens(text)))
    table: nft.Table | None = None
    while True:
        reader.skip_ends()
        if not reader.next:
            break
        word = reader.take()
        if word == "delete":
            reader.expect("table")
        elif word != "table":
            raise reader.error(f"expected a table, found '{word}'")
        family, found = reader.take(), reader.take()
        if reader.next != "{":
            continue
        if word == "table" and (family, found) == ("inet", name):
            if table is not None:
                raise reader.error(f"table '{name}' appears twice")
            table = _table(reader, name)
        else:
            _skip_block(reader)
    if table is None:
        raise NativeError.of(Code.T407, f"the text holds no table 'inet {name}'", Place("nft", 1))
    return table


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        for found in _TOKEN.finditer(line):
            yield found.group(), number
        yield "\n", number


def _skip_block(reader: _Reader) -> None:
    reader.expect("{")
    depth = 1
    while depth:
        token = reader.take()
        depth += {"{": 1, "}": -1}.get(token, 0)


def _table(reader: _Reader, name: str) -> nft.Table:
    helpers: list[nft.HelperObject] = []
    sets: list[nft.Set] = []
    maps: list[nft.VerdictMap] = []
    chains: list[nft.Chain] = []
    reader.expect("{")
    while True:
        reader.skip_ends()
        match reader.take():
            case "}":
                return nft.Table(name, *(tuple(part) for part in (helpers, sets, maps, chains)))
            case "ct":
                reader.expect("helper")
                helpers.append(_helper(reader))
            case "set":
                sets.append(_set(reader))
            case "map":
                maps.append(_map(reader))
            case "chain":
                chains.append(_chain(reader))
            case other:
                raise reader.error(f"'{other}' is not something that this table holds")


def _helper(reader: _Reader) -> nft.HelperObject:
    name = reader.take()
    reader.expect("{")
    reader.skip_ends()
    reader.expect("type")
    type_ = reader.take().strip('"')
    reader.expect("protocol")
    protocol = reader.take()
    reader.skip_ends()
    reader.expect("l3proto")
    l3proto = reader.take()
    reader.skip_ends()
    reader.expect("}")
    return nft.HelperObject(name, type_, protocol, l3proto)


def _set(reader: _Reader) -> nft.Set:
    name = reader.take()
    key, flags, elements = _container(reader, _element)
    plain = tuple(sorted((text for text, _ in elements), key=element_order))
    return nft.Set(
        name, key, () if "dynamic" in flags else plain, "interval" in flags, "dynamic" in flags
    )


def _map(reader: _Reader) -> nft.VerdictMap:
    name = reader.take()
    key, flags, elements = _container(reader, _pair)
    pairs = sorted(elements, key=lambda pair: element_order(pair[0]))
    verdicts = tuple((text, verdict) for text, verdict in pairs if verdict is not None)
    return nft.VerdictMap(name, key, verdicts, "interval" in flags)


_Element = tuple[str, nft.Verdict | None]


def _container(
    reader: _Reader, element: Callable[[_Reader, str], _Element]
) -> tuple[str, set[str], list[_Element]]:
    key, flags, elements = "", set[str](), list[_Element]()
    reader.expect("{")
    while True:
        reader.skip_ends()
        match reader.take():
            case "}":
                return key, flags, elements
            case "typeof":
                key = _key(reader)
                if reader.next == ":":
                    reader.expect(":", "verdict")
            case "flags":
                while reader.next not in ("\n", ";", "}"):
                    flags.add(reader.take())
            case "size" | "timeout":
                reader.take()
            case "elements":
                reader.expect("=", "{")
                elements = list(_elements(reader, key, element))
            case other:
                raise reader.error(f"'{other}' in a set or map")


def _elements(
    reader: _Reader, key: str, element: Callable[[_Reader, str], _Element]
) -> Iterator[_Element]:
    while True:
        reader.skip_ends()
        if reader.next == "}":
            reader.take()
            return
        if reader.next == ",":
            reader.take()
            continue
        yield element(reader, key)


def _element(reader: _Reader, key: str) -> _Element:
    text = _concatenated(reader, key)
    while reader.next not in (",", "}", "\n"):
        reader.take()
    return text, None


def _pair(reader: _Reader, key: str) -> _Element:
    text = _concatenated(reader, key)
    reader.expect(":")
    return text, _verdict(reader)


def _concatenated(reader: _Reader, key: str) -> str:
    parts = []
    for expression in key.split(" . "):
        if parts:
            reader.skip_ends()
            reader.expect(".")
        parts.append(canonical_value(expression, reader.take()))
    return " . ".join(parts)


def _verdict(reader: _Reader) -> nft.Verdict:
    kind = reader.take()
    if kind in ("jump", "goto"):
        return nft.Verdict(kind, reader.take())
    if kind in ("accept", "drop", "return"):
        return nft.Verdict(kind)
    reader.at -= 1
    raise reader.error(f"'{kind}' is not a verdict")


def _chain(reader: _Reader) -> nft.Chain:
    name = reader.take()
    hook: nft.Hook | None = None
    rules: list[nft.Rule] = []
    reader.expect("{")
    while True:
        reader.skip_ends()
        if reader.next == "}":
            reader.take()
            return nft.Chain(name, tuple(rules), hook)
        if reader.next == "type":
            hook = _hook(reader)
        else:
            rules.append(_rule(reader))


def _hook(reader: _Reader) -> nft.Hook:
    reader.expect("type")
    type_ = reader.take()
    reader.expect("hook")
    hook = reader.take()
    reader.expect("priority")
    word = reader.take()
    priority = nft.PRIORITIES[word] if word in nft.PRIORITIES else _number(reader, word)
    if reader.next in ("+", "-"):
        sign = 1 if reader.take() == "+" else -1
        priority += sign * _number(reader, reader.take())
    reader.expect(";", "policy")
    return nft.Hook(type_, hook, priority, reader.take())


def _number(reader: _Reader, word: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        raise reader.error(f"'{word}' is not a number") from None


def _rule(reader: _Reader) -> nft.Rule:
    statements: list[nft.Statement] = []
    while reader.next not in ("\n", ";", "}"):
        statements.append(_statement(reader))
    return tuple(statements)


def _statement(reader: _Reader) -> nft.Statement:
    word = reader.next
    match word:
        case "accept" | "drop" | "return" | "jump" | "goto":
            return _verdict(reader)
        case "counter":
            reader.take()
            if reader.next == "packets":
                for _ in range(4):
                    reader.take()
            return nft.Counter()
        case "masquerade":
            reader.take()
            return nft.Masquerade()
        case "log":
            reader.expect("log", "prefix")
            return nft.LogLine(reader.take().strip('"'))
        case "limit":
            return _limit(reader)
        case "update":
            reader.expect("update")
            set_name = reader.take().removeprefix("@")
            reader.expect("{")
            key = _key(reader)
            reader.expect("}")
            return nft.Update(set_name, key)
        case "dnat":
            reader.expect("dnat")
            family = reader.take()
            reader.expect("to")
            return nft.Dnat(family, reader.take())
        case _:
            return _match(reader)


def _limit(reader: _Reader) -> nft.Limit:
    reader.expect("limit", "rate")
    rate, burst = reader.take(), 5
    if reader.next == "burst":
        reader.take()
        burst = _number(reader, reader.take())
        reader.expect("packets")
    return nft.Limit(rate, burst)


def _match(reader: _Reader) -> nft.Statement:
    if [t for t, _ in reader.tokens[reader.at : reader.at + 3]] == ["ct", "helper", "set"]:
        reader.expect("ct", "helper", "set")
        return nft.SetHelper(reader.take().strip('"'))
    key, mask = _key(reader), ""
    if reader.next == "vmap":
        return _lookup(reader, key)
    if reader.next == "&":
        reader.take()
        mask = canonical_value(key, reader.take())
        reader.expect("==")
    if reader.next.startswith("@"):
        return nft.Match(key, (), reader.take().removeprefix("@"), mask)
    return nft.Match(key, tuple(_value_list(reader, key)), "", mask)


def _value_list(reader: _Reader, key: str) -> list[str]:
    if reader.next == "{":
        reader.take()
        elements = _elements(reader, key, lambda r, k: (_concatenated(r, k), None))
        return sorted((text for text, _ in elements), key=element_order)
    values = [_concatenated(reader, key)]
    while reader.next == ",":
        reader.take()
        values.append(_concatenated(reader, key))
    return sorted(values, key=element_order)


def _lookup(reader: _Reader, key: str) -> nft.Lookup:
    reader.expect("vmap")
    if reader.next.startswith("@"):
        return nft.Lookup(key, reader.take().removeprefix("@"))
    reader.expect("{")
    pairs = [(text, str(verdict)) for text, verdict in _elements(reader, key, _pair)]
    return nft.Lookup(key, "", tuple(sorted(pairs)))


def _key(reader: _Reader) -> str:
    parts = [_expression(reader)]
    while reader.next == ".":
        reader.take()
        parts.append(_expression(reader))
    return " . ".join(parts)


def _expression(reader: _Reader) -> str:
    word = reader.next
    if word in _SHORT_KEYS:
        return reader.take()
    if word.startswith("@"):
        parts = [reader.take()]
        while reader.next == ",":
            parts.append(reader.take() + reader.take())
        return "".join(parts)
    second = reader.tokens[reader.at + 1][0] if reader.at + 1 < len(reader.tokens) else ""
    length = _KEY_WORDS.get(word, {}).get(second)
    if length is None:
        raise reader.error(f"'{word} {second}' is not an expression of this table")
    return " ".join(reader.take() for _ in range(length))
