"""Read nft text: a file of ours, or what ``nft list table inet passthru`` prints.

The grammar is the part of nft(8) in :mod:`targets.linux.nft`. Anything else in the table means
that somebody changed it by hand; that is an error with its line, never a guess. Other tables in
the text are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from compiler.errors import NativeError
from compiler.model.finding import Code, Place
from targets.linux import nft
from targets.linux.canonical import canonical_list, element_order, layer4_label
from targets.linux.reader import Reader
from targets.linux.statements import read_key, read_pair, read_rule

_Item = TypeVar("_Item")


def parse(text: str, name: str) -> nft.Table:
    """Read the table ``inet NAME`` out of nft text.

    Raises:
        NativeError: T407, there is no such table, the text is cut off, or it holds what this
            target does not write.
    """
    reader = Reader.of(text)
    table: nft.Table | None = None
    while True:
        reader.skip_ends()
        if not reader.next:
            break
        word = reader.take()
        if word not in ("table", "delete"):
            raise reader.error(f"expected a table, found '{word}'")
        if word == "delete":
            reader.expect("table")
        ours = (reader.take(), reader.take()) == ("inet", name)
        if not reader.takes("{"):
            continue
        if not ours:
            _skip_block(reader)
        elif table is None:
            table = _table(reader, name)
        else:
            raise reader.error(f"table '{name}' appears twice")
    if table is None:
        raise NativeError.of(Code.T407, f"the text holds no table 'inet {name}'", Place("nft", 1))
    return table


def _skip_block(reader: Reader) -> None:
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(reader.take(), 0)


def _table(reader: Reader, name: str) -> nft.Table:
    helpers: list[nft.HelperObject] = []
    sets: list[nft.Set] = []
    maps: list[nft.VerdictMap] = []
    chains: list[nft.Chain] = []
    while True:
        reader.skip_ends()
        match reader.take():
            case "}":
                return nft.Table(name, tuple(helpers), tuple(sets), tuple(maps), tuple(chains))
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


def _helper(reader: Reader) -> nft.HelperObject:
    name = reader.take()
    reader.expect("{")
    reader.skip_ends()
    reader.expect("type")
    type_ = reader.take().strip('"')
    reader.expect("protocol")
    protocol = reader.value("meta l4proto")
    reader.skip_ends()
    reader.expect("l3proto")
    l3proto = reader.take()
    reader.skip_ends()
    reader.expect("}")
    return nft.HelperObject(name, type_, layer4_label(int(protocol)), l3proto)


def _set(reader: Reader) -> nft.Set:
    name = reader.take()
    key, flags, elements = _container(reader, _element)
    if "dynamic" in flags:  # what it holds came from packets
        return nft.Set(name, key, dynamic=True)
    return nft.Set(name, key, canonical_list(key, elements), "interval" in flags)


def _map(reader: Reader) -> nft.VerdictMap:
    name = reader.take()
    key, flags, elements = _container(reader, read_pair)
    pairs = sorted(elements, key=lambda pair: element_order(pair[0]))
    return nft.VerdictMap(name, key, tuple(pairs), "interval" in flags)


def _container(
    reader: Reader, item: Callable[[Reader, str], _Item]
) -> tuple[str, set[str], list[_Item]]:
    key, flags, elements = "", set[str](), list[_Item]()
    reader.expect("{")
    while True:
        reader.skip_ends()
        match reader.take():
            case "}":
                return key, flags, elements
            case "typeof":
                key = read_key(reader)
            case "type":
                key = _types(reader)
                if reader.takes(":"):
                    reader.expect("verdict")
            case "flags":
                flags = {word for word in _rest_of_line(reader) if word != ","}
            case "size" | "timeout":
                reader.take()
            case "elements":
                reader.expect("=", "{")
                elements = list(reader.braced(lambda: item(reader, key)))  # noqa: B023 - read at once
            case other:
                raise reader.error(f"'{other}' in a set or map")


def _types(reader: Reader) -> str:
    parts = [reader.take()]
    while reader.takes("."):
        parts.append(reader.take())
    return " . ".join(parts)


def _rest_of_line(reader: Reader) -> list[str]:
    found = []
    while reader.next not in ("\n", ";", "}"):
        found.append(reader.take())
    return found


def _element(reader: Reader, key: str) -> str:
    """Read an element; a dynamic set's carry when they end."""
    text = reader.value(key)
    while reader.next not in (",", "}", "\n"):
        reader.take()
    return text


def _chain(reader: Reader) -> nft.Chain:
    name = reader.take()
    hook: nft.Hook | None = None
    rules: list[nft.Rule] = []
    reader.expect("{")
    while True:
        reader.skip_ends()
        if reader.takes("}"):
            return nft.Chain(name, tuple(rules), hook)
        if reader.next == "type":
            hook = _hook(reader)
        else:
            rules.append(read_rule(reader))


def _hook(reader: Reader) -> nft.Hook:
    reader.expect("type")
    type_ = reader.take()
    reader.expect("hook")
    hook = reader.take()
    reader.expect("priority")
    word = reader.take()
    priority = nft.PRIORITIES[word] if word in nft.PRIORITIES else reader.number(word)
    if reader.next in ("+", "-"):
        sign = 1 if reader.take() == "+" else -1
        priority += sign * reader.number(reader.take())
    reader.expect(";", "policy")
    return nft.Hook(type_, hook, priority, reader.take())
