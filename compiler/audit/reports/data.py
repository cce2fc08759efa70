"""The report for programs: the schema ``audit``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from compiler.audit.compare import Difference
from compiler.audit.finding import Audited, AuditFinding
from compiler.audit.kept import cell_data, finding_data
from compiler.audit.reports.view import View
from compiler.audit.store import Audit

SCHEMA = "passthru/audit/v1"


def write(view: View) -> Iterator[str]:
    """Give the document, router by router."""
    severities = view.severities
    head = {
        "schema": SCHEMA,
        "audit": audit_data(view.audit),
        "before": audit_data(view.before) if view.before else None,
        "states": {str(state): number for state, number in sorted(view.states.items())},
        "findings": {"error": severities[3], "warning": severities[2], "info": severities[1]},
    }
    text = json.dumps(head, indent=1)
    yield text.removesuffix("\n}")
    yield from _listed("routers", map(router_data, view.rows))
    yield from _listed("changes", map(difference_data, view.differences))
    yield "\n}\n"


def _listed(name: str, items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f',\n "{name}": ['
    pieces = (json.dumps(item) for item in items)
    first = next(pieces, None)
    if first is not None:
        yield f"\n  {first}"
        yield from chain.from_iterable((",\n  ", piece) for piece in pieces)
        yield "\n "
    yield "]"


def audit_data(audit: Audit) -> dict[str, Any]:
    """Give an audit's own data."""
    return {
        "run": audit.id,
        "operator": audit.operator,
        "policy_sha256": audit.policy_sha256,
        "begun": audit.begun,
        "ended": audit.ended or None,
        "outcome": audit.outcome,
        "routers": audit.routers,
        "wrong": audit.wrong,
        "warned": audit.warned,
        "unread": audit.unread,
    }


def router_data(row: Audited) -> dict[str, Any]:
    """Give one router."""
    return {
        "host": row.host,
        "target": row.target,
        "state": str(row.state),
        "state_sha256": row.state_sha256 or None,
        "protocols": {name: cell_data(cell) for name, cell in row.cells.items()},
        "findings": [_finding(found, row.host) for found in row.findings],
    }


def difference_data(difference: Difference) -> dict[str, Any]:
    """Give what appeared and went on one router."""
    return {
        "host": difference.host,
        "target": difference.target,
        "appeared": [_finding(found, difference.host) for found in difference.appeared],
        "gone": [_finding(found, difference.host) for found in difference.gone],
    }


def _finding(found: AuditFinding, host: str) -> dict[str, Any]:
    return {**finding_data(found), "fingerprint": found.fingerprint(host)}
