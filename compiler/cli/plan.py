"""``passthru plan``: look at every router, write nothing, and bind what was seen to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.compile import compile_site
from compiler.cli.options import site_options
from compiler.cli.push_options import crew, operator, push_options, reach_options
from compiler.cli.report import print_findings
from compiler.errors import OutputError
from compiler.model.finding import Code, Place

if TYPE_CHECKING:
    from compiler.fleet.events import Event


@click.command("plan")
@site_options
@click.option(
    "--on-deviation",
    type=click.Choice(["fail", "warn"]),
    help="Overrule what the policy says about deviations.",
)
@reach_options
@click.option("-o", "--out", required=True, metavar="FILE", help="The plan file (- for a pipe).")
def plan_command(on_deviation: str | None, out: str, **options: Any) -> int:
    """Say what a push would change, and write it to a file that `push FILE` takes.

    The file is bound to the state that the routers are in now.
    """
    from compiler.cli.push_output import Diffs, print_summary, together  # noqa: PLC0415
    from compiler.cli.push_progress import progress  # noqa: PLC0415
    from compiler.device.job import Result  # noqa: PLC0415
    from compiler.fleet.jobs import site_jobs  # noqa: PLC0415 - keeps --help quick
    from compiler.fleet.plan import PlanBuilder  # noqa: PLC0415
    from compiler.fleet.run import Fleet  # noqa: PLC0415
    from compiler.fleet.work import device_driver  # noqa: PLC0415

    def collect(event: Event) -> None:
        if isinstance(event, Result):
            builder.add(event)

    site, compiled, findings = compile_site(options, on_deviation)
    jobs, left_out = site_jobs(site, compiled)
    print_findings(findings + left_out)
    entries = {entry.host: entry for entry in jobs.entries}
    builder = PlanBuilder(jobs.policy_sha256, operator(), entries)
    diffs = Diffs({host: entry.target for host, entry in entries.items()})
    shown = progress()
    hands = crew(options)
    try:
        fleet = Fleet(jobs, device_driver(), hands, together(collect, diffs, shown))
        summary = fleet.run(push_options(options, check=True))
    finally:
        shown.close()
        hands.close()
    if summary.interrupted:
        return summary.exit_code
    _write(out, builder.text())
    if out != "-":
        diffs.print()
        print_summary(summary)
    return summary.exit_code


def _write(out: str, text: str) -> None:
    """Write the file in one step: a plan that is cut short would be refused anyway.

    Raises:
        OutputError: B701.
    """
    if out == "-":
        sys.stdout.write(text)
        return
    path = Path(out)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"the plan cannot be written: {reason}"
        raise OutputError.of(Code.B701, message, Place(out)) from None
