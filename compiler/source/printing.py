"""Templates of native files: strict, so that a missing value is an error and never an empty line.

A target keeps its templates in its own folder and only prints in them; every value that a user can
choose goes through a quoting filter of the target's language.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(package: str, **filters: Callable[..., Any]) -> Environment:
    """Make the environment of the templates in ``PACKAGE/templates``, with a target's filters.

    The filter ``sh`` quotes for the shell.
    """
    return shared_environment({"": package}, **filters)


def shared_environment(packages: Mapping[str, str], **filters: Callable[..., Any]) -> Environment:
    """Make an environment of several packages: ``PREFIX/NAME`` is a template of that package."""
    import jinja2  # noqa: PLC0415 - costs 50 ms; commands that print nothing do without

    loaders = {prefix: jinja2.PackageLoader(package) for prefix, package in packages.items()}
    only = loaders.get("")
    made = jinja2.Environment(
        loader=only if only is not None else jinja2.PrefixLoader(loaders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # a template is the same as long as the program runs
        autoescape=False,  # noqa: S701 - nft, UCI, shell: no HTML
    )
    made.filters["sh"] = shlex.quote
    made.filters.update(filters)
    return made
