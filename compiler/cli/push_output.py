"""What a run prints on standard output: a stream of JSON, or differences and a summary."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from compiler.cli.manners import verbosity
from compiler.cli.table import print_table
from compiler.device.job import Change, Result, State
from compiler.fleet.events import (
    FAILURES,
    Begins,
    Event,
    Stops,
    Summary,
    Watcher,
    WaveBegins,
)
from compiler.fleet.journal import changes_data, finding_data
from compiler.fleet.work import Told
from compiler.model.finding import Severity
from compiler.model.step import StepName
from compiler.source.excerpt import printable

SCHEMA = "passthru/push-event/v1"
_NAMES = 4
_DIFFERENT = frozenset({State.CHANGED, State.WOULD_CHANGE})
_MEANING: Mapping[State, str] = {
    State.CHANGED: "new settings, verified and confirmed",
    State.UNCHANGED: "as wanted before; nothing written",
    State.WOULD_CHANGE: "a push would change them; nothing written",
    State.REFUSED: "stopped before anything was written",
    State.FAILED: "old settings, read back",
    State.ROLLED_BACK: "old settings again, read back",
    State.UNREACHABLE: "no session; nothing written",
    State.UNCLEAR: "look at them; what is armed reverts by itself",
    State.SKIPPED: "never begun",
}


def names(hosts: Sequence[str], most: int = _NAMES) -> str:
    """Give the first names, and how many more there are."""
    shown = ", ".join(printable(host) for host in hosts[:most])
    return f"{shown} and {len(hosts) - most} more" if len(hosts) > most else shown


def together(*watchers: Watcher) -> Watcher:
    """Make one watcher of several; they are told in this order."""

    def tell(event: Event) -> None:
        for watcher in watchers:
            watcher(event)

    return tell


class Diffs:
    """Collects equal changes with the routers that they are about."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        """``targets`` gives each router's family."""
        self._targets = targets
        self._groups: dict[tuple[str, tuple[Change, ...]], list[str]] = {}

    def __call__(self, event: Event) -> None:
        """Take one router's changes."""
        if isinstance(event, Result) and event.changes and event.state in _DIFFERENT:
            key = (self._targets[event.host], event.changes)
            self._groups.setdefault(key, []).append(event.host)

    def print(self) -> None:
        """Print each group of changes once, routers in their order."""
        order = {host: number for number, host in enumerate(self._targets)}
        for (target, changes), hosts in self._groups.items():
            click.secho(f"{target}: {names(sorted(hosts, key=order.__getitem__))}", bold=True)
            for change in changes:
                print_change(change.item, change.before, change.after)


def print_change(item: str, before: str | None, after: str | None) -> None:
    """Print one setting as lines of a diff."""
    if before is not None:
        click.secho(f"  - {printable(item)}: {printable(before)}", fg="red")
    if after is not None:
        click.secho(f"  + {printable(item)}: {printable(after)}", fg="green")


class JsonLines:
    """Writes every event as one line of JSON, at once."""

    def __init__(self, *, check: bool) -> None:
        """``check``: the run writes nothing."""
        self._check = check
        self._run = ""

    def __call__(self, event: Event) -> None:
        """Write one event."""
        match event:
            case Begins():
                self._run = event.run
                sizes = [len(wave) for wave in event.waves]
                done = event.done_before
                self._write("begin", check=self._check, waves=sizes, done_before=done)
            case WaveBegins():
                self._write("wave", wave=event.number, routers=len(event.hosts))
            case Told(step=StepName() as step):
                self._write("step", host=event.host, step=str(step))
            case Result():
                self._write("result", **_result_data(event))
            case Stops():
                finding = finding_data(event.reason)
                self._write("stop", finding=finding, running=event.running)
            case Summary():
                counts = {str(state): number for state, number in sorted(event.counts.items())}
                self._write("end", counts=counts, exit_code=int(event.exit_code))

    def _write(self, event: str, **data: Any) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = {"schema": SCHEMA, "event": event, "run": self._run, "time": time}
        click.echo(json.dumps(head | data))
        sys.stdout.flush()


def _result_data(result: Result) -> dict[str, Any]:
    return {
        "host": result.host,
        "state": str(result.state),
        "step": str(result.step) if result.step else None,
        "seconds": round(result.seconds, 3),
        "changes": changes_data(result.changes),
        "findings": [finding_data(finding) for finding in result.findings],
        "before_sha256": result.before.sha256 if result.before else None,
        "after_sha256": result.after.sha256 if result.after else None,
    }


def result_lines(result: Result) -> list[str]:
    """Say what became of a router: the state, and each finding with its way out."""
    at = f" at {result.step}" if result.step and result.state in FAILURES else ""
    lines = [f"{printable(result.host)}: {result.state}{at}"]
    for finding in result.findings:
        if finding.severity > Severity.INFO or verbosity() > 0:
            lines.append(f"  {finding.code.name} {printable(finding.message)}")
            lines += [f"    = {printable(finding.hint)}"] if finding.hint else []
    return lines


def print_summary(summary: Summary) -> None:
    """Print the end of a run as a table."""
    rows = []
    for state in State:
        number = summary.counts[state]
        if number:
            hosts = sorted(host for host, ended in summary.failed if ended is state)
            rows.append((str(state), str(number), names(hosts) or _MEANING[state]))
    if summary.done_before:
        rows.append(("done before", str(summary.done_before), "left alone because of --resume"))
    print_table(("state", "routers", "which"), rows)
