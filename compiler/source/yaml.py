"""Load YAML as Ansible does (YAML 1.1 scalars), with the place of every key and value.

The parsing is libyaml's, through ruamel.yaml. What a hostile file can do to it is met here:
size and depth are bounded before nodes are built (libyaml's node builder recurses in C and
would crash), aliases are counted as if they were written out, keys may not repeat.
"""

from __future__ import annotations

from codecs import BOM_UTF8
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
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from compiler.errors import SourceError
from compiler.model.finding import Code, Finding, Place
from compiler.source.nodes import MAX_DEPTH, Builder, Member, TagTable, members_of, place_of

MAX_BYTES = 16 * 1024 * 1024
#: Characters that the slow parser may be given: about ten seconds of work.
_MAX_SLOW = 1024 * 1024

_OPENING = (CollectionStartEvent, MappingStartEvent, SequenceStartEvent)
_CLOSING = (CollectionEndEvent, MappingEndEvent, SequenceEndEvent)

Path_ = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One loaded file: its name as the user gave it, its data, and where everything stands.

    ``data`` is plain: dict, list, str, int, float, bool, None, and whatever the tag
    table made. Dates stay text.
    """

    file: str
    data: Any
    _root: Node | None = field(repr=False, compare=False, default=None)
    _members: dict[int, dict[object, Member]] = field(
        repr=False, compare=False, default_factory=dict
    )

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
                return place_of(self.file, found)
            key, node = pair
            found = key if want_key and key is not None else node
        return place_of(self.file, found)

    def _child(self, node: Node, step: str | int | None) -> Member | None:
        if isinstance(node, SequenceNode):
            inside = isinstance(step, int) and 0 <= step < len(node.value)
            return (None, node.value[step]) if inside else None
        if not isinstance(node, MappingNode):
            return None
        members = self._members.get(id(node))
        if members is None:
            members = self._members[id(node)] = members_of(node)
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
    builder = Builder(file, tags or {})
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
