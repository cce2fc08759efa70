"""``passthru push``, and how any run is driven from the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.compile import compile_site
from compiler.cli.manners import verbosity
from compiler.cli.options import output_option, site_options
from compiler.cli.push_options import (
    crew,
    journal_folder,
    push_options,
    reach_options,
    rules,
    wave_options,
)
from compiler.cli.report import print_findings
from compiler.errors import ExitCode, UsageError
from compiler.fleet.heap import loading
from compiler.model.finding import Code

if TYPE_CHECKING:
    from compiler.fleet.events import Summary
    from compiler.fleet.journal import Journal, Kind
    from compiler.fleet.run import Jobs


@click.command("push")
@click.argument("plan", required=False)
@site_options
@click.option(
    "--on-deviation",
    type=click.Choice(["fail", "warn"]),
    help="Overrule what the policy says about deviations.",
)
@reach_options
@wave_options
@click.option("--check", is_flag=True, help="Write nothing: say what would change.")
@click.option("--resume", is_flag=True, help="Leave alone what the journal has as done.")
@output_option("text", "jsonl")
def push_command(plan: str | None, on_deviation: str | None, **options: Any) -> int:
    """Push to every router that the policy speaks about, in waves, each in one transaction.

    With PLAN, a file of `passthru plan`, only to the routers in it, and only to those that are
    still as they were when it was made.
    """
    with loading():
        from compiler.fleet.jobs import site_jobs  # noqa: PLC0415 - keeps --help quick
        from compiler.fleet.journal import Kind  # noqa: PLC0415
        from compiler.fleet.plan import bind, read_plan  # noqa: PLC0415

        found = read_plan(Path(plan)) if plan else None
        site, compiled, findings = compile_site(options, on_deviation)
        jobs: Jobs
        jobs, left_out = site_jobs(site, compiled)
    findings += left_out
    if found:
        jobs, more = bind(found, jobs, limited=bool(options["limit"]))
        findings += more
    print_findings(findings)
    return run_jobs(jobs, Kind.PUSH, options)


def run_jobs(jobs: Jobs, kind: Kind, options: Mapping[str, Any]) -> int:
    """Run jobs as the options say, and give the exit code.

    Raises:
        UsageError: nobody said ``--yes``, and there is nobody to ask.
    """
    from compiler.fleet.journal import Journal  # noqa: PLC0415

    if not jobs.entries:
        if verbosity() >= 0:
            click.echo("no router to push to", err=True)
        return ExitCode.OK
    check = options["check"]
    if check and options.get("resume"):
        raise UsageError.of(Code.U801, "--check looks at every router, so --resume means nothing")
    journal = None if check else Journal(journal_folder(options["journal"]))
    try:
        return _run(jobs, kind, options, journal)
    finally:
        if journal:
            journal.close()


def _run(jobs: Jobs, kind: Kind, options: Mapping[str, Any], journal: Journal | None) -> int:
    from compiler.cli.push_output import Diffs, JsonLines, together  # noqa: PLC0415
    from compiler.cli.push_progress import progress  # noqa: PLC0415
    from compiler.fleet.run import Fleet, Rules  # noqa: PLC0415
    from compiler.fleet.work import device_driver  # noqa: PLC0415

    with loading():
        driver = device_driver()
    check = journal is None
    # A check changes nothing, so nothing about it comes in waves.
    order = Rules() if check else rules(options)
    done = _done(jobs, journal) if journal and options.get("resume") else {}
    left = len(jobs.entries) - len(done)
    if not check and not options["yes"] and left:
        _ask(left, kind, order)
    stream = options["output"] == "jsonl"
    diffs = Diffs({entry.host: entry.target for entry in jobs.entries})
    shown = progress()
    first = JsonLines(check=check) if stream else diffs
    hands = crew(options)
    try:
        fleet = Fleet(jobs, driver, hands, together(first, shown), order, journal)
        summary = fleet.run(push_options(options, check=check), kind, done)
    finally:
        shown.close()
        hands.close()
    try:
        _conclude(summary, diffs, options, stream=stream)
    except BrokenPipeError:
        # The exit code is worth more than a pipe that nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return summary.exit_code


def _done(jobs: Jobs, journal: Journal) -> Mapping[str, str]:
    from compiler.fleet.history import History  # noqa: PLC0415
    from compiler.fleet.jobs import done_before  # noqa: PLC0415

    return done_before(History(journal.store), jobs.policy_sha256, jobs.entries)


def _ask(number: int, kind: Kind, order: Any) -> None:
    """Ask whether to go on; without a terminal there is nobody to ask.

    Raises:
        UsageError: as said.
        click.Abort: no.
    """
    from compiler.fleet.waves import sizes  # noqa: PLC0415

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError.of(Code.U801, f"{kind} asks before it writes", hint="--yes, or --check")
    waves = sizes(order.shares, number)
    routers = f"{number} router{'' if number == 1 else 's'}"
    shown = ", ".join(map(str, waves[:6])) + (" ..." if len(waves) > 6 else "")
    how = f" in waves of {shown}" if len(waves) > 1 else ""
    click.confirm(f"{kind} to {routers}{how}?", abort=True, err=True)


def _conclude(summary: Summary, diffs: Any, options: Mapping[str, Any], *, stream: bool) -> None:
    from compiler.cli.push_output import print_summary  # noqa: PLC0415

    if not stream:
        if options["diff"]:
            diffs.print()
        print_summary(summary)
    sys.stdout.flush()
