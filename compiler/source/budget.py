"""What one evaluation of a template may cost: steps, and the size of what it makes.

The unit is one small action: a node of the template that is executed, an item that is looked at, 64
characters that are copied. Everything that can take long is charged before it is done, so that
the worst template ends within a second or so, on any machine at the same step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import TemplateRuntimeError
from markupsafe import Markup

from compiler.source.secrets import Secret, Unsafe

MAX_STEPS = 1_000_000
MAX_SIZE = 1_000_000
MAX_BITS = 4096
MAX_WIDTH = 10_000
_CHARACTERS = 64


class OverBudgetError(TemplateRuntimeError):
    """The template does not end, or makes something too large."""


class Steps:
    """Counts down; one for each evaluation."""

    def __init__(self) -> None:
        """Begin with all steps left."""
        self.left = MAX_STEPS

    def take(self, number: int = 1) -> None:
        """Spend steps.

        Raises:
            OverBudgetError: none are left.
        """
        self.left -= number
        if self.left < 0:
            raise OverBudgetError(f"more than {MAX_STEPS:,} steps")


#: The budget of the evaluation that runs in this thread. Templates cannot reach it.
STEPS: ContextVar[Steps] = ContextVar("STEPS")


def charge(*values: object) -> None:
    """Pay for an action that looks at every part of these values."""
    steps = STEPS.get()
    for value in values:
        characters, items = measure(value)
        steps.take(1 + items + characters // _CHARACTERS)


def measure(value: object) -> tuple[int, int]:
    """Count the characters and the items of a value, as if nothing in it were shared.

    Raises:
        OverBudgetError: there are too many of them, or a number has too many digits.
    """
    characters = items = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str | bytes):
            characters += len(item)
        elif isinstance(item, int):
            if item.bit_length() > MAX_BITS:
                raise OverBudgetError(f"a number of more than {MAX_BITS:,} bits")
        elif isinstance(item, range):
            items += len(item)
        elif isinstance(item, list | tuple):
            items += len(item)
            waiting.extend(item)
        elif isinstance(item, Mapping):
            items += len(item)
            waiting.extend(item)
            waiting.extend(item.values())
        bounded(characters + items)
    return characters, items


def size(value: object) -> int:
    """Count the characters and items of a value; 1 for whatever has none."""
    return max(sum(measure(value)), 1)


def bounded(number: float) -> None:
    """Refuse to make a value of so many characters or items.

    Raises:
        OverBudgetError: it is too many.
    """
    if number > MAX_SIZE:
        raise OverBudgetError(f"a value of more than {MAX_SIZE:,} characters or items")


def growth(thing: object, arguments: Iterable[object]) -> None:
    """Check an action whose result may be as large as its operands and widths multiplied."""
    product = size(thing)
    for argument in arguments:
        if isinstance(argument, int):
            if abs(argument) > MAX_WIDTH:
                raise OverBudgetError(f"a width or count of more than {MAX_WIDTH:,}")
            product *= max(argument, 1)
        else:
            product *= size(argument)
        bounded(product)


def metered(items: Iterable[Any], weight: int = 1) -> Iterator[Any]:
    """Pass items on and pay ``weight`` steps for each."""
    steps = STEPS.get()
    for item in items:
        steps.take(weight)
        yield item


def plain(value: Any) -> Any:
    """Turn what a template made into the data that YAML could hold.

    Raises:
        UndefinedError: it holds an undefined value.
        TypeError: it holds something that is no data, a method for example.
    """
    if isinstance(value, Undefined):
        str(value)  # raises
    if value is None or isinstance(value, bool | int | float | Secret | Unsafe):
        return value
    if isinstance(value, Markup):
        return str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in metered(value)]
    raise TypeError(f"this gives a {type(value).__name__}, which is no value")
