"""The elements of a set, a map or a list, ready to be asked for a member."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network


class Members:
    """Finds the element that holds a value, or the values of a concatenation."""

    def __init__(self, key: str, elements: Sequence[str]) -> None:
        self._keys = key.split(" . ")
        self._exact = {element: index for index, element in enumerate(elements)}
        self._ranges: list[tuple[int, int, int]] = []
        self._wide: list[tuple[list[str], int]] = []
        for element, index in self._exact.items():
            parts = element.split(" . ")
            if len(parts) > 1:
                self._wide.append((parts, index))
            elif (span := _span(element)) is not None:
                self._ranges.append((*span, index))
        self._ranges.sort()
        self._starts = [start for start, _, _ in self._ranges]

    def find(self, values: Sequence[object]) -> int | None:
        """Give the index of the element that holds the values, or nothing."""
        if any(value is None for value in values):
            return None
        exact = self._exact.get(" . ".join(map(str, values)))
        if exact is not None:
            return exact
        if len(values) > 1:
            return next((i for parts, i in self._wide if all(map(_holds, parts, values))), None)
        number = _number(values[0])
        at = bisect_right(self._starts, number) - 1 if number is not None else -1
        if at >= 0 and number is not None and number <= self._ranges[at][1]:
            return self._ranges[at][2]
        return None


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, IPv4Address, IPv6Address)) else None


def _span(text: str) -> tuple[int, int] | None:
    """Give the first and last number of ``5000-5010``, ``10.0.0.0/8`` or one address."""
    first, dash, last = text.partition("-")
    if first.isdigit():
        return int(first), int(last if dash else first)
    try:
        network = ip_network(text)
    except ValueError:
        return None
    return int(network.network_address), int(network.broadcast_address)


def _holds(part: str, value: object) -> bool:
    if part == str(value):
        return True
    number = _number(value)
    span = _span(part) if number is not None and not part.startswith('"') else None
    return span is not None and number is not None and span[0] <= number <= span[1]
