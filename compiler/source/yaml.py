"""Load YAML as Ansible does (YAML 1.1 scalars), with the place of every key and value.

The parsing is libyaml's, through ruamel.yaml. What a hostile file can do to it is met here:
size and depth are bounded before nodes are built (libyaml's node builder recurses in C and
would crash), aliases are counted as if they were written out, keys may not repeat.
"""

from __future__ import annotations

import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from compiler.errors import PassthruError, SourceError
from compiler.model.finding import Code, Finding, Place

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
#: Characters that the slow parser may be given: about ten seconds of work.
_MAX_SLOW = 1024 * 1024
#: A document whose aliases, written out, make it ten times as large and larger than this, is refused.
MAX_EXPANDED = 100_000

_STR = "tag:yaml.org,2002:str"
_BOOL = "tag:yaml.org,2002:bool"
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_OPENING = (CollectionStartEvent, MappingStartEvent, SequenceStartEvent)
_CLOSING = (CollectionEndEvent, MappingEndEvent, SequenceEndEvent)

Path_ = tuple[str | int | None, ...]
#: A key (none in a list) and its value.
_Member = tuple[ScalarNode | None, Node]
#: Makes the value of a scalar with a tag of ours (``!vault``): text and place in, value out.
TagTable = Mapping[str, Callable[[str, Place], object]]


@dataclass(frozen=True, slots=True)
class Document:
    """One loaded file: its name as the user gave it, its data, and where everything stands.

    ``data`` is plain: dict, list, str, int, float, bool, None, and whatever the tag
    table made. Dates stay text.
    """

    file: str
    data: Any
    _root: Node | None = field(repr=False, compare=False, default=None)
    _members: dict[int, dict[object, _Member]] = field(repr=False, compare=False, default_factory=dict)

    def place(self, path: Path_ = ()) -> Place:
        """Give the place of the value at ``path``; of its nearest known ancestor otherwise."""
        return self._find(path, want_key=False)

    def key_place(self, path: Path_) -> Place:
        """Give the place of the key that ends ``path``; of the value for a list item."""
        return self._find(path, want_key=True)

    def _find(self, path: Path_, *, want_key: bool) -> Place:
        node = self._root
        if node is None:
            return Place(self.file, 1, 1)
        found = node
        for step in path:
            pair = self._child(node, step)
            if pair is None:
                return _place(self.file, found)
            key, node = pair
            found = key if want_key and key is not None else node
        return _place(self.file, found)

    def _child(self, node: Node, step: str | int | None) -> _Member | None:
        if isinstance(node, SequenceNode):
            inside = isinstance(step, int) and 0 <= step < len(node.value)
            return (None, node.value[step]) if inside else None
        if not isinstance(node, MappingNode):
            return None
        members = self._members.get(id(node))
        if members is None:
            members = self._members[id(node)] = _members_of(node)
        return members.get(step)


def load(path: Path, tags: TagTable | None = None, name: str | None = None) -> Document:
    """Load a file.

    ``name`` is what findings call it (default: the path as given).

    Raises:
        SourceError: unreadable (P100), not UTF-8 (P108), too large (P107), or not YAML.
    """
    name = str(path) if name is None else name
    return loads(read_text(path, name), name, tags)


