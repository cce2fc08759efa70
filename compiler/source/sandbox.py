"""The Jinja2 environment behind :mod:`compiler.source.template`.

Jinja2's own sandbox keeps templates away from attributes that lead into the interpreter.
What it does not bound is met here: every loop round and every call is a step of a budget, and
operators and filters that can make huge values are checked before they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import (
    StrictUndefined,
    TemplateSyntaxError,
    Undefined,
    UndefinedError,
    nodes,
    pass_context,
)
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.nativetypes import NativeEnvironment
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from compiler.errors import TemplateError
from compiler.model.finding import Code, Place

MAX_STEPS = 100_000
MAX_SIZE = 1_000_000
MAX_BITS = 4096
_WIDE = re.compile(r"\d{6,}")


class _OverBudget(TemplateRuntimeError):
    """The template does not end, or makes something too large."""


class _Steps:
    """Counts down; one for each evaluation."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _OverBudget(f"more than {MAX_STEPS:,} steps")


def _size(value: object) -> int:
    """Count characters and items, also inside of containers (stops counting when too many)."""
    total = 0
    waiting = [value]
    while waiting and total <= MAX_SIZE:
        item = waiting.pop()
        if isinstance(item, str | bytes):
            total += len(item)
        elif isinstance(item, list | tuple):
            total += len(item)
            waiting.extend(item)
        elif isinstance(item, dict):
            total += len(item)
            waiting.extend(item.values())
    return max(total, 1)


def _bounded(size: float) -> None:
    if size > MAX_SIZE:
        raise _OverBudget(f"a value of more than {MAX_SIZE:,} characters or items")


class _Sandbox(ImmutableSandboxedEnvironment, NativeEnvironment):
    """Sandboxed, strict about undefined variables, keeps native types, metered."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True)
        self.filters["metered"] = _metered
        for name in ("center", "indent", "wordwrap", "format", "replace", "join", "batch", "slice"):
            self.filters[name] = _bounded_filter(self.filters[name])
        for name in ("lipsum", "cycler", "joiner", "namespace"):
            del self.globals[name]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "metered", [], [], None, None, lineno=loop.lineno)
        return tree

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        __context["__steps"].take()
        bound = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)
        if isinstance(bound, str):
            _bounded(len(bound) * max([1, *(_size(arg) for arg in args)]))
            _bounded(max([1, *(arg for arg in args if isinstance(arg, int))]))
            if _WIDE.search(bound):
                raise _OverBudget("a format with a huge width")
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        context["__steps"].take()
        if operator == "*":
            for thing, times in ((left, right), (right, left)):
                if isinstance(times, int) and not isinstance(thing, int | float):
                    _bounded(_size(thing) * max(times, 0))
            if isinstance(left, int) and isinstance(right, int):
                _bits(left.bit_length() + right.bit_length())
        elif operator == "**":
            if isinstance(left, int) and isinstance(right, int):
                _bits(left.bit_length() * max(right, 1))
        elif operator == "+":
            _bounded(_size(left) + _size(right))
        elif isinstance(left, str):
            raise SecurityError("formatting with % is not allowed; use ~ or a filter")
        return super().call_binop(context, operator, left, right)


def _bits(bits: int) -> None:
    if bits > MAX_BITS:
        raise _OverBudget(f"a number of more than {MAX_BITS:,} bits")


@pass_context
def _metered(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    steps = context["__steps"]
    for item in items:
        steps.take()
        yield item


def _bounded_filter(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter so that numbers given to it, times its text, cannot grow without bound."""

    def bounded(*args: Any, **kwargs: Any) -> Any:
        size = 1
        for value in (*args, *kwargs.values()):
            if isinstance(value, int):
                size *= max(value, 1)
            elif isinstance(value, str | list):
                size *= _size(value)
        _bounded(size)
        return original(*args, **kwargs)

    if hasattr(original, "jinja_pass_arg"):
        bounded.jinja_pass_arg = original.jinja_pass_arg  # type: ignore[attr-defined]
    return bounded


_ENVIRONMENT = _Sandbox()


def evaluate(text: str, variables: Mapping[str, Any], place: Place | None) -> Any:
    """Evaluate one template text.

    Raises:
        TemplateError: with the place of the value that holds the template.
    """
    try:
        template = _ENVIRONMENT.from_string(text)
        context = template.new_context(_WithSteps(variables, _Steps()), shared=True)
        pieces = []
        total = 0
        for piece in template.root_render_func(context):
            if isinstance(piece, Undefined):
                str(piece)  # raises: an undefined value is never a value
            total += _size(piece)
            _bounded(total)
            pieces.append(piece)
    except TemplateError:
        raise
    except UndefinedError as error:
        raise TemplateError.of(
            Code.V301, f"{error.message}", place, "define it in the inventory or with -e"
        ) from None
    except TemplateSyntaxError as error:
        raise TemplateError.of(Code.V302, f"template: {error.message}", place) from None
    except SecurityError as error:
        raise TemplateError.of(Code.V303, f"template: {error.message}", place) from None
    except (_OverBudget, RecursionError, MemoryError) as error:
        raise TemplateError.of(
            Code.V304, f"the template does not end or grows too large ({error})", place
        ) from None
    except (JinjaError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TemplateError.of(Code.V302, f"template: {error}", place) from None
    if len(pieces) == 1:
        return pieces[0]
    return "".join(str(piece) for piece in pieces)


class _WithSteps(dict[str, Any]):
    """The variables plus the budget, looked up lazily."""

    def __init__(self, variables: Mapping[str, Any], steps: _Steps) -> None:
        super().__init__({**_ENVIRONMENT.globals, "__steps": steps})
        self._lazy = variables

    def __missing__(self, name: str) -> Any:
        return self._lazy[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._lazy
