"""UCI texts, read as libuci reads them.

The grammar is libuci's (https://github.com/openwrt/uci, ``file.c`` and ``util.c``) in its strict
mode, which the ``uci`` command and fw4 use. Two commands on one line (``;``) are the one thing that
libuci takes and this module refuses: libuci itself drops the second one after an unquoted
value, and no program writes such a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from compiler.errors import NativeError
from compiler.model.finding import Code, Finding, Place

Value = str | tuple[str, ...]

_WORDS = {word[:length]: word for word in ("package", "config", "option", "list")
          for length in (1, len(word))}  # fmt: skip
_MOST_ARGUMENTS = {"package": 1, "config": 2, "option": 2, "list": 2}
_SPACE = frozenset(" \t\n\v\f\r")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_TYPE = re.compile(r"[!-~]+")
_SHOWN = re.compile(r"([A-Za-z0-9_-]+)\.(@[!-~]+?\[\d+\]|[A-Za-z0-9_]+)(?:\.([A-Za-z0-9_]+))?=")
_FIREWALL = "firewall"
_PACKAGE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r"'(?:[^']|'\\'')*'")


@dataclass(frozen=True, slots=True)
class Section:
    """One section: type, name (empty: anonymous) and options in the order of the text.

    A value that is a tuple was written as a ``list``.
    """

    type: str
    name: str
    options: tuple[tuple[str, Value], ...] = ()

    def get(self, option: str) -> Value | None:
        """Find the value of an option."""
        return next((value for name, value in self.options if name == option), None)

    def text(self, option: str) -> str:
        """Give an option as text: the items of a list with spaces between, empty without it."""
        value = self.get(option)
        return " ".join(value) if isinstance(value, tuple) else value or ""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its word, its arguments, and the first and last line (from 1) it stands on."""

    word: str
    arguments: tuple[str, ...]
    first: int
    last: int


def quote(value: str) -> str:
    """Quote a value as ``uci export`` does."""
    return "'" + value.replace("'", "'\\''") + "'"


@lru_cache(maxsize=64)
def read(text: str, file: str) -> tuple[Section, ...]:
    """Read the sections of a config file, of ``uci export`` or of ``uci show`` output.

    ``file`` names the text in findings.

    Raises:
        NativeError: libuci would not take the text, or it holds nothing at all.
    """
    found = packages(text, file)
    other = next((name for name in found if name != _FIREWALL), None)
    if other is not None:
        raise _error(file, 1, f"this is not the package 'firewall' but '{other}'")
    return found.get(_FIREWALL, ())


def packages(text: str, file: str) -> Mapping[str, tuple[Section, ...]]:
    """Read the sections of all packages of a text, by package; a file's own is ``firewall``.

    Raises:
        NativeError: libuci would not take the text, or it holds nothing at all.
    """
    if not text.strip():
        raise _error(file, 1, "the firewall config is empty")
    if _SHOWN.match(text.lstrip()):
        return _read_shown(text, file)
    return _collect(commands(text, file), file)


@lru_cache(maxsize=64)
def commands(text: str, file: str) -> tuple[Command, ...]:
    """Split a config file into commands.

    Raises:
        NativeError: libuci would not take the text, or two commands stand on one line.
    """
    return tuple(_Scanner(text, file).commands())


