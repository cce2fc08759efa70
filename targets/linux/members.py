"""The elements of a set, a map or a list, ready to be asked for a member."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

#: A part of a concatenation: as written, and the numbers that it spans.
_Part = tuple[str, tuple[int, int] | None]


class Members:
    """Finds the element that holds a value, or the values of a concatenation.

    Elements with ranges are filed under their leading parts that are words, so that a look-up
    meets few of them.
    """

    def __init__(self, key: str, elements: Sequence[str]) -> None:
        self._keys = key.split(" . ")
        self._exact = {element: index for index, element in enumerate(elements)}
        self._ranges: list[tuple[int, int, int]] = []
        wide: list[tuple[list[str], int]] = []
        for element, index in self._exact.items():
            parts = element.split(" . ")
            if len(parts) > 1:
                wide.append((parts, index))
            elif (span := _span(element)) is not None:
                self._ranges.append((*span, index))
        self._ranges.sort()
        self._starts = [start for start, _, _ in self._ranges]
        self._words = min((_leading_words(parts) for parts, _ in wide), default=0)
        self._filed: dict[tuple[str, ...], list[tuple[list[_Part], int]]] = {}
        for parts, index in wide:
            rest = [(part, _span(part)) for part in parts[self._words :]]
            self._filed.setdefault(tuple(parts[: self._words]), []).append((rest, index))

    def find(self, values: Sequence[object]) -> int | None:
        """Give the index of the element that holds the values, or nothing."""
        if any(value is None for value in values):
            return None
        words = [str(value) for value in values]
        exact = self._exact.get(" . ".join(words))
        if exact is not None:
            return exact
        if len(values) > 1:
            filed = self._filed.get(tuple(words[: self._words]), ())
            rest = values[self._words :]
            return next((i for parts, i in filed if all(map(_holds, parts, rest))), None)
        number = _number(values[0])
        at = bisect_right(self._starts, number) - 1 if number is not None else -1
        if at >= 0 and number is not None and number <= self._ranges[at][1]:
            return self._ranges[at][2]
        return None


def _leading_words(parts: Sequence[str]) -> int:
    return next((n for n, part in enumerate(parts) if _span(part) is not None), len(parts))


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, IPv4Address, IPv6Address)) else None


def _span(text: str) -> tuple[int, int] | None:
    """Give the first and last number of ``5000-5010``, ``10.0.0.0/8``, an address or a range."""
    first, dash, last = text.partition("-")
    if first.isdigit():
        return int(first), int(last if dash else first)
    try:
        if dash:
            return int(ip_address(first)), int(ip_address(last))
        network = ip_network(text)
    except ValueError:
        return None
    return int(network.network_address), int(network.broadcast_address)


def _holds(part: _Part, value: object) -> bool:
    text, span = part
    number = _number(value)
    if span is None or number is None:
        return text == str(value)
    return span[0] <= number <= span[1]