def read_text(path: Path, name: str | None = None, limit: int = MAX_BYTES) -> str:
    """Read a UTF-8 text file of bounded size (a leading byte-order mark is dropped).

    Raises:
        SourceError: P100, P107 or P108.
    """
    name = str(path) if name is None else name
    try:
        if path.is_dir():
            raise SourceError.of(Code.P100, f"'{name}' is a folder, not a file", Place(name))
        with path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError.of(Code.P100, f"cannot read '{name}': {reason}", Place(name)) from None
    if len(raw) > limit:
        raise SourceError.of(
            Code.P107, f"'{name}' is larger than {limit // 1024 // 1024} MiB", Place(name)
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + raw.startswith(BOM_UTF8) * len(BOM_UTF8)
        raise SourceError.of(
            Code.P108,
            f"byte 0x{raw[start]:02x} is not UTF-8",
            _after(raw[:start].decode("utf-8-sig"), name),
            "save the file as UTF-8",
        ) from None


def _after(text: str, file: str) -> Place:
    """Give the place that follows ``text``, the beginning of a file."""
    return Place(file, text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)


def loads(text: str, file: str, tags: TagTable | None = None) -> Document:
    """Load YAML text; ``file`` is its name in findings. An empty text gives ``data=None``.

    Raises:
        SourceError: with every problem that can be found in one run.
    """
    try:
        root = _compose(text, file)
    except MarkedYAMLError as error:
        raise SourceError([_syntax_finding(error, text, file)]) from None
    except YAMLError as error:
        raise SourceError([_character_finding(error, text, file)]) from None
    if root is None:
        return Document(file, None)
    builder = _Builder(file, tags or {})
    builder.check_size(root)
    data = builder.build(root)
    if builder.findings:
        raise SourceError(builder.findings)
    return Document(file, data, root)


def _compose(text: str, file: str) -> Node | None:
    """Parse with libyaml, and once more in Python where libyaml is too old for the text.

    The libyaml inside of ruamel.yaml.clib refuses a colon in a plain value between brackets
    (``[2001:db8::/32]``), which YAML and Ansible's parser allow.
    """
    try:
        _check_depth(_reader(), text, file)
        root: Node | None = _reader().compose(text)
    except MarkedYAMLError as error:
        if "unexpected ':'" not in str(error.problem) or len(text) > _MAX_SLOW:
            raise
        _check_depth(_reader(pure=True), text, file)
        root = _reader(pure=True).compose(text)
    return root


def _reader(*, pure: bool = False) -> YAML:
    reader = YAML(typ="safe", pure=pure)
    reader.version = (1, 1)
    return reader


def _check_depth(reader: YAML, text: str, file: str) -> None:
    depth = 0
    for event in reader.parse(text):
        if isinstance(event, _OPENING):
            depth += 1
            if depth > MAX_DEPTH:
                raise SourceError.of(
                    Code.P107, f"nested deeper than {MAX_DEPTH} levels", _mark(file, event)
                )
        elif isinstance(event, _CLOSING):
            depth -= 1


def _mark(file: str, thing: Any) -> Place:
    mark = thing.start_mark
    return Place(file, mark.line + 1, mark.column + 1)


def _place(file: str, node: Node) -> Place:
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if start.line == end.line else 0
    return Place(file, start.line + 1, start.column + 1, max(length, 0))


def _syntax_finding(error: MarkedYAMLError, text: str, file: str) -> Finding:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines()
    hint = ""
    if line < len(lines) and "\t" in lines[line][: column + 1]:
        hint = "indent with spaces; YAML allows no tabs there"
    elif "mapping values are not allowed" in (error.problem or ""):
        hint = "put quotes around a value that holds ': '"
    elif "another document" in (error.problem or ""):
        hint = "one document per file; remove the '---'"
    problem = error.problem or "not YAML"
    message = f"{problem} ({error.context})" if error.context else problem
    return Finding(Code.P101, message, place=Place(file, line + 1, column + 1), hint=hint)


def _character_finding(error: YAMLError, text: str, file: str) -> Finding:
    """Place a character that YAML does not allow; libyaml counts in bytes of UTF-8."""
    position = getattr(error, "position", 0) or 0
    place = _after(text.encode(errors="replace")[:position].decode(errors="ignore"), file)
    lines = text.split("\n")
    rest = lines[place.line - 1][place.column - 1 :]
    name = f"U+{ord(rest[0]):04X}" if rest else "here"
    return Finding(Code.P101, f"character {name} is not allowed in YAML", place=place)


def _members_of(node: MappingNode) -> dict[object, _Member]:
    """Index a mapping by key; its own win over merged ones, the last over the first.

    A key can be asked for by what it means (``5``, ``True``) and by what is written (``yes``).
    """
    members: dict[object, _Member] = {}
    for merged in reversed(list(_merged_nodes(node))):
        if isinstance(merged, MappingNode):
            members.update(_members_of(merged))
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


class _Builder:
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
        return SourceError.of(Code.P107, message, _place(self.file, node))

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
            places[key] = _place(self.file, key_node)
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
            return make(node.value, _place(self.file, node))
        known = ", ".join(sorted(self.tags)) or "none here"
        self._say(Code.P101, f"unknown tag '{tag}' (known: {known})", node)
        return node.value

    def _say(self, code: Code, message: str, node: Node) -> None:
        self.findings.append(Finding(code, message, place=_place(self.file, node)))


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