class _Scanner:
    """Walk a text as libuci's parser does; ``pos`` is the next character, ``line`` its line."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file, self.pos, self.line = text, file, 0, 1

    def commands(self) -> Iterator[Command]:
        if "\0" in self.text:
            raise self._fail("a NUL byte")
        if self.text.startswith("\ufeff"):
            raise self._fail("the file starts with a byte order mark")
        while self.pos < len(self.text):
            self._skip_space()
            if self._char in ("", "\n", "#"):
                self._skip_line()
                continue
            yield self._command()

    @property
    def _char(self) -> str:
        return self.text[self.pos : self.pos + 1]

    def _fail(self, message: str) -> NativeError:
        return _error(self.file, self.line, message)

    def _take(self) -> str:
        char = self._char
        self.pos += 1
        self.line += char == "\n"
        return char

    def _skip_space(self) -> None:
        while self._char in _SPACE and self._char not in ("", "\n"):
            self.pos += 1

    def _skip_line(self) -> None:
        while self._take() not in ("", "\n"):
            pass

    def _command(self) -> Command:
        first = self.line
        start = self.pos
        while self._char not in ("", " ", "\t", "\n"):
            self.pos += 1
        word = _WORDS.get(self.text[start : self.pos])
        if word is None:
            raise self._fail("this is no UCI command (config, option, list or package)")
        arguments = tuple(self._arguments())
        last = self.line
        self._skip_line()
        if not arguments or not arguments[0]:
            raise _error(self.file, first, f"'{word}' without a name")
        if len(arguments) > _MOST_ARGUMENTS[word]:
            raise _error(self.file, first, f"too many arguments after '{word}'")
        return Command(word, arguments, first, last)

    def _arguments(self) -> Iterator[str]:
        while True:
            self._skip_space()
            if self._char in ("", "\n", "#"):
                return
            yield self._argument()

    def _argument(self) -> str:
        found: list[str] = []
        while self._char not in _SPACE and self._char not in ("", "#"):
            char = self._take()
            if char == ";":
                raise self._fail("two commands on one line (';') are not supported")
            if char in "'\"":
                found.append(self._quoted(char))
            elif char != "\\":
                found.append(char)
            elif not self._continued():
                found.append(self._take())
        return "".join(found)

    def _quoted(self, quote_: str) -> str:
        found: list[str] = []
        opened = self.line
        while (char := self._take()) != quote_:
            if not char:
                raise _error(self.file, opened, f"a quote ({quote_}) is not closed")
            if char != "\\" or quote_ == "'":
                found.append(char)
            elif not self._continued():
                found.append(self._take())
        return "".join(found)

    def _continued(self) -> bool:
        """Step over the end of the line that a backslash stands before."""
        for end in ("\n", "\r\n"):
            if self.text.startswith(end, self.pos):
                self.pos += len(end)
                self.line += 1
                return True
        return not self._char


def _collect(found: tuple[Command, ...], file: str) -> Mapping[str, tuple[Section, ...]]:
    """Sort commands by package. A text without the command ``package`` is one file."""
    parts: dict[str, list[Command]] = {}
    package = _FIREWALL
    for command in found:
        if command.word == "package":
            package = command.arguments[0]
            if not _PACKAGE.fullmatch(package):
                raise _error(file, command.first, "this is no name of a package")
        parts.setdefault(package, []).append(command)
    return {name: _sections(listed, file) for name, listed in parts.items()}


def _sections(found: list[Command], file: str) -> tuple[Section, ...]:
    types: dict[str, str] = {}
    options: dict[str, dict[str, Value]] = {}
    current = ""
    for number, command in enumerate(found):
        name = command.arguments[0]
        value = command.arguments[1] if len(command.arguments) > 1 else ""
        if command.word == "package":
            current = ""
        elif command.word == "config":
            # a name with a space cannot be written in UCI: it marks an anonymous section
            current = value or f"anonymous {number}"
            _check_section(file, command, types.get(value, name))
            types[current] = name
            options.setdefault(current, {})
        elif not current:
            raise _error(file, command.first, f"'{command.word}' before the first section")
        elif not _NAME.fullmatch(name):
            raise _error(file, command.first, "an option name holds letters, digits and '_' only")
        else:
            _assign(options[current], name, value, is_list=command.word == "list")
    return tuple(
        Section(type_, "" if " " in name else name, tuple(options[name].items()))
        for name, type_ in types.items()
    )


def _check_section(file: str, command: Command, known_type: str) -> None:
    type_, *name = command.arguments
    if not _TYPE.fullmatch(type_):
        raise _error(file, command.first, "this section type is not valid")
    if name and name[0] and not _NAME.fullmatch(name[0]):
        raise _error(file, command.first, "a section name holds letters, digits and '_' only")
    if type_ != known_type:
        raise _error(file, command.first, f"the section '{name[0]}' has two types")


def _assign(options: dict[str, Value], name: str, value: str, *, is_list: bool) -> None:
    before = options.get(name, ())
    if is_list:
        options[name] = (*((before,) if isinstance(before, str) else before), value)
    elif value:
        options[name] = value


def _read_shown(text: str, file: str) -> Mapping[str, tuple[Section, ...]]:
    found: dict[str, list[Section]] = {}
    for package, section in _shown_sections(text, file):
        found.setdefault(package, []).append(section)
    return {package: tuple(sections) for package, sections in found.items()}


def _shown_sections(text: str, file: str) -> Iterator[tuple[str, Section]]:
    current: Section | None = None
    shown = package = ""
    pos = len(text) - len(text.lstrip())
    while pos < len(text):
        line = text.count("\n", 0, pos) + 1
        match = _SHOWN.match(text, pos)
        if match is None:
            raise _error(file, line, "this is not a line of `uci show firewall`")
        reference, option = match[2], match[3]
        pos = match.end()
        if option is None:
            end = text.find("\n", pos)
            end = len(text) if end < 0 else end
            if current is not None:
                yield package, current
            package = match[1]
            type_ = text[pos:end].rstrip("\r")
            if not _TYPE.fullmatch(type_):
                raise _error(file, line, "this section type is not valid")
            current = Section(type_, "" if reference.startswith("@") else reference)
            shown, pos = reference, end
        else:
            if current is None or reference != shown or package != match[1]:
                raise _error(file, line, "an option before its section")
            value, pos = _shown_value(text, pos, file, line)
            current = Section(current.type, current.name, (*current.options, (option, value)))
        if text[pos : pos + 1] not in ("", "\n"):
            raise _error(file, line, "text after the end of a value")
        pos += 1
    if current is not None:
        yield package, current


def _shown_value(text: str, pos: int, file: str, line: int) -> tuple[Value, int]:
    items: list[str] = []
    while match := _QUOTED.match(text, pos):
        items.append(match[0][1:-1].replace("'\\''", "'"))
        pos = match.end()
        if text[pos : pos + 2] != " '":
            return (items[0] if len(items) == 1 else tuple(items)), pos
        pos += 1
    raise _error(file, line, "a value without its quotes")


def _error(file: str, line: int, message: str) -> NativeError:
    hint = (
        "`uci show firewall` on the router must succeed: fw4 takes a broken file for an empty one "
        "and then drops everything"
    )
    return NativeError([Finding(Code.T407, message, place=Place(file, line), hint=hint)])
