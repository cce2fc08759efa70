"""The Jinja2 environment behind :mod:`compiler.source.template`.

Jinja2's own sandbox keeps templates away from attributes that lead into the interpreter. This one
goes further: only the methods, filters and statements that values need are there at all, each
evaluation gives the same result every time, and everything that can take long or grow
is paid for in steps (:mod:`compiler.source.budget`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.nativetypes import NativeEnvironment
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import _PassArg

from compiler.errors import TemplateError
from compiler.model.finding import Code, Place
from compiler.source.budget import (
    MAX_BITS,
    STEPS,
    OverBudgetError,
    Steps,
    bounded,
    charge,
    growth,
    metered,
    plain,
    size,
)

MAX_TEXT = 20_000
#: Not here: HTML, chance (output is stable to the byte), other roads to attributes.
_NO_FILTERS = (
    "attr", "e", "escape", "filesizeformat", "forceescape", "pprint", "random", "safe",
    "striptags", "urlize", "wordwrap", "xmlattr",
)  # fmt: skip
#: Filters and methods whose result can be as large as their operands multiplied.
_GROWING = frozenset((
    "batch", "center", "format", "indent", "join", "ljust", "replace", "rjust", "round", "slice",
    "tojson", "truncate", "zfill",
))  # fmt: skip
_STRING = frozenset((
    "capitalize", "casefold", "center", "count", "endswith", "find", "index", "isalnum",
    "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle",
    "isupper", "join", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix",
    "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
))  # fmt: skip
_LOOP = frozenset((
    "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length",
    "nextitem", "previtem", "revindex", "revindex0",
))  # fmt: skip
#: The attributes that there are, by type of the object.
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _STRING),
    (dict, frozenset(("get", "items", "keys", "values"))),
    (tuple, frozenset(("count", "index", "grouper", "list"))),
    (list, frozenset(("count", "index"))),
    (LoopContext, _LOOP),
)
_STATEMENTS = (
    nodes.Output, nodes.If, nodes.For, nodes.Assign, nodes.AssignBlock, nodes.With,
    nodes.FilterBlock, nodes.ExprStmt,
)  # fmt: skip
_FORMAT = re.compile(r"%(?:\((?P<key>[^)]*)\))?[-+ #0]*(?P<width>[\d*]*)(?:\.(?P<digits>[\d*]*))?")


class _Sandbox(ImmutableSandboxedEnvironment, NativeEnvironment):
    """Sandboxed, strict about undefined variables, keeps native types, metered."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True)
        for name in _NO_FILTERS:
            del self.filters[name]
        for name in ("lipsum", "cycler", "joiner", "namespace"):
            del self.globals[name]
        self.filters |= {name: _paid(name, made) for name, made in self.filters.items()}
        tests: dict[str, Any] = dict(self.tests)
        self.tests |= {name: _paid(name, made) for name, made in tests.items()}
        self.filters |= {"-paid": _pay, "-metered": pass_context(_meter), "-joined": _join}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for statement in tree.find_all(nodes.Stmt):
            if not isinstance(statement, _STATEMENTS):
                word = type(statement).__name__.lower()
                raise SecurityError(f"'{word}' is not allowed in a value")
        _meter_tree(tree)
        return tree

    @staticmethod
    def concat(values: Any) -> str:
        """Join the body of ``{% set x %}`` and ``{% filter %}`` blocks."""
        return _joined(list(values))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - Jinja2's signature
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS)

    def wrap_str_format(self, value: Any) -> None:
        """Give no ``str.format``: its nested widths cannot be bounded; the filter's can."""

    # The names are Jinja2's: they must not clash with keyword arguments.
    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063
        bound = getattr(__obj, "__self__", None)
        charge(bound, args, kwargs)
        if isinstance(bound, str) and __obj.__name__ in _GROWING:
            growth(bound, (*args, *kwargs.values()))
        result = super().call(__context, __obj, *args, **kwargs)
        charge(result)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        charge(left, right)
        if operator == "%" and isinstance(left, str):
            raise SecurityError("formatting with % is not allowed; use ~ or the format filter")
        if operator in ("*", "**") and isinstance(right, int):
            _multiplied(operator, left, right)
        elif operator == "*" and isinstance(left, int):
            _multiplied(operator, right, left)
        result = super().call_binop(context, operator, left, right)
        charge(result)
        return result


def _multiplied(operator: str, thing: Any, times: int) -> None:
    if isinstance(thing, int):
        many = max(times, 1) if operator == "**" else 1
        if thing.bit_length() * many > MAX_BITS:
            raise OverBudgetError(f"a number of more than {MAX_BITS:,} bits")
    elif not isinstance(thing, float):
        bounded(size(thing) * max(times, 0))


