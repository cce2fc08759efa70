"""Change values in a JSON text and leave every other byte of it as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compiler.errors import NativeError
from compiler.model.finding import Code

_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in a text: where it begins, where it ends, and what it is."""

    begin: int
    end: int
    value: Any


def load(text: str, what: str) -> dict[str, Any]:
    """Read a JSON object; a key that is written twice is refused.

    Raises:
        NativeError: the text is empty, cut off, no JSON or no object.
    """
    if not text.strip():
        raise NativeError.of(Code.T407, f"{what} is empty")
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NativeError.of(
            Code.T407, f"{what} is not JSON: {error}", hint="was it cut off, or is it a login page?"
        ) from error
    if not isinstance(data, dict):
        raise NativeError.of(Code.T407, f"{what} is no JSON object")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key is written twice")
    return data


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value")


def spots(text: str, path: tuple[str, ...]) -> dict[str, Spot]:
    """Give the members of the object at ``path`` with their places; the text is valid JSON."""
    here = _members(text, _skip(text, 0))
    for step in path:
        here = _members(text, here[step].begin)
    return here


def _members(text: str, at: int) -> dict[str, Spot]:
    decoder = json.JSONDecoder()
    found: dict[str, Spot] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        begin = _skip(text, _skip(text, at) + 1)
        value, end = decoder.raw_decode(text, begin)
        found[key] = Spot(begin, end, value)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def splice(text: str, path: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """Replace members of the object at ``path``; each must be there already."""
    places = spots(text, path)
    for key in sorted(values, key=lambda key: -places[key].begin):
        spot = places[key]
        text = text[: spot.begin] + json.dumps(values[key]) + text[spot.end :]
    return text
