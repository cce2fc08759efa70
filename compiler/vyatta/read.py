"""Read Vyatta configs: ``set`` commands, or the tree of ``show configuration``.

Either form becomes the same paths. A text that is neither, or is cut off, is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.errors import NativeError
from compiler.model.finding import Code, Finding, Place

Path = tuple[str, ...]

#: What terminals add: colours and cursor movements (ECMA-48), and the erasing of a pager's prompt.
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|[\r\x08\x07]")
_CUT = "the text ends in the middle of a line: it is cut off, or lacks only its last newline"
_COMMAND = re.compile(r"\s*(set|delete)\s+\S")
#: ``vyos@router:~$``, ``admin@router#`` and the ``[edit]`` line of a configuration session.
_PROMPT = re.compile(r"\s*(?:[\w.-]+@[\w.-]+(?::[^\s$#]*)?\s*[$#](?:\s.*)?|\[edit[^\]]*\]\s*)")
_NODE = re.compile(r"\s*[\w.-]+(?:\s+\S.*)?\s\{\s*|\s*[\w.-]+\s*\{\s*\}?\s*")
#: Almost every line is plain words and words in single quotes; the rest goes the slow way.
_SIMPLE = re.compile(r"""\s*(?:(?:'[^']+'|[^\s'"\\]+)(?:\s+|$))*""")
_WORD = re.compile(r"""'([^']+)'|([^\s'"\\]+)""")
_HINT = "`show configuration commands` on the router, all of it, without a pager"


@dataclass(frozen=True, slots=True)
class Command:
    """One ``set`` or ``delete`` command; ``line`` counts from 0."""

    verb: str
    path: Path
    line: int


def fail(file: str, line: int, message: str, hint: str = _HINT) -> NativeError:
    """Build the error about a line, counted from 0."""
    return NativeError([Finding(Code.T407, message, place=Place(file, line + 1), hint=hint)])


def read(text: str, file: str) -> tuple[Command, ...]:
    """Read a config in either form; ``file`` names it in findings.

    Raises:
        NativeError: it is empty, cut off, or in no form that is known.
    """
    lines = [_TERMINAL.sub("", line) for line in text.split("\n")]
    form = next((form for line in lines if (form := _form(line))), "")
    if form == "commands" and not _is_silent(lines[-1]):
        raise fail(file, len(lines) - 1, _CUT)
    if form == "commands":
        return tuple(_commands(lines, file))
    if form == "tree":
        return tuple(_tree(lines, file))
    stated = [line.strip() for line in lines if line.strip()]
    if stated and all(line.startswith("#") for line in stated):
        return ()
    raise fail(file, 0, "there are no Vyatta commands and no config tree in this text")


def is_tree(text: str) -> bool:
    """Tell whether a text is a config tree and not a list of commands."""
    lines = (_TERMINAL.sub("", line) for line in text.split("\n"))
    return next((form for line in lines if (form := _form(line))), "") == "tree"


def _form(line: str) -> str:
    if _COMMAND.match(line):
        return "commands"
    return "tree" if _NODE.fullmatch(line) else ""


def _commands(lines: Sequence[str], file: str) -> Iterator[Command]:
    begun = False
    for number, line in enumerate(lines):
        if _COMMAND.match(line):
            begun = True
            verb, *path = _words(line, number, file)
            yield Command(verb, tuple(path), number)
        elif begun and not _is_silent(line):
            raise fail(file, number, "this is not a `set` command")


def _is_silent(line: str) -> bool:
    text = line.strip()
    return not text or text.startswith("#") or _PROMPT.fullmatch(line) is not None


def _words(line: str, number: int, file: str) -> list[str]:
    simple = _SIMPLE.fullmatch(line)
    if simple:
        return [quoted or plain for quoted, plain in _WORD.findall(line)]
    try:
        return shlex.split(line)
    except ValueError:
        raise fail(file, number, "a quote is not closed: the text is cut off") from None


def _tree(lines: Sequence[str], file: str) -> Iterator[Command]:
    start = next(n for n, line in enumerate(lines) if _NODE.fullmatch(line))
    walk = _Tree(file)
    for number, line in enumerate(lines[start:], start):
        text = line.strip()
        if text and not _is_remark(text):
            yield from walk.line(text, number)
    if walk.opened:
        raise fail(file, walk.opened[-1].line, "a brace is not closed: the text is cut off")


@dataclass(slots=True)
class _Node:
    path: Path
    line: int
    filled: bool = False


class _Tree:
    """Walks a tree line by line; ``opened`` are the nodes that a line is in."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.opened: list[_Node] = []

    def line(self, text: str, number: int) -> Iterator[Command]:
        """Give the path of a leaf or of an empty node."""
        if text == "}":
            if not self.opened:
                raise fail(self.file, number, "a brace closes nothing")
            node = self.opened.pop()
            if not node.filled:
                yield Command("set", node.path, number)
        elif text.endswith(("{", "{}")):
            path = (*self._enter(), *_words(text.rstrip("{}"), number, self.file))
            if text.endswith("{}"):
                yield Command("set", path, number)
            else:
                self.opened.append(_Node(path, number))
        elif self.opened:
            yield Command("set", (*self._enter(), *_words(text, number, self.file)), number)
        elif not _PROMPT.fullmatch(text):
            raise fail(self.file, number, "this is not a part of a config tree")

    def _enter(self) -> Path:
        """Give the node that something stands in, which is not empty then."""
        if not self.opened:
            return ()
        self.opened[-1].filled = True
        return self.opened[-1].path


def _is_remark(text: str) -> bool:
    """Tell comments of the tree, and the version line that VyOS puts behind it."""
    return text.startswith(("/*", "//", "#")) and not text.endswith("{")
