"""``passthru targets``: the support matrix, computed from the effects; or one target in detail."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

import click

from compiler.build import matrix
from compiler.build.matrix import Cell, Gap, Row, Standing, Trial
from compiler.build.registry import Registry, installed
from compiler.cli.options import output_option
from compiler.cli.table import print_table
from compiler.errors import ExitCode, TargetError
from compiler.model.finding import Code
from compiler.model.protocol import Family
from compiler.model.target import Target

#: Short words for the overview, which has 80 columns for eight and more.
SHORT = {
    Standing.EXACT: "yes",
    Standing.DEVIATES: "part",
    Standing.BY_ITSELF: "self",
    Standing.IMPOSSIBLE: "no",
    Standing.UNKNOWN: "?",
}
MEANING = {
    Standing.EXACT: "both a pass and a block hold for every packet",
    Standing.DEVIATES: "one of them holds in part, or leaves or takes something else",
    Standing.BY_ITSELF: "nothing is set, it passes anyway; a block is impossible",
    Standing.IMPOSSIBLE: "neither can be had",
    Standing.UNKNOWN: "nobody has read or stated what decides it",
}
PROBLEMS = {
    Code.D501: "open",
    Code.D502: "blocked",
    Code.D503: "without the NAT helper",
    Code.D504: "unknown",
    Code.D505: "running tunnels survive",
    Code.T406: "besides",
}


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
        from compiler.cli.targets_page import page  # noqa: PLC0415

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


#: Computed from the procedures and from what the settings of a pass do.
ABILITIES = ("router", "read", "write", "push", "rollback", "helper", "IPv6")


def abilities(row: Row) -> tuple[str, ...]:
    """Give the cells of one router's row, below :data:`ABILITIES`."""
    yes = {True: "yes", False: "no"}
    reads, writes = yes[row.capabilities.reads], yes[row.capabilities.writes]
    push = "by hand" if row.transport == "file" else row.transport
    return (row.name, reads, writes, push, yes[row.rolls_back], str(row.helper), str(row.ipv6))


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
    print_table(("capability", ""), [(key.replace("_", " "), _word(value)) for key, value in told])
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


def stated(row: Row) -> str:
    """Say which facts and options make the router of a row."""
    facts = [f"{key} {_plain(value)}" for key, value in row.device.facts.items()]
    options = [f"passthru_{key} {_plain(value)}" for key, value in row.device.options.items()]
    return f" ({', '.join([*facts, *options])})" if facts or options else ""


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return _word(value)


def _both(by: Mapping[Family, Cell]) -> tuple[str, str]:
    four, six = (str(by[family].standing) if family in by else "-" for family in Family)
    return four, six


def lacking(row: Row) -> tuple[str, ...]:
    """Say what a pass or a block does not get: those with the same reason in one line."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for protocol, action, family, problem, reason, flows in _lacking(row):
        key = (action, problem, reason)
        found.setdefault(key, {}).update(dict.fromkeys((f"{f} {family}" for f in flows), None))
        if not flows:
            found[key][protocol] = None
    lines = []
    for (action, problem, reason), about in found.items():
        what = ", ".join(_families_joined(about))
        lines.append(f"{action}: {what}: {problem} ({reason})")
    return tuple(lines)


def _families_joined(about: Mapping[str, None]) -> Iterator[str]:
    """Write a flow that is concerned in both address families once, without them."""
    done: set[str] = set()
    for each in about:
        flow, _, family = each.partition(" ")
        both = all(f"{flow} {one}" in about for one in Family)
        if flow not in done:
            yield flow if both or not family else f"{flow} over {family}"
        if both:
            done.add(flow)


def _lacking(row: Row) -> Iterator[tuple[str, str, Family, str, str, tuple[str, ...]]]:
    for protocol, by in row.cells.items():
        for family, cell in by.items():
            if cell.standing is Standing.BY_ITSELF:
                continue
            for action, trial in (("pass", cell.passes), ("block", cell.blocks)):
                if trial is None:
                    continue
                if trial.refused:
                    yield protocol, action, family, "refused", trial.refused, ()
                for gap in trial.gaps:
                    reason = "; ".join(gap.because)
                    yield protocol, action, family, PROBLEMS[gap.code], reason, gap.flows


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


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
