"""Options of every command, before its name or behind it: how much it says, and in colour."""

from __future__ import annotations

import copy
import os
from typing import Any

import click

_COLOUR = "Colour on terminals (auto; NO_COLOR is honoured)."


def options(*, hidden: bool = False) -> list[click.Parameter]:
    """Give the options."""

    def option(*names: str, **more: Any) -> click.Option:
        return click.Option(names, expose_value=False, hidden=hidden, **more)

    modes = click.Choice(["auto", "always", "never"])
    return [
        option("-v", "--verbose", count=True, callback=_verbose, help="Say more: notes too."),
        option("-q", "--quiet", is_flag=True, callback=_quiet, help="Say nothing but errors."),
        option("--color", type=modes, callback=_color, help=_COLOUR),
    ]


def mannerly(command: click.Command) -> click.Command:
    """Give a command that takes the options too; ``passthru --help`` alone lists them."""
    made = copy.copy(command)
    made.params = [*command.params, *options(hidden=True)]
    if isinstance(made, click.Group):
        made.commands = {name: mannerly(each) for name, each in made.commands.items()}
    return made


def verbosity() -> int:
    """Give how much to say: -1 errors only, 0 normal, 1 and more with notes."""
    context = click.get_current_context(silent=True)
    said = context.find_object(dict) if context else None
    if not said:
        return 0
    return -1 if said["quiet"] else int(said["verbose"])


def _said(context: click.Context) -> dict[str, int]:
    """Give what has been said so far, which a command shares with the program."""
    said = context.ensure_object(dict)
    said.setdefault("verbose", 0)
    said.setdefault("quiet", 0)
    return said


def _verbose(context: click.Context, option: click.Parameter, value: int) -> None:  # noqa: ARG001 - click's signature
    _said(context)["verbose"] += value


def _quiet(context: click.Context, option: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001 - same
    _said(context)["quiet"] |= value


def _color(context: click.Context, option: click.Parameter, value: str | None) -> None:  # noqa: ARG001 - same
    if value is None and context.parent is not None:
        return  # as it was said before
    color = {"always": True, "never": False}.get(value or "", _wished())
    each: click.Context | None = context
    while each is not None:
        each.color = color
        each = each.parent


def _wished() -> bool | None:
    """Give what the environment says; ``None``: as the terminal is."""
    return False if os.environ.get("NO_COLOR") else None
