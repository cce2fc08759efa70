"""``passthru targets``: the support matrix, computed from the effects; or one target in detail."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import click

from compiler.build import matrix
from compiler.build.matrix import Cell, Gap, Row, Standing, Trial
from compiler.build.registry import Registry, installed
from compiler.cli.options import output_option
from compiler.cli.table import print_table
from compiler.cli.targets_page import page
from compiler.cli.targets_rows import ABILITIES, MEANING, SHORT, abilities, lacking, stated, word
from compiler.errors import ExitCode, TargetError
from compiler.model.protocol import Family
from compiler.model.target import Target


@click.command("targets")
@click.argument("name", required=False)
@output_option("text", "json", "markdown")
def targets_command(name: str | None, output: str) -> int:
    """Say what each router family can do with each protocol; with NAME, all about one."""
    registry = installed()
    found: list[tuple[Target[Any], tuple[Row, ...]]] = []
    broken: list[TargetError] = []
    for each in [name] if name else registry.names:
        try:
            target = registry.get(each)
            found.append((target, matrix.rows(target)))
        except TargetError as error:
            broken.append(error)
    if output == "json":
        data = [_data(registry, target, rows) for target, rows in found]
        click.echo(json.dumps({"schema": "passthru/targets/v1", "targets": data}, indent=1))
    elif output == "markdown":
        click.echo(page([target for target, _ in found], _all(found)), nl=False)
    elif name and found:
        _describe(registry, *found[0])
    elif found:
        _overview(found)
    if broken:
        raise TargetError([finding for error in broken for finding in error.findings])
    return ExitCode.OK


def _all(found: Sequence[tuple[Target[Any], tuple[Row, ...]]]) -> list[Row]:
    return [row for _, rows in found for row in rows]


# -- text


def _overview(found: Sequence[tuple[Target[Any], tuple[Row, ...]]]) -> None:
    print_table(("target", "what it is"), [(target.name, target.summary) for target, _ in found])
    rows = _all(found)
    groups = matrix.alike(rows, Family.IPV4)
    titles = headings(groups)
    columns = ["router", *titles, "IPv6"]
    cells = [
        (row.name, *(_short(row, group[0]) for group in groups), SHORT[row.ipv6]) for row in rows
    ]
    _titled("What a plain pass and a plain block come to over IPv4, and all over IPv6:")
    _whole_table(columns, cells)
    for standing in Standing:
        click.echo(f"  {SHORT[standing]:6}{standing}: {MEANING[standing]}")
    for title, group in zip(titles, groups, strict=True):
        if len(group) > 1:
            click.echo(fill(f"  {title}: {', '.join(group)}", 80, subsequent_indent="  "))
    _titled("What can be done with the router itself:")
    _whole_table(ABILITIES, [abilities(row) for row in rows])
    click.echo("\n`passthru targets NAME` tells what deviates, and which variables it reads.")


def headings(groups: Sequence[Sequence[str]]) -> list[str]:
    """Give a short heading for each group of protocols; the largest one is the others."""
    largest = max(groups, key=len)
    return [
        "others" if group is largest and len(group) > 1 else "+".join(group) for group in groups
    ]


def _short(row: Row, protocol: str) -> str:
    cell = row.cells.get(protocol, {}).get(Family.IPV4)
    return SHORT[cell.standing] if cell else "-"


def _titled(text: str) -> None:
    click.echo(f"\n{text}\n")


def _whole_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; in a pipe with its header too, for several follow one another."""
    print_table(header, rows, headed=True)


def _describe(registry: Registry, target: Target[Any], rows: Sequence[Row]) -> None:
    click.echo(f"{target.name}: {target.summary}\nfrom {registry.distribution(target.name)}\n")
    capabilities = target.capabilities
    told = [(key, getattr(capabilities, key)) for key in capabilities.__slots__]
    print_table(("capability", ""), [(key.replace("_", " "), word(value)) for key, value in told])
    if target.options():
        click.echo("\nVariables it reads:")
        variables = [(_variable(key), text) for key, text in target.options().items()]
        print_table(("variable", "meaning"), variables)
    for row in rows:
        _titled(f"{row.name}{stated(row)}")
        protocols = [(id_, *_both(by)) for id_, by in row.cells.items()]
        print_table(("protocol", "IPv4", "IPv6"), protocols, headed=True)
        for line in lacking(row):
            click.echo(f"- {line}")


def _both(by: Mapping[Family, Cell]) -> tuple[str, str]:
    four, six = (str(by[family].standing) if family in by else "-" for family in Family)
    return four, six


def _variable(option: str) -> str:
    group, _, name = option.partition(".")
    return f"passthru_facts: {name}" if group == "facts" else f"passthru_{option}"


# -- JSON


def _data(registry: Registry, target: Target[Any], rows: Sequence[Row]) -> dict[str, Any]:
    capabilities = target.capabilities
    return {
        "name": target.name,
        "summary": target.summary,
        "distribution": registry.distribution(target.name),
        "capabilities": {key: getattr(capabilities, key) for key in capabilities.__slots__},
        "options": dict(target.options()),
        "routers": [_router(row) for row in rows],
    }


def _router(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "facts": dict(row.device.facts),
        "options": dict(row.device.options),
        "transport": row.transport,
        "rolls_back": row.rolls_back,
        "helper": str(row.helper),
        "ipv6": str(row.ipv6),
        "protocols": {
            id_: {str(family): _cell(cell) for family, cell in by.items()}
            for id_, by in row.cells.items()
        },
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "standing": str(cell.standing),
        "pass": _trial(cell.passes),
        "block": _trial(cell.blocks),
    }


def _trial(trial: Trial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {
        "standing": str(trial.standing),
        "refused": trial.refused,
        "gaps": [_gap(gap) for gap in trial.gaps],
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"code": gap.code.name, "flows": list(gap.flows), "because": list(gap.because)}
