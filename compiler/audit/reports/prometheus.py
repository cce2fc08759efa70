"""Prometheus' text format, for the textfile collector of node_exporter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from compiler.audit.finding import State
from compiler.audit.reports.view import View
from compiler.model.finding import Severity


def write(view: View) -> Iterator[str]:
    """Give the samples; labels with a few values each, and one series a router."""
    audit = view.audit
    yield from _head("passthru_audit_timestamp_seconds", "When the audit ended.")
    stamp = datetime.fromisoformat(audit.ended or audit.begun).timestamp()
    yield f"passthru_audit_timestamp_seconds {stamp:.0f}\n"
    yield from _head("passthru_audit_routers", "Routers by what became of their audit.")
    counts = view.states
    for state in State:
        yield f'passthru_audit_routers{{state="{state}"}} {counts[state]}\n'
    yield from _head("passthru_audit_findings", "Findings by code and severity.")
    findings: Counter[tuple[str, str]] = Counter()
    protocols: Counter[tuple[str, str]] = Counter()
    for group in view.groups:
        for found in group.audited.findings:
            findings[found.code.name, found.severity.word] += group.number
        for name, cell in group.audited.cells.items():
            protocols[name, str(cell.standing)] += group.number
    for (code, severity), number in sorted(findings.items()):
        yield f'passthru_audit_findings{{code="{code}",severity="{severity}"}} {number}\n'
    yield from _head("passthru_audit_protocols", "Routers by protocol and how it stands there.")
    for (name, standing), number in sorted(protocols.items()):
        labels = f'protocol="{_label(name)}",standing="{standing}"'
        yield f"passthru_audit_protocols{{{labels}}} {number}\n"
    yield from _head("passthru_audit_router_errors", "Findings that are errors, by router.")
    for row in view.rows:
        errors = sum(found.severity is Severity.ERROR for found in row.findings)
        labels = f'host="{_label(row.host)}",target="{_label(row.target)}"'
        yield f"passthru_audit_router_errors{{{labels}}} {errors}\n"


def _head(name: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"


def _label(text: str) -> str:
    shown = text.encode("utf-8", "replace").decode()
    return shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
