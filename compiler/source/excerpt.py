"""The line of a finding, with the spot marked, for people."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from compiler.model.finding import Place

_WIDTH = 100


def excerpt(place: Place) -> tuple[str, str] | None:
    """Give the line and a marker line below it, or nothing when the file cannot tell."""
    if not place.line:
        return None
    lines = _lines(place.file)
    if not 1 <= place.line <= len(lines):
        return None
    line = printable(lines[place.line - 1].expandtabs(1))
    start = max(place.column - 1, 0)
    length = place.length or len(line.rstrip()) - start
    cut = max(0, start - _WIDTH // 2)
    shown = line[cut : cut + _WIDTH]
    marked = min(max(length, 1), max(len(shown) - (start - cut), 1))
    return shown.rstrip(), " " * (start - cut) + "^" * marked


def printable(text: str) -> str:
    """Replace what would move a terminal's cursor or hide text."""
    return "".join(char if char.isprintable() or char == " " else "\ufffd" for char in text)


@lru_cache(maxsize=16)
def _lines(file: str) -> tuple[str, ...]:
    try:
        with Path(file).open(encoding="utf-8-sig", errors="replace") as stream:
            return tuple(stream.read(1_000_000).splitlines())
    except (OSError, ValueError):
        return ()
