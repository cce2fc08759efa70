"""Read RouterOS scripts and exports: commands with their menu, words and place in the text.

The grammar is that of MikroTik's scripting manual as far as exports use it: one command a line,
lines joined by a backslash, strings in double quotes with escapes, brackets that nest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.errors import NativeError
from compiler.model.finding import Code, Finding, Place

_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\x07|\x08")
_START = re.compile(r"(?:\x1b\[[0-?]*[ -/]*[@-~]|[\r\t ])*[/#:]")
_PROMPT = re.compile(r"\[[^\]\s]+@[^\]]*\]\s*(?:/[^>]*|<SAFE>)?\s*>")
_VERBS = frozenset(
    {
        "add",
        "set",
        "remove",
        "move",
        "enable",
        "disable",
        "unset",
        "edit",
        "comment",
        "print",
        "export",
        "find",
        "reset",
    }
)
_PAIRS = {"[": "]", "(": ")", "{": "}"}
_ESCAPES = {
    '"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "$": "$", "?": "?", "_": " ",
    "a": "\a", "b": "\b", "f": "\f", "v": "\v",
}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:([0-9A-F]{2})|\r?\n[ \t]*|(.))", re.DOTALL)
_CUT = "the text ends in the middle of a line: it is cut off, or lacks only its last newline"
_HINT = "`/export` on the router, all of it, e.g. by `/export file=NAME`"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its menu (``/ip firewall filter``), verb, words, and lines (from 0)."""

    menu: str
    verb: str
    words: tuple[str, ...]
    first: int
    last: int

    def properties(self) -> dict[str, str]:
        """Give ``key=value`` words; a verbose export marks what is unset by ``!key``, left out."""
        pairs = (word.partition("=") for word in self.words)
        return {key: unquoted(value) for key, equals, value in pairs if equals}


def fail(file: str, line: int, message: str) -> NativeError:
    """Build the error about a line, counted from 0."""
    return NativeError([Finding(Code.T407, message, place=Place(file, line + 1), hint=_HINT)])


def quoted(value: str, *, always: bool = False) -> str:
    """Quote a value where it needs it; what a string cannot hold as it is becomes an escape."""
    if not always and re.fullmatch(r"[A-Za-z0-9_.:,/-]+", value):
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in '"\\$?':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return "".join(f"\\{byte:02X}" for byte in char.encode(errors="surrogatepass"))


