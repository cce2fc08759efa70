"""JUnit XML: one suite for each router, one case for each protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from compiler.audit.finding import Audited, AuditFinding, State
from compiler.audit.reports.view import View
from compiler.model.finding import Severity

_ROUTER = "the router"


def write(view: View) -> Iterator[str]:
    """Give the document, suite by suite."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f"<testsuites name={_attribute('passthru audit ' + view.audit.id)}>\n"
    for row in view.rows:
        yield from _suite(row)
    yield "</testsuites>\n"


def _suite(row: Audited) -> Iterator[str]:
    by_protocol: dict[str, list[AuditFinding]] = {name: [] for name in row.cells}
    for found in row.findings:
        name = found.protocol if found.protocol in row.cells else _ROUTER
        by_protocol.setdefault(name, []).append(found)
    by_protocol = by_protocol or {_ROUTER: []}
    unread = row.state is not State.JUDGED
    failed = sum(_fails(found) for found in by_protocol.values()) if not unread else 0
    errors = len(by_protocol) if unread else 0
    yield (
        f'<testsuite name={_attribute(row.host)} tests="{len(by_protocol)}" '
        f'failures="{failed}" errors="{errors}" skipped="0">\n'
    )
    for name, findings in by_protocol.items():
        head = f" <testcase classname={_attribute(row.host)} name={_attribute(name)}"
        bad = [found for found in findings if found.severity is Severity.ERROR]
        if unread:
            code = findings[0].code.name if findings else str(row.state)
            yield head + f"><error type={_attribute(code)} message={_attribute(str(row.state))}>"
            yield f"{_text(_told(findings))}</error></testcase>\n"
        elif bad:
            yield head + f"><failure type={_attribute(bad[0].code.name)} "
            yield f"message={_attribute(bad[0].message)}>{_text(_told(findings))}</failure>"
            yield "</testcase>\n"
        elif findings:
            yield head + f"><system-out>{_text(_told(findings))}</system-out></testcase>\n"
        else:
            yield head + "/>\n"
    yield "</testsuite>\n"


def _fails(findings: Sequence[AuditFinding]) -> bool:
    return any(found.severity is Severity.ERROR for found in findings)


def _told(findings: Sequence[AuditFinding]) -> str:
    lines = []
    for found in findings:
        lines.append(f"{found.severity.word}[{found.code.name}] {found.message}")
        lines += [f"  policy: {found.place}"] if found.place else []
        lines += [f"  because: {because}" for because in found.evidence]
        lines += [f"  setting: {setting}" for setting in found.settings]
        lines += [f"  to mend: {found.mend}"] if found.mend else []
    return "\n".join(lines)


def _allowed(text: str) -> str:
    """Leave out what XML 1.0 cannot hold at all."""
    return "".join(
        char if char in "\t\n" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd"
        or char >= "\U00010000" else "\ufffd"
        for char in text
    )  # fmt: skip


def _text(text: str) -> str:
    return escape(_allowed(text))


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text))
