"""Read and change leaves of an XML text and leave every other byte of it as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from compiler.errors import NativeError
from compiler.model.finding import Code


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element without children: its text, and the bytes between its tags.

    An element that is written ``<a/>`` has no such bytes; ``begin`` is -1 then.
    """

    text: str
    begin: int
    end: int


@dataclass(slots=True)
class _Open:
    """An element whose end has not been read: ``begin`` is where its content starts."""

    name: str
    at: int
    begin: int = -1
    text: list[str] = field(default_factory=list)
    children: dict[str, Leaf] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    parent: bool = False


class _Reader:
    """Collects the leaves of every element that has some."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self._open = [_Open("", 0)]
        self.found: dict[str, list[_Open]] = {}
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self) -> None:
        """Read it all.

        Raises:
            NativeError: no XML, or with a document type.
        """
        try:
            self._parser.Parse(self._data, True)  # noqa: FBT003 - the standard library's
        except expat.ExpatError as error:
            raise NativeError.of(
                Code.T407,
                f"{self._what} is not XML: {error}",
                hint="was it cut off, or is it a login page?",
            ) from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        del attributes
        self._open[-1].parent = True
        self._open.append(_Open(name.rpartition(":")[2], self._parser.CurrentByteIndex))

    def _end(self, name: str) -> None:
        del name
        done, end = self._open.pop(), self._parser.CurrentByteIndex
        if done.parent:
            self.found.setdefault(done.name, []).append(done)
            return
        if done.begin < 0 and end != done.at:
            done.begin = end
        inside = self._open[-1]
        if done.name in inside.children:
            inside.twice.add(done.name)
        inside.children[done.name] = Leaf("".join(done.text).strip(), done.begin, end)

    def _characters(self, text: str) -> None:
        last = self._open[-1]
        if last.begin < 0:
            last.begin = self._parser.CurrentByteIndex
        last.text.append(text)

    def _doctype(self, *_: object) -> None:
        raise NativeError.of(
            Code.T407, f"{self._what} declares a document type, which no router does"
        )


def leaves(text: str, element: str, what: str) -> dict[str, Leaf]:
    """Give the leaves of an element by local name; places are in the UTF-8 bytes of the text.

    Raises:
        NativeError: empty, cut off, no XML, or without such an element.
    """
    if not text.strip():
        raise NativeError.of(Code.T407, f"{what} is empty")
    reader = _Reader(text.encode("utf-8", "replace"), what)
    reader.read()
    found = reader.found.get(element, [])
    if len(found) > 1 or any(one.twice for one in found):
        raise NativeError.of(
            Code.T407, f"<{element}> in {what} holds something twice, or stands in it twice"
        )
    if not found:
        raise NativeError.of(
            Code.T407,
            f"{what} holds no <{element}>",
            hint="the request failed, or this is the answer to another one",
        )
    return found[0].children


def splice(text: str, element: str, values: Mapping[str, str], what: str) -> str:
    """Replace the text of leaves of an element; each must be there already."""
    places = leaves(text, element, what)
    data = text.encode()
    for name in sorted(values, key=lambda name: -places[name].end):
        leaf = places[name]
        if leaf.begin < 0:
            raise NativeError.of(Code.T407, f"<{name}/> holds no value in {what}")
        raw = data[leaf.begin : leaf.end]
        begin = leaf.begin + len(raw) - len(raw.lstrip())
        end = begin + len(raw.strip())
        data = data[:begin] + escape(values[name]).encode() + data[end:]
    return data.decode()