def unquoted(value: str) -> str:
    """Undo :func:`quoted`, and any quoting of an export."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    found = _ESCAPE.sub(_meant, value[1:-1])
    return (
        found.encode("latin-1", "replace").decode(errors="replace") if _is_bytes(found) else found
    )


def _is_bytes(text: str) -> bool:
    return any("\x80" <= char <= "\xff" for char in text) and all(char <= "\xff" for char in text)


def _meant(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _ESCAPES.get(match[2], match[2]) if match[2] else ""


def read(text: str, file: str) -> tuple[Command, ...]:
    """Split a script or export into commands; what a terminal printed before it is left out.

    Raises:
        NativeError: there is no script in the text, it is cut off, or a line is no command.
    """
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if _START.match(line)), None)
    if start is None:
        raise fail(file, 0, "there is no RouterOS script or export in this text")
    last = _TERMINAL.sub("", lines[-1]).strip()
    if last and not last.startswith("#") and not _PROMPT.match(last):
        raise fail(file, len(lines) - 1, _CUT)
    found = tuple(_commands(lines, start, file))
    if not found and not any(_TERMINAL.sub("", line).lstrip().startswith("#") for line in lines):
        raise fail(file, start, "there is no command of RouterOS in this text")
    return found


def _commands(lines: list[str], start: int, file: str) -> Iterator[Command]:
    menu = ""
    number = start
    while number < len(lines):
        first = number
        words, number = _logical(lines, number, file)
        if not words or _PROMPT.match(lines[first].strip()):
            continue
        if words[0].startswith(":"):
            yield Command(menu, words[0], tuple(words[1:]), first, number - 1)
            continue
        path, rest = _path(words)
        here = " ".join(path) if path else menu
        if path and not rest:
            menu = here
            continue
        if not rest or rest[0] not in _VERBS or not here:
            raise fail(file, first, "this is no command of a RouterOS export")
        yield Command(here, rest[0], tuple(rest[1:]), first, number - 1)


def _path(words: list[str]) -> tuple[list[str], list[str]]:
    """Split the menu off the words of a command."""
    if not words[0].startswith("/"):
        return [], words
    steps = [step for word in words[:1] for step in word.split("/") if step]
    rest = words[1:]
    while rest and rest[0] not in _VERBS and re.fullmatch(r"[a-z0-9-]+", rest[0]):
        steps.append(rest.pop(0))
    if steps and steps[-1] in _VERBS:
        rest.insert(0, steps.pop())
    return ["/" + " ".join(steps)], rest


def _logical(lines: list[str], number: int, file: str) -> tuple[list[str], int]:
    """Read one logical line; give its words and the number of the line after it."""
    if _TERMINAL.sub("", lines[number]).lstrip(" \t\r").startswith("#"):
        return [], number + 1
    scanner = _Scanner(lines, number, file)
    return list(scanner.words()), scanner.number + 1


class _Scanner:
    """Walk one logical line; ``number`` is the line that it has come to."""

    def __init__(self, lines: list[str], number: int, file: str) -> None:
        self.lines, self.number, self.file, self.pos = lines, number, file, 0
        self.first = number
        self.line = self._load()

    def _load(self) -> str:
        return _TERMINAL.sub("", self.lines[self.number]).rstrip("\r")

    def _next(self, message: str) -> None:
        if self.number + 1 >= len(self.lines):
            raise fail(self.file, self.first, f"{message}: the text is cut off")
        self.number += 1
        self.line, self.pos = self._load(), 0
        if not self.line.strip() and self.number + 1 == len(self.lines):
            raise fail(self.file, self.first, f"{message}: the text is cut off")

    def words(self) -> Iterator[str]:
        while self._skip_space():
            yield self._word()

    def _skip_space(self) -> bool:
        """Go to the next word; tell whether there is one."""
        while True:
            while self.pos < len(self.line) and self.line[self.pos] in " \t":
                self.pos += 1
            if self.line[self.pos :] != "\\":
                return self.pos < len(self.line)
            self._next("a line ends in a backslash")

    def _word(self) -> str:
        found: list[str] = []
        closing: list[str] = []
        while True:
            if self.pos >= len(self.line):
                if not closing:
                    return "".join(found)
                self._next("a bracket is not closed")
                found.append("\n")
                continue
            char = self.line[self.pos]
            if char == '"':
                found.append(self._string())
                continue
            if not closing and char in " \t":
                return "".join(found)
            if self.line[self.pos :] == "\\":
                self._next("a line ends in a backslash")
                self.pos = len(self.line) - len(self.line.lstrip(" \t"))
                continue
            if char == ";" and not closing:
                raise fail(self.file, self.number, "two commands on one line are not supported")
            if char in _PAIRS:
                closing.append(_PAIRS[char])
            elif closing and char == closing[-1]:
                closing.pop()
            found.append(char)
            self.pos += 1

    def _string(self) -> str:
        found = ['"']
        self.pos += 1
        while True:
            if self.pos >= len(self.line):
                raise fail(self.file, self.number, "a quote is not closed: the text is cut off")
            char = self.line[self.pos]
            if self.line[self.pos :] == "\\":
                self._next("a line ends in a backslash")
                self.pos = len(self.line) - len(self.line.lstrip(" \t"))
                continue
            self.pos += 1
            found.append(char)
            if char == "\\":
                found.append(self.line[self.pos])
                self.pos += 1
            elif char == '"':
                return "".join(found)
