"""Variables as they were written: layers of values that know where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from compiler.errors import SourceError
from compiler.model.finding import Place
from compiler.source.yaml import Document, loads

Path_ = tuple[str | int, ...]


class Where(Protocol):
    """Finds the place of a value, or of its key, below the spot where a layer begins."""

    def place(self, path: Path_, *, key: bool = False) -> Place:
        """Give the place at ``path``; as near to it as is known."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Variables written in one spot. Later layers win, variable by variable."""

    values: Mapping[str, Any]
    where: Where


class Places(Protocol):
    """What a document knows of places; ``compiler.source.yaml.Document`` is one."""

    def place(self, path: Path_ = ()) -> Place:
        """Give the place of a value."""

    def key_place(self, path: Path_) -> Place:
        """Give the place of a key."""


class JsonPlaces:
    """The places in a JSON text, found by reading it once more as YAML when asked."""

    def __init__(self, file: str, text: str) -> None:
        """Keep the text."""
        self._file = file
        self._text = text

    @cached_property
    def _document(self) -> Document:
        try:
            return loads(self._text, self._file)
        except SourceError:
            return Document(self._file, None)

    def place(self, path: Path_ = ()) -> Place:
        """Give the place of a value."""
        return self._document.place(path)

    def key_place(self, path: Path_) -> Place:
        """Give the place of a key."""
        return self._document.key_place(path)


@dataclass(frozen=True, slots=True)
class InDocument:
    """Variables below ``prefix`` of a YAML or JSON document."""

    document: Places
    prefix: Path_ = ()

    def place(self, path: Path_, *, key: bool = False) -> Place:
        """See :class:`Where`."""
        whole = self.prefix + path
        return self.document.key_place(whole) if key else self.document.place(whole)

    def below(self, step: str | int) -> InDocument:
        """Go one step deeper."""
        return InDocument(self.document, (*self.prefix, step))


@dataclass(frozen=True, slots=True)
class InLine:
    """Variables of one line of an INI file."""

    file: str
    line: int
    text: str = ""

    def place(self, path: Path_, *, key: bool = False) -> Place:
        """See :class:`Where`; the line holds ``name=value``, maybe with blanks."""
        start = self._assignment(str(path[0])) if path else -1
        if start < 0:
            return Place(self.file, self.line)
        name = str(path[0])
        if key:
            return Place(self.file, self.line, start + 1, len(name))
        after = self.text.index("=", start + len(name)) + 1
        while after < len(self.text) and self.text[after].isspace():
            after += 1
        return Place(self.file, self.line, after + 1)

    def _assignment(self, name: str) -> int:
        """Find the last ``name=`` of the line that begins a word; it is the one that counts."""
        found = len(self.text)
        while (found := self.text.rfind(name, 0, found)) >= 0:
            after = self.text[found + len(name) :].lstrip()
            before = self.text[found - 1 : found]
            if after.startswith("=") and (not before or before.isspace() or before in "'\""):
                return found
        return -1


@dataclass(frozen=True, slots=True)
class InFile:
    """Variables of which only the file is known: a script's answer, an option."""

    file: str

    def place(self, path: Path_, *, key: bool = False) -> Place:  # noqa: ARG002 - the protocol
        """See :class:`Where`."""
        return Place(self.file)
