"""``passthru history``: what the journal holds, pushes and audits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.history_audits import print_audit, told_audits
from compiler.cli.options import output_option
from compiler.cli.push_options import journal_folder, journal_option
from compiler.cli.table import print_table
from compiler.errors import ExitCode, UsageError
from compiler.model.finding import Code

if TYPE_CHECKING:
    from compiler.fleet.history import History, Record, Run

SCHEMA = "passthru/history/v1"


@click.command("history")
@click.argument("host", required=False)
@click.option("--run", "name", metavar="RUN", help="One run with all its routers.")
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, help="So many runs (20).")
@click.option("--diff", is_flag=True, help="Show what changed.")
@journal_option
@output_option("text", "json")
def history_command(
    host: str | None,
    name: str | None,
    last: int,
    diff: bool,  # noqa: FBT001
    journal: str | None,
    output: str,
) -> int:
    """Say who pushed or audited what when, and what came of it.

    With HOST, what pushes did to one router, and what audits found there.
    """
    from compiler.fleet.history import History  # noqa: PLC0415 - keeps --help quick
    from compiler.fleet.store import NAME, Store  # noqa: PLC0415

    if host and name:
        raise UsageError.of(Code.U801, "give HOST or --run RUN, not both")
    folder = journal_folder(journal)
    if not (folder / NAME).exists():
        if output == "json":
            click.echo(json.dumps({"schema": SCHEMA, "runs": []}, indent=1))
        else:
            click.echo(
                f"{folder} holds no journal: nothing was pushed or audited from here", err=True
            )
        return ExitCode.OK
    store = Store(folder)
    try:
        history = History(store)
        audits = told_audits(store, name, last, host)
        if name:
            runs = [] if audits else [history.run(name)]
        else:
            runs = list(history.runs(host=host or "", limit=last))
        if output == "json":
            _print_json(history, runs, audits, host, name, last)
        elif host or (runs and name):
            _print_records(history, runs, audits, host, last, diff=diff)
        elif name:
            print_audit(audits[0])
        else:
            _print_runs(runs, audits, last)
    finally:
        store.close()
    return ExitCode.OK


def _print_runs(runs: list[Run], audits: list[dict[str, Any]], last: int) -> None:
    every = _newest([*map(_run_data, runs), *audits])[:last]
    rows = [
        (
            *(entry["run"], entry["kind"], entry["outcome"], _counts(entry["counts"])),
            *(entry["operator"], entry["policy_sha256"][:8]),
        )
        for entry in every
    ]
    print_table(("run", "what", "outcome", "routers", "who", "policy"), rows)


def _newest(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort by second; runs of one second stay as the journal has them, the newest first."""
    return sorted(entries, key=lambda entry: entry["begun"], reverse=True)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


def _records(history: History, run: Run, host: str | None) -> list[Record]:
    if host:
        found = history.record(run.id, host)
        return [found] if found else []
    return list(history.records(run.id))


def _print_records(
    history: History,
    runs: list[Run],
    audits: list[dict[str, Any]],
    host: str | None,
    last: int,
    *,
    diff: bool,
) -> None:
    """Print the routers of one run, or what happened to one router, audits among it."""
    from compiler.cli.push_output import print_change  # noqa: PLC0415

    records = [record for run in runs for record in _records(history, run, host)]
    rows = [
        (
            record.run if host else record.host,
            str(record.state),
            record.step,
            record.ended or record.begun,
            "; ".join(f"{f['code']} {f['message']}" for f in record.findings),
        )
        for record in records
    ]
    rows += [
        (audit["run"], router["state"], "audit", audit["ended"] or audit["begun"],
         ", ".join(router["findings"]))
        for audit in audits for router in audit["audited"]
    ]  # fmt: skip
    if audits:
        rows = sorted(rows, key=lambda row: row[3], reverse=True)[:last]
    print_table(("run" if host else "router", "state", "step", "when", "findings"), rows)
    for record in records if diff else ():
        if record.changes:
            click.secho(f"{record.run} {record.host}", bold=True)
            for change in record.changes:
                print_change(change["item"], change["before"], change["after"])


def _print_json(
    history: History,
    runs: list[Run],
    audits: list[dict[str, Any]],
    host: str | None,
    name: str | None,
    last: int,
) -> None:
    data = list(audits)
    for run in runs:
        entry = _run_data(run)
        if host or name:
            records = _records(history, run, host)
            entry["routers"] = [_record_data(history, r, texts=bool(host)) for r in records]
        data.append(entry)
    shown = data if name else _newest(data)[:last]
    click.echo(json.dumps({"schema": SCHEMA, "runs": shown}, indent=1))


def _run_data(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "kind": str(run.kind),
        "operator": run.operator,
        "policy_sha256": run.policy_sha256,
        "version": run.version,
        "begun": run.begun,
        "ended": run.ended or None,
        "outcome": str(run.outcome),
        "counts": {str(state): number for state, number in sorted(run.counts.items())},
    }


def _record_data(history: History, record: Record, *, texts: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "host": record.host,
        "target": record.target,
        "state": str(record.state),
        "step": record.step or None,
        "begun": record.begun or None,
        "ended": record.ended or None,
        "seconds": record.seconds,
        "bundle_sha256": record.bundle_sha256,
        "before_sha256": record.before_sha256 or None,
        "after_sha256": record.after_sha256 or None,
        "changes": list(record.changes),
        "findings": list(record.findings),
    }
    if texts:
        data["before"] = history.text(record.before) if record.before else None
        data["after"] = history.text(record.after) if record.after else None
    return data
