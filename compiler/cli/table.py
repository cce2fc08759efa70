"""Tables: drawn with rich on a terminal, tab-separated when somebody reads them with a program."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from compiler.source.excerpt import printable


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, headed: bool = False
) -> None:
    """Print rows under a header; in a pipe, the rows alone, one a line, separated by tabs.

    ``headed``: in a pipe the header too, for a command that prints several tables.
    """
    if not sys.stdout.isatty():
        for row in [header, *rows] if headed else rows:
            click.echo("\t".join(printable(cell) for cell in row))
        return
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - only where it is looked at
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    context = click.get_current_context(silent=True)
    plain = context is not None and context.color is False
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for index, title in enumerate(header):
        table.add_column(title, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(no_color=plain, highlight=False).print(table)
