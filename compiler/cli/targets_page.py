"""The support matrix as the page ``docs/targets.md``; ``make matrix`` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from compiler.build import matrix
from compiler.build.matrix import Row, Standing
from compiler.cli.targets_rows import ABILITIES, MEANING, abilities, lacking, stated
from compiler.model.protocol import Family
from compiler.model.target import Target

_HEAD = """\
# What each router family can do

Computed by `passthru targets --output markdown` from the effects of the settings that each target
finds for a plain `pass` and a plain `block` of each protocol, on the typical routers that it names.
Written by `make matrix`, held by a test. Do not edit.
"""
_TITLES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}


def page(targets: Sequence[Target[Any]], rows: Sequence[Row]) -> str:
    """Print the whole page."""
    return "".join(f"{line}\n" for line in _lines(targets, rows))


def _lines(targets: Sequence[Target[Any]], rows: Sequence[Row]) -> Iterator[str]:
    yield _HEAD
    yield from (f"- **{standing}**: {MEANING[standing]}" for standing in Standing)
    yield ""
    yield from _table(["target", "what it is"], [[t.name, t.summary] for t in targets])
    for family in Family:
        yield f"\n## {_TITLES[family]}\n"
        yield from _matrix(rows, family)
    yield "\n## The router itself\n"
    yield from _table(ABILITIES, [abilities(row) for row in rows])
    yield "\n`helper` is the state of the PPTP helper under a policy that passes PPTP."
    yield "\n## Capabilities\n"
    yield from _capabilities(targets)
    yield "\n## What deviates"
    for row in rows:
        yield f"\n### {row.name}\n"
        if stated(row):
            yield f"{_escaped(stated(row).strip(' ()'))}\n"
        yield from (f"- {_escaped(line)}" for line in lacking(row) or ["nothing"])


def _matrix(rows: Sequence[Row], family: Family) -> Iterator[str]:
    groups = matrix.alike(rows, family)
    header = ["router", *(", ".join(group) for group in groups)]
    yield from _table(
        header, [[row.name, *(_word(row, g[0], family) for g in groups)] for row in rows]
    )


def _word(row: Row, protocol: str, family: Family) -> str:
    cell = row.cells.get(protocol, {}).get(family)
    return str(cell.standing) if cell else "-"


def _capabilities(targets: Sequence[Target[Any]]) -> Iterator[str]:
    names = ("pushes", "rolls_back", "helper", "ipv6", "running_tunnels", "own_vpn")
    header = ["target", *(name.replace("_", " ") for name in names)]
    rows = [[t.name, *(getattr(t.capabilities, name) for name in names)] for t in targets]
    yield from _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
