"""Elements of sets and maps, ready to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from compiler.evaluate.value import Span, Truth, Unsure, Value, every

T = TypeVar("T")
Key = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Elements(Generic[T]):
    """Keys of one or more spans each, and what they lead to.

    ``exact`` holds the keys that are single numbers; ``wide`` all others; ``other`` is the element
    ``*``. ``changes`` says why the elements of the listing may not be those that a packet meets.
    """

    exact: dict[tuple[int, ...], T]
    wide: tuple[tuple[Key, T], ...] = ()
    other: T | None = None
    changes: str = ""

    @classmethod
    def of(
        cls, pairs: Iterable[tuple[Key, T]], other: T | None = None, changes: str = ""
    ) -> Elements[T]:
        """Sort the elements by what they are."""
        exact: dict[tuple[int, ...], T] = {}
        wide: list[tuple[Key, T]] = []
        for key, item in pairs:
            if all(span.low == span.high for span in key):
                exact[tuple(span.low for span in key)] = item
            else:
                wide.append((key, item))
        return cls(exact, tuple(wide), other, changes)

    def holds(self, values: Sequence[Value]) -> Truth:
        """Tell whether some element holds the values."""
        if self.changes:
            return Unsure(self.changes)
        doubt: Unsure | None = None
        for truth, _ in self._answers(values):
            if truth is True:
                return True
            if isinstance(truth, Unsure):
                doubt = doubt or truth
        return doubt or self.other is not None

    def find(self, values: Sequence[Value], decide: Callable[[Truth], bool]) -> T | None:
        """Give what the element that holds the values leads to; doubts go to ``decide``."""
        if self.changes and not decide(Unsure(self.changes)):
            return self.other
        for truth, item in self._answers(values):
            if decide(truth):
                return item
        return self.other

    def _answers(self, values: Sequence[Value]) -> Iterable[tuple[Truth, T]]:
        """Give the answers of all elements that could hold the values; at most one does."""
        numbers = tuple(value.exact for value in values)
        if None not in numbers:
            found = self.exact.get(numbers)  # type: ignore[arg-type]
            if found is not None:
                yield True, found
        else:
            for numbers_of, item in self.exact.items():
                spans = map(Span.of, numbers_of)
                truth = every(span.holds(value) for span, value in zip(spans, values, strict=True))
                if truth is not False:
                    yield truth, item
        for key, item in self.wide:
            truth = every(span.holds(value) for span, value in zip(key, values, strict=True))
            if truth is not False:
                yield truth, item
