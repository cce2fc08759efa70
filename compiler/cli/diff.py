"""``passthru diff``: which settings of routers differ from those that the policy asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.manners import verbosity
from compiler.cli.options import output_option, site_options
from compiler.cli.push_options import crew, push_options, reach_options
from compiler.errors import ExitCode
from compiler.source.excerpt import printable

if TYPE_CHECKING:
    from compiler.audit.run import Auditor, Wanted
    from compiler.device.job import Change
    from compiler.fleet.events import Event

SCHEMA = "passthru/diff/v1"
_NAMES = 5
_Take = Callable[["Wanted", "Sequence[Change] | None", str, str], None]


@click.command("diff")
@site_options
@click.option("--from", "saved", metavar="DIR", help="Saved answers instead of live routers.")
@click.option("--exit-code", is_flag=True, help="Exit 2 if anything differs.")
@reach_options
@output_option("text", "json")
def diff_command(saved: str | None, exit_code: bool, output: str, **options: Any) -> int:  # noqa: FBT001
    """Compare settings on routers with those that the policy compiles to.

    What is not managed is not mentioned, and equal differences are shown once with their routers.
    Nothing is written anywhere.
    """
    from compiler.cli.audit import load_auditor  # noqa: PLC0415 - keeps --help quick

    auditor = load_auditor(options, healthy=False)
    found = _Differences()
    interrupted = False
    if saved is not None:
        _saved(auditor, Path(saved), found.take)
    else:
        interrupted = _live(auditor, options, found.take)
    found.print(output)
    if interrupted:
        return ExitCode.INTERRUPTED
    return found.exit_code(differ=exit_code)


class _Differences:
    """Equal differences with the routers that they are about."""

    def __init__(self) -> None:
        """Begin with none."""
        self.groups: dict[
            tuple[str, tuple[tuple[str, str | None, str | None], ...]], list[str]
        ] = {}
        self.problems: dict[tuple[str, str], list[str]] = {}
        self.same = 0

    def take(self, wanted: Wanted, changes: Sequence[Change] | None, state: str, why: str) -> None:
        """Take one router; without changes, why nobody knows any."""
        if changes is None:
            self.problems.setdefault((state, why), []).append(wanted.host)
        elif changes:
            key = (wanted.target, tuple(map(_redacted, changes)))
            self.groups.setdefault(key, []).append(wanted.host)
        else:
            self.same += 1

    def exit_code(self, *, differ: bool) -> ExitCode:
        """Failed routers first, then those that were not reached, then differences."""
        states = {state for state, _ in self.problems}
        if "failed" in states:
            return ExitCode.SOME_FAILED
        if states:
            return ExitCode.SOME_UNREACHABLE
        return ExitCode.DIFFERENT if differ and self.groups else ExitCode.OK

    def print(self, form: str) -> None:
        """Print it all."""
        if form == "json":
            click.echo(json.dumps(self._data(), indent=1))
            return
        for (target, changes), hosts in self.groups.items():
            click.secho(f"{target}: {_names(hosts)}", bold=True)
            for item, before, after in changes:
                _print_change(item, before, after)
        for (state, why), hosts in self.problems.items():
            click.secho(f"{_names(hosts)}: {state}: {printable(why)}", fg="red", err=True)
        if verbosity() >= 0:
            differ = sum(map(len, self.groups.values()))
            unknown = sum(map(len, self.problems.values()))
            tail = f", {unknown} not compared" if unknown else ""
            click.echo(f"{differ} differ, {self.same} as compiled{tail}", err=True)

    def _data(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "same": self.same,
            "differences": [
                {
                    "target": target,
                    "hosts": hosts,
                    "changes": [
                        {"item": item, "before": before, "after": after}
                        for item, before, after in changes
                    ],
                }
                for (target, changes), hosts in self.groups.items()
            ],
            "problems": [
                {"state": state, "message": why, "hosts": hosts}
                for (state, why), hosts in self.problems.items()
            ],
        }


def _redacted(change: Change) -> tuple[str, str | None, str | None]:
    from compiler.audit.redact import redact_value  # noqa: PLC0415

    return (
        change.item,
        redact_value(change.item, change.before),
        redact_value(change.item, change.after),
    )


def _print_change(item: str, before: str | None, after: str | None) -> None:
    for mark, value, color in (("-", before, "red"), ("+", after, "green")):
        if value is not None:
            shown = f": {printable(value)}" if value else ""
            click.secho(f"  {mark} {printable(item)}{shown}", fg=color)


def _names(hosts: Sequence[str]) -> str:
    shown = ", ".join(printable(host) for host in hosts[:_NAMES])
    return f"{shown} and {len(hosts) - _NAMES} more" if len(hosts) > _NAMES else shown


def _saved(auditor: Auditor, folder: Path, take: _Take) -> None:
    from compiler.audit.answers import Answers, MissingAnswerError  # noqa: PLC0415
    from compiler.audit.run import compare  # noqa: PLC0415
    from compiler.errors import PassthruError  # noqa: PLC0415

    answers = Answers(folder, auditor.site.inventory.hosts)
    for wanted in auditor.decided():
        if wanted.compiled is None:
            take(wanted, None, "failed", _why(wanted))
            continue
        try:
            native, _ = answers.read(wanted.host)
            changes, _ = compare(auditor.site, wanted.compiled, native)
        except MissingAnswerError as error:
            take(wanted, None, "unreachable", error.findings[0].message)
        except PassthruError as error:
            take(wanted, None, "failed", error.findings[0].message)
        else:
            take(wanted, changes, "", "")


def _why(wanted: Wanted) -> str:
    from compiler.model.finding import Severity  # noqa: PLC0415

    errors = [f.message for f in wanted.findings if f.severity is Severity.ERROR]
    return errors[0] if errors else "it does not compile"


def _live(auditor: Auditor, options: Mapping[str, Any], take: _Take) -> bool:
    from compiler.cli.push_output import together  # noqa: PLC0415
    from compiler.cli.push_progress import progress  # noqa: PLC0415
    from compiler.device.job import Result, State  # noqa: PLC0415
    from compiler.fleet.jobs import site_jobs  # noqa: PLC0415
    from compiler.fleet.run import Fleet  # noqa: PLC0415
    from compiler.fleet.work import device_driver  # noqa: PLC0415

    routers: dict[str, Wanted] = {}
    for wanted in auditor.decided():
        if wanted.compiled is None:
            take(wanted, None, "failed", _why(wanted))
        else:
            routers[wanted.host] = wanted
    compiled = {host: wanted.compiled for host, wanted in routers.items() if wanted.compiled}
    jobs, without = site_jobs(auditor.site, compiled)
    for found in without:
        take(routers[found.host], None, "unreachable", found.message)

    def hear(event: Event) -> None:
        if not isinstance(event, Result):
            return
        if event.state in (State.UNCHANGED, State.WOULD_CHANGE):
            take(routers[event.host], event.changes, "", "")
        else:
            unreached = event.state in (State.UNREACHABLE, State.SKIPPED)
            said = event.findings[0].message if event.findings else str(event.state)
            take(routers[event.host], None, "unreachable" if unreached else "failed", said)

    shown = progress()
    hands = crew(options)
    try:
        fleet = Fleet(jobs, device_driver(), hands, together(hear, shown))
        summary = fleet.run(push_options(options, check=True))
    finally:
        shown.close()
        hands.close()
    return summary.interrupted
