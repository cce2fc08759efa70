"""Jinja2 in values, as Ansible has it, but in a sandbox and on a budget.

A value that is exactly one ``{{ expression }}`` keeps the expression's type (a list stays a
list); any other template gives text. Variables may hold templates themselves. A template cannot
reach Python's internals, and cannot run or grow without end: loop rounds, calls and the size
of what operators and filters make are metered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compiler.errors import TemplateError
from compiler.model.finding import Code, Place
from compiler.source.secrets import Unsafe

MAX_DEPTH = 40
_OPENERS = ("{{", "{%", "{#")


def is_template(value: object) -> bool:
    """Tell whether a value is text that Jinja2 would change (``!unsafe`` text it would not)."""
    if not isinstance(value, str) or isinstance(value, Unsafe):
        return False
    return any(opener in value for opener in _OPENERS)


class Templar:
    """Renders values with one host's variables.

    Variables are rendered when they are used, so that one that is broken or secret does
    no harm as long as nothing needs it.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        """Keep the variables; nothing is rendered yet."""
        self._variables = variables
        self._cache: dict[str, Any] = {}
        self._open: list[str] = []

    def render(self, value: Any, place: Place | None = None) -> Any:
        """Render ``value`` and everything in it.

        Raises:
            TemplateError: undefined variable (V301), syntax (V302), sandbox (V303),
                budget (V304) or a variable that needs itself (V306), at ``place``.
        """
        if isinstance(value, dict):
            return {self.render(k, place): self.render(v, place) for k, v in value.items()}
        if isinstance(value, list):
            return [self.render(item, place) for item in value]
        return self._text(value, place) if is_template(value) else value

    def _text(self, text: str, place: Place | None) -> Any:
        from compiler.source.sandbox import evaluate  # noqa: PLC0415 - jinja2 only when needed

        if len(self._open) > MAX_DEPTH:
            raise TemplateError.of(Code.V306, "templates refer to one another too deeply", place)
        return evaluate(text, _Lookup(self, place), place)

    def variable(self, name: str, place: Place | None) -> Any:
        """Give one variable, rendered.

        Raises:
            KeyError: there is no such variable.
            TemplateError: see :meth:`render`.
        """
        if name in self._cache:
            return self._cache[name]
        value = self._variables[name]
        if name in self._open:
            chain = " -> ".join([*self._open[self._open.index(name) :], name])
            raise TemplateError.of(Code.V306, f"variables loop: {chain}", place)
        self._open.append(name)
        try:
            rendered = self.render(value, place)
        finally:
            self._open.pop()
        self._cache[name] = rendered
        return rendered


class _Lookup(Mapping[str, Any]):
    """The variables as Jinja2 sees them: rendered on access."""

    def __init__(self, templar: Templar, place: Place | None) -> None:
        self._templar = templar
        self._place = place

    def __getitem__(self, name: str) -> Any:
        return self._templar.variable(name, self._place)

    def __iter__(self) -> Iterator[str]:
        return iter(self._templar._variables)  # noqa: SLF001 - one class in two halves

    def __len__(self) -> int:
        return len(self._templar._variables)  # noqa: SLF001
