"""One HTML page that needs nothing else: no network, no other file, ten thousand routers.

The page holds compact JSON, and a script of its own draws from it, with ``textContent`` alone; a
content security policy lets no other script run, whatever a router or a policy is called.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from compiler.audit.kept import HOST, finding_data
from compiler.audit.reports.data import audit_data
from compiler.audit.reports.view import View
from compiler.model.finding import Code
from compiler.source.excerpt import printable

_MOST_CHANGES = 2000
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
#: What could end the element that holds the data, or a line of JavaScript.
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def write(view: View) -> Iterator[str]:
    """Give the page."""
    page = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    head, marker, tail = page.replace("@POLICY@", _policy(page)).partition("@DATA@")
    if not marker:
        raise ValueError("the page has no place for the data")
    yield head
    yield from map(_escaped, _data(view))
    yield tail


def _policy(page: str) -> str:
    sources = {
        kind: " ".join(f"'sha256-{_digest(text)}'" for text in shape.findall(page))
        for kind, shape in (("script-src", _SCRIPT), ("style-src", _STYLE))
    }
    rules = "; ".join(f"{kind} {hashes}" for kind, hashes in sources.items())
    return f"default-src 'none'; {rules}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _escaped(piece: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in piece)


def _data(view: View) -> Iterator[str]:
    """Give the JSON: texts by number, then routers as small rows that name them."""
    number = view.audit.number
    findings: dict[str, int] = {}
    protocols: dict[str, int] = {}
    cells: dict[str, int] = {}
    texts: dict[str, int] = {}
    head = {
        "audit": audit_data(view.audit),
        "before": audit_data(view.before) if view.before else None,
        "trend": [audit_data(audit) for audit in view.trend],
        "codes": {code.name: code.value for code in Code if code.name.startswith("A")},
        "host": HOST,
    }
    yield json.dumps(_printable(head)).removesuffix("}") + ', "texts": ['
    for index, (sha256, data) in enumerate(view.audits.texts(number)):
        texts[sha256] = index
        row = [
            [_index(findings, _printable(each)) for each in data["findings"]],
            {
                str(_index(protocols, name)): _index(cells, list(cell.values()))
                for name, cell in data["cells"].items()
            },
        ]
        yield (", " if index else "") + json.dumps(row, separators=(",", ":"))
    for name, table in (("findings", findings), ("protocols", protocols), ("cells", cells)):
        yield f'], "{name}": [' + ",".join(table)
    yield '], "routers": ['
    targets: dict[str, int] = {}
    states: dict[str, int] = {}
    rows = (
        [printable(host), _index(targets, target), _index(states, state), worst, texts[said]]
        for host, target, state, worst, said in view.audits.hosts(number)
    )
    yield from _joined(json.dumps(row, separators=(",", ":")) for row in rows)
    for name, table in (("targets", targets), ("states", states)):
        yield f'], "{name}": [' + ",".join(table)
    yield '], "changes": ['
    total = 0
    for total, change in enumerate(_changes(view), 1):
        if total <= _MOST_CHANGES:
            yield (", " if total > 1 else "") + json.dumps(_printable(change))
    yield f'], "changed": {total}}}'


def _index(table: dict[str, int], value: Any) -> int:
    return table.setdefault(json.dumps(value), len(table))


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    for index, piece in enumerate(pieces):
        yield f",{piece}" if index else piece


def _changes(view: View) -> Iterator[Mapping[str, Any]]:
    for difference in view.differences:
        for kind, found in (("appeared", difference.appeared), ("gone", difference.gone)):
            for each in found:
                data = finding_data(each)
                yield {
                    "host": difference.host,
                    "kind": kind,
                    **{key: data[key] for key in ("code", "severity", "message")},
                }


def _printable(data: Any) -> Any:
    """Replace what hides or turns text round, in every text of some data."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {key: _printable(value) for key, value in data.items()}
    return [_printable(each) for each in data] if isinstance(data, list) else data