def _meter_tree(tree: nodes.Template) -> None:
    """Wrap every part of a template whose cost depends on the values at run time."""
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise SecurityError("'recursive' loops are not allowed in a value")
        weight = sum(1 for _ in loop.find_all(nodes.Node))
        loop.iter = _through("-metered", loop.iter, nodes.Const(weight))
    for output in tree.find_all(nodes.Output):
        output.nodes = [_through("-paid", node) for node in output.nodes]
    for comparison in tree.find_all(nodes.Compare):
        comparison.expr = _through("-paid", comparison.expr)
        for operand in comparison.ops:
            operand.expr = _through("-paid", operand.expr)
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.arg, nodes.Slice):
            item.node = _through("-paid", item.node)
        else:
            item.arg = _through("-paid", item.arg)
    for pair in tree.find_all(nodes.Pair):
        pair.key = _through("-paid", pair.key)
    for concat in tree.find_all(nodes.Concat):
        concat.nodes = [_through("-joined", nodes.List(concat.nodes, lineno=concat.lineno))]


def _through(name: str, node: Any, *args: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.TemplateData):
        return node
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


@pass_context
def _pay(_context: Context, value: Any) -> Any:
    charge(value)
    return value


def _meter(_context: Context, items: Any, weight: int) -> Iterator[Any]:
    return metered(items, weight)


@pass_context
def _join(_context: Context, values: list[Any]) -> str:
    return _joined(values)


def _joined(values: list[Any]) -> str:
    values = [plain(value) for value in values]
    charge(values)
    return "".join(map(str, values))


def _paid(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter or test: its operands and its result are paid for.

    What takes the context is not evaluated while a template is compiled, so the budget holds.
    """
    wants = _PassArg.from_obj(original)

    @pass_context
    def paid(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        charge(value, args, kwargs)
        if name in _GROWING:
            growth(value, (*args, *kwargs.values()))
        if name == "format":
            _check_format(value)
        if name == "sum":
            _check_start(*args, **kwargs)
        result = original(*_leading(wants, context), value, *args, **kwargs)
        if isinstance(result, Iterator):
            return metered(result)
        charge(result)
        return result

    return paid


def _leading(wants: _PassArg | None, context: Context) -> tuple[Any, ...]:
    if wants is _PassArg.context:
        return (context,)
    if wants is _PassArg.eval_context:
        return (context.eval_ctx,)
    return (context.environment,) if wants is _PassArg.environment else ()


def _check_start(attribute: object = None, start: object = 0) -> None:  # noqa: ARG001
    if not isinstance(start, int | float):
        raise SecurityError("'sum' adds numbers only")


def _check_format(text: Any) -> None:
    for found in _FORMAT.finditer(str(text)):
        for width in (found["width"], found["digits"] or ""):
            if "*" in width or len(width) > 3:
                raise OverBudgetError("a format with a huge width")


_ENVIRONMENT = _Sandbox()


def evaluate(text: str, variables: Mapping[str, Any], place: Place | None) -> Any:
    """Evaluate one template text.

    Raises:
        TemplateError: with the place of the value that holds the template.
    """
    fail = partial(TemplateError.of, place=place)
    token = STEPS.set(Steps())
    try:
        return _evaluated(text, variables)
    except TemplateError:
        raise
    except UndefinedError as error:
        hint = "define it in the inventory or with -e"
        raise fail(Code.V301, f"{error.message}", hint=hint) from None
    except TemplateSyntaxError as error:
        raise fail(Code.V302, f"template: {error.message}") from None
    except SecurityError as error:
        raise fail(Code.V303, f"template: {error.message}") from None
    except (OverBudgetError, RecursionError, MemoryError, OverflowError) as error:
        text = f"the template does not end or grows too large ({error})"
        raise fail(Code.V304, text) from None
    except _MISTAKES as error:
        raise fail(Code.V302, f"template: {error}") from None
    finally:
        STEPS.reset(token)


#: What Jinja2 and the operators raise for templates that make no sense (``SyntaxError`` is
#: Python's, for blocks nested too deeply).
_MISTAKES = (
    JinjaError, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip


def _evaluated(text: str, variables: Mapping[str, Any]) -> Any:
    if len(text) > MAX_TEXT:
        raise OverBudgetError(f"a template of more than {MAX_TEXT:,} characters")
    template = _ENVIRONMENT.from_string(text)
    context = template.new_context(_Names(variables), shared=True)  # type: ignore[arg-type]
    pieces = []
    total = 0
    for piece in template.root_render_func(context):
        value = plain(piece)
        total += size(value)
        bounded(total)
        pieces.append(value)
    if len(pieces) == 1:
        return pieces[0]
    return "".join(map(str, pieces))


class _Names(Mapping[str, Any]):
    """The variables, looked up when they are used; behind them, what Jinja2 itself offers."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        try:
            return self._variables[name]
        except KeyError:
            return _ENVIRONMENT.globals[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**_ENVIRONMENT.globals, **dict.fromkeys(self._variables)})

    def __len__(self) -> int:
        return sum(1 for _ in self)
