"""YAML nodes into plain data, and the index by which places are found.

Aliases are counted as if they were written out, keys may not repeat, and scalars mean what PyYAML,
and so Ansible, takes them for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from compiler.errors import PassthruError, SourceError
from compiler.model.finding import Code, Finding, Place

MAX_DEPTH = 100
#: A document whose aliases, written out, make it ten times as large and larger than this, is
#: refused.
MAX_EXPANDED = 100_000

_STR = "tag:yaml.org,2002:str"
_BOOL = "tag:yaml.org,2002:bool"
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

#: A key (none in a list) and its value.
Member = tuple[ScalarNode | None, Node]
#: Makes the value of a scalar with a tag of ours (``!vault``): text and place in, value out.
TagTable = Mapping[str, Callable[[str, Place], object]]


def place_of(file: str, node: Node) -> Place:
    """Give the place of a node, and its length if it ends on its line."""
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if start.line == end.line else 0
    return Place(file, start.line + 1, start.column + 1, max(length, 0))


def members_of(node: MappingNode) -> dict[object, Member]:
    """Index a mapping by key; its own win over merged ones, the last over the first.

    A key can be asked for by what it means (``5``, ``True``) and by what is written (``yes``).
    """
    members: dict[object, Member] = {}
    for merged in reversed(list(_merged_nodes(node))):
        if isinstance(merged, MappingNode):
            members.update(members_of(merged))
    for key, value in node.value:
        if key.tag != _MERGE and isinstance(key, ScalarNode):
            members[str(key.value)] = members[_meaning(key)] = (key, value)
    return members


def _meaning(node: ScalarNode) -> object:
    convert = _CONVERT.get(str(node.tag), str)
    try:
        return convert(node.value)
    except ValueError:
        return node.value


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        yield from (part for pair in node.value for part in pair)
    else:
        yield from node.value


def _merged_nodes(node: MappingNode) -> Iterator[Node]:
    for key, value in node.value:
        if key.tag == _MERGE:
            yield from value.value if isinstance(value, SequenceNode) else [value]


class Builder:
    """Turns nodes into plain data and collects what is wrong with them."""

    def __init__(self, file: str, tags: TagTable) -> None:
        self.file = file
        self.tags = tags
        self.findings: list[Finding] = []
        self._built: dict[int, Any] = {}

    def check_size(self, root: Node) -> None:
        """Refuse a document that is huge, deep or endless once its aliases are written out."""
        measured: dict[int, tuple[int, int]] = {}
        open_nodes: set[int] = set()
        written = 0

        def measure(node: Node) -> tuple[int, int]:
            nonlocal written
            if isinstance(node, ScalarNode):
                written += 1
                return 1, 0
            if id(node) in measured:
                return measured[id(node)]
            if id(node) in open_nodes:
                raise self._too_large("an alias refers to something that contains it", node)
            open_nodes.add(id(node))
            parts = [measure(part) for part in _parts(node)]
            open_nodes.discard(id(node))
            total = 1 + sum(size for size, _ in parts)
            depth = 1 + max((depth for _, depth in parts), default=0)
            if depth > MAX_DEPTH:
                text = f"nested deeper than {MAX_DEPTH} levels, with its aliases written out"
                raise self._too_large(text, node)
            measured[id(node)] = total, depth
            return total, depth

        expanded, _ = measure(root)
        if expanded > MAX_EXPANDED and expanded > 10 * written:
            raise self._too_large(f"the aliases expand to {expanded:,} values", root)

    def _too_large(self, message: str, node: Node) -> PassthruError:
        return SourceError.of(Code.P107, message, place_of(self.file, node))

    def build(self, node: Node) -> Any:
        """Build the value of a node (once, however many aliases point at it)."""
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        known = self._built.get(id(node))
        if known is None:
            if str(node.tag) not in _PLAIN_COLLECTIONS:
                self._say(Code.P101, f"unknown tag '{node.tag}' on a list or mapping", node)
            if isinstance(node, MappingNode):
                known = self._mapping(node)
            else:
                known = [self.build(item) for item in node.value]
            self._built[id(node)] = known
        return known

    def _mapping(self, node: MappingNode) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        places: dict[Any, Place] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.build(key_node)
            if isinstance(key, dict | list):
                self._say(Code.P101, "a key must be a plain value", key_node)
                continue
            if key in own:
                first = places[key].line
                self._say(Code.P103, f"'{key}' is written twice (first on line {first})", key_node)
            places[key] = place_of(self.file, key_node)
            own[key] = self.build(value_node)
        merged: dict[Any, Any] = {}
        for other in reversed(list(_merged_nodes(node))):
            if not isinstance(other, MappingNode):
                self._say(Code.P101, "'<<' takes a mapping or a list of mappings", other)
                continue
            merged.update(self.build(other))
        return {**merged, **own} if merged else own

    def _scalar(self, node: ScalarNode) -> Any:
        tag = str(node.tag)
        if tag == _STR:
            return node.value
        if tag == _BOOL and node.value in _NOT_BOOLEAN:
            return node.value
        convert = _CONVERT.get(tag)
        if convert is not None:
            try:
                return convert(node.value)
            except ValueError:
                self._say(Code.P101, f"'{node.value[:40]}' is not a number that can be read", node)
                return node.value
        make = self.tags.get(tag)
        if make is not None:
            return make(node.value, place_of(self.file, node))
        known = ", ".join(sorted(self.tags)) or "none here"
        self._say(Code.P101, f"unknown tag '{tag}' (known: {known})", node)
        return node.value

    def _say(self, code: Code, message: str, node: Node) -> None:
        self.findings.append(Finding(code, message, place=place_of(self.file, node)))


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if ":" in digits:
        value = 0
        for part in digits.split(":"):
            value = value * 60 + int(part)
        return sign * value
    if digits.startswith(("0x", "0b")):
        return sign * int(digits, 0)
    base = 8 if re.fullmatch(r"0[0-7]+", digits) else 10
    return sign * int(digits, base)


def _float(text: str) -> float | str:
    digits = text.replace("_", "").lower()
    if digits.endswith(".inf"):
        return -math.inf if digits.startswith("-") else math.inf
    if digits == ".nan":
        return math.nan
    return float(digits) if _DOTTED.fullmatch(text) else text


#: YAML 1.1 calls these booleans; PyYAML, and so Ansible, does not.
_NOT_BOOLEAN = frozenset("yYnN")

#: PyYAML's, and so Ansible's, idea of a float: with a dot, no sign before a leading dot, and a sign
#: in the exponent. ``1e3`` is text.
_DOTTED = re.compile(r"([-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?")

_CONVERT: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:int": _integer,
    "tag:yaml.org,2002:float": _float,
    "tag:yaml.org,2002:bool": lambda text: text.lower() in ("yes", "on", "true"),
    "tag:yaml.org,2002:null": lambda _text: None,
    "tag:yaml.org,2002:timestamp": str,
    "tag:yaml.org,2002:value": str,
    "!": str,
}
