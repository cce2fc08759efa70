"""Templates of native files of toggle families."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from compiler.source.printing import shared_environment

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment(packages: tuple[str, ...]) -> Environment:
    """Build the environment: ``toggles/NAME`` is ours, ``FOLDER/NAME`` that of a package."""
    named = {name.rpartition(".")[2]: name for name in packages}
    return shared_environment({"toggles": "compiler.toggles", **named})


def shell_text(template: str, packages: tuple[str, ...], values: Mapping[str, str]) -> str:
    """Print a shell template."""
    return environment(packages).get_template(template).render(values)
