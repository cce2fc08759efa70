"""Audits in ``passthru history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.cli.table import print_table
from compiler.errors import ExitCode, JournalError

if TYPE_CHECKING:
    from compiler.audit.finding import Audited
    from compiler.audit.store import Audits
    from compiler.fleet.store import Store


def told_audits(
    store: Store, name: str | None, last: int, host: str | None = None
) -> list[dict[str, Any]]:
    """Give audits as entries of the schema ``history``: the newest, or the one of this name.

    An audit of that name comes with its routers; where there is none, there is no entry. The
    newest ones of a host come with that router.
    """
    from compiler.audit.store import Audits  # noqa: PLC0415 - keeps --help quick

    audits = Audits(store)
    if host:
        found = [(audit, audits.row(audit.number, host)) for audit in audits.listed(last, host)]
        return [{**_entry(audits, audit), "audited": [_router(row)]} for audit, row in found if row]
    if not name:
        return [_entry(audits, audit) for audit in audits.listed(last)]
    try:
        audit = audits.audit(name)
    except JournalError:
        return []
    routers = [_router(row) for row in audits.rows(audit.number)]
    return [{**_entry(audits, audit), "audited": routers}]


def _router(row: Audited) -> dict[str, Any]:
    return {
        "host": row.host,
        "target": row.target,
        "state": str(row.state),
        "findings": sorted({found.code.name for found in row.findings}),
    }


def _entry(audits: Audits, audit: Any) -> dict[str, Any]:
    counts = audits.counts(audit.number)
    return {
        "run": audit.id,
        "kind": "audit",
        "operator": audit.operator,
        "policy_sha256": audit.policy_sha256,
        "version": audit.version,
        "begun": audit.begun,
        "ended": audit.ended or None,
        "outcome": audit.outcome,
        "counts": dict(sorted(counts.items())),
        "exit": int(_exit(counts, audit.outcome)),
    }


def _exit(counts: dict[str, int], outcome: str) -> ExitCode:
    """Give the code with which the audit ended, where errors alone are bad (``--fail-on``)."""
    if outcome != "done":
        return ExitCode.INTERRUPTED
    if counts.get("failed"):
        return ExitCode.SOME_FAILED
    if counts.get("unreachable") or counts.get("skipped"):
        return ExitCode.SOME_UNREACHABLE
    return ExitCode.DIFFERENT if counts.get("wrong") else ExitCode.OK


def print_audit(entry: dict[str, Any]) -> None:
    """Print the routers of one audit."""
    rows = [
        (each["host"], each["target"], each["state"], ", ".join(each["findings"]))
        for each in entry["audited"]
    ]
    print_table(("router", "family", "state", "findings"), rows)
