"""Templates of native files: strict, and every value goes through a quoting filter."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = ("compiler.toggles", "templates")


@cache
def environment(packages: tuple[str, ...]) -> Environment:
    """Build the environment: ``toggles/NAME`` is ours, ``FOLDER/NAME`` that of a package."""
    import jinja2  # noqa: PLC0415 - costs 50 ms; commands that render nothing do without

    loaders = {name.rpartition(".")[2]: jinja2.PackageLoader(name) for name in packages}
    env = jinja2.Environment(
        loader=jinja2.PrefixLoader({"toggles": jinja2.PackageLoader(*_HERE), **loaders}),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - shell text, not HTML; values go through the sh filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["sh"] = shlex.quote
    return env


def shell_text(template: str, packages: tuple[str, ...], values: Mapping[str, str]) -> str:
    """Print a shell template."""
    return environment(packages).get_template(template).render(values)
