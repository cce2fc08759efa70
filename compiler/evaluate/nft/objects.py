"""The named objects of a listing that rules refer to: sets, maps, helpers, and their elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from compiler.evaluate.elements import Elements, Key
from compiler.evaluate.nft import constant as c

T = TypeVar("T")
#: Family, table and name.
Name = tuple[str, str, str]
_CHANGING = frozenset({"timeout", "dynamic"})
#: What an element may carry besides its value and nevertheless always matches (not ``limit``).
_IDLE = frozenset({"val", "comment", "counter", "last"})


@dataclass(frozen=True, slots=True)
class Helper:
    """A ``ct helper`` object."""

    type: str
    layer4: int
    families: frozenset[str]


@dataclass(frozen=True, slots=True)
class Objects:
    """What rules refer to by name; ``filled`` are the sets that rules themselves add to."""

    sets: Mapping[Name, Any] = field(default_factory=dict)
    helpers: Mapping[Name, Helper] = field(default_factory=dict)
    chains: frozenset[Name] = frozenset()
    filled: frozenset[Name] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a rule stands: its table, and what it may refer to."""

    family: str
    table: str
    objects: Objects

    def name(self, word: str) -> Name:
        """Give the full name of ``@word`` or ``word``."""
        return self.family, self.table, word.removeprefix("@")

    def elements(self, data: Any, types: Sequence[c.Type], item: Callable[[Any], T]) -> Elements[T]:
        """Read the elements of a set or map, named (``@name``) or in place.

        ``item`` reads what an element of a map leads to; for a set it gets the element.

        Raises:
            NotUnderstoodError: an element is none that this reader knows.
        """
        changes = ""
        if isinstance(data, str):
            name = self.name(data)
            entry = self.objects.sets.get(name)
            if entry is None:
                raise c.NotUnderstoodError(f"the listing holds no set {data}")
            if name in self.objects.filled or _CHANGING & set(entry.get("flags", ())):
                changes = f"the elements of {data} change"
            listed = entry.get("elem", [])
        else:
            listed = data["set"] if isinstance(data, dict) else data
        return _elements(listed if isinstance(listed, list) else [listed], types, item, changes)

    def verdicts_target(self, word: str) -> str:
        """Give the name of a chain that a verdict leads to.

        Raises:
            NotUnderstoodError: the table has no such chain.
        """
        if self.name(word) not in self.objects.chains:
            raise c.NotUnderstoodError(f"the listing holds no chain {word}")
        return word


def _elements(
    listed: Sequence[Any], types: Sequence[c.Type], item: Callable[[Any], T], changes: str
) -> Elements[T]:
    pairs: list[tuple[Key, T]] = []
    other: T | None = None
    for element in listed:
        mapped = isinstance(element, list)
        key = element[0] if mapped else element
        found = item(element[1] if mapped else element)
        while isinstance(key, dict) and "elem" in key:
            for word in key["elem"].keys() - _IDLE:
                changes = changes or f"an element with '{word}' holds at times"
            key = key["elem"]["val"]
        if key == "*":
            other = found
        else:
            pairs.append((c.key(key, types), found))
    return Elements.of(pairs, other, changes)
