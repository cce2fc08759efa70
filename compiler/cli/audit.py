"""``passthru audit``: what routers do, held against what the policy wants."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.manners import verbosity
from compiler.cli.options import output_option, site_options, site_request
from compiler.cli.push_options import (
    crew,
    journal_folder,
    journal_option,
    operator,
    push_options,
    reach_options,
)
from compiler.cli.report import print_findings
from compiler.errors import ExitCode, OutputError, PolicyError, UsageError
from compiler.model.finding import Code, Place, Severity

if TYPE_CHECKING:
    from compiler.audit.experience import Twin
    from compiler.audit.reports.view import View
    from compiler.audit.run import Auditor, Wanted
    from compiler.audit.store import Recorder
    from compiler.fleet.events import Event
    from compiler.fleet.store import Store

FORMS = ("text", "json", "sarif", "junit", "prometheus", "html")
_TENTHS = 10


@click.command("audit")
@site_options
@click.option("--from", "saved", metavar="DIR", help="Saved answers instead of live routers.")
@click.option("--health", is_flag=True, help="Ask also what no policy speaks about.")
@click.option("--twin", is_flag=True, help="Let packets in a lab decide what is unknown.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    default="error",
    help="Exit 2 if there is a finding as bad as this (error).",
)
@click.option("--since", metavar="RUN", help="Say what appeared and went since that audit.")
@click.option("-o", "--out", metavar="FILE", help="Write the report there.")
@reach_options
@journal_option
@click.option("--no-journal", is_flag=True, help="Keep nothing of this audit.")
@output_option(*FORMS)
def audit_command(
    saved: str | None,
    fail_on: str,
    since: str | None,
    out: str | None,
    no_journal: bool,  # noqa: FBT001
    output: str,
    **options: Any,
) -> int:
    """Compare what routers do to each VPN protocol with what the policy wants.

    Nothing is written on a router. With --from DIR none is asked: DIR/HOST or DIR/HOST.EXT holds
    what its read step printed. Routers that no play decides are judged for their health. --twin
    needs root, or user namespaces.
    """
    from compiler.audit.reports.view import View  # noqa: PLC0415 - keeps --help quick
    from compiler.audit.store import Audits  # noqa: PLC0415

    if no_journal and since:
        raise UsageError.of(Code.U801, "--since reads the journal, and --no-journal has none")
    decide = _twin() if options["twin"] else None
    auditor = load_auditor(options, healthy=options["health"], twin=decide)
    with _store(options["journal"], without=no_journal) as store:
        audits = Audits(store)
        earlier = audits.audit(since) if since else None
        number, interrupted = _record(auditor, store, saved, options)
        before = earlier or audits.before(number)
        view = View(audits, audits.by_number(number), before, asked_since=earlier is not None)
        _report(view, output, out)
        return ExitCode.INTERRUPTED if interrupted else _exit_code(view, fail_on)


def _twin() -> Twin:
    """Give what decides by packets; to be called before any thread exists.

    Raises:
        ProofError: E802, there can be no lab here.
    """
    from compiler.audit.twin import decided, refuse_without_lab  # noqa: PLC0415
    from compiler.prove.lab import become_root  # noqa: PLC0415

    become_root()
    refuse_without_lab()
    return decided


def load_auditor(options: Mapping[str, Any], *, healthy: bool, twin: Twin | None = None) -> Auditor:
    """Load the site. Whatever is wrong with a single router is a finding of the audit.

    Raises:
        PolicyError: the policy or the inventory as a whole cannot be used.
    """
    from dataclasses import replace  # noqa: PLC0415

    from compiler.audit.run import Auditor  # noqa: PLC0415
    from compiler.build.registry import installed  # noqa: PLC0415
    from compiler.build.site import has_errors, load_site  # noqa: PLC0415

    request = replace(site_request(options), allow_expired=True)
    site = load_site(request, installed())
    if has_errors(site.findings):
        raise PolicyError(site.findings)
    print_findings(site.findings)
    return Auditor(site, request.today, healthy, twin)


@contextmanager
def _store(flag: str | None, *, without: bool) -> Iterator[Store]:
    """Open the journal, or one that nobody sees and that is gone afterwards."""
    from compiler.fleet.store import Store  # noqa: PLC0415

    with ExitStack() as stack:
        if without:
            held = tempfile.TemporaryDirectory(prefix="passthru-audit-")
            folder = Path(stack.enter_context(held))
        else:
            folder = journal_folder(flag)
        store = Store(folder)
        stack.callback(store.close)
        yield store


def _record(
    auditor: Auditor, store: Store, saved: str | None, options: Mapping[str, Any]
) -> tuple[int, bool]:
    from compiler.audit.store import Recorder  # noqa: PLC0415
    from compiler.fleet.journal import new_run  # noqa: PLC0415

    recorder = Recorder(store, new_run(), operator(), auditor.site.policy_hash)
    interrupted = False
    try:
        if saved is not None:
            _from_folder(auditor, recorder, Path(saved))
        else:
            interrupted = _live(auditor, recorder, options)
    except KeyboardInterrupt:
        interrupted = True
    recorder.end(interrupted=interrupted)
    return recorder.number, interrupted


def _from_folder(auditor: Auditor, recorder: Recorder, folder: Path) -> None:
    from compiler.audit.answers import Answers  # noqa: PLC0415

    hosts = auditor.site.inventory.hosts
    answers = Answers(folder, hosts)
    total = len(hosts)
    for done, wanted in enumerate(auditor.wanted(), 1):
        recorder.add(auditor.saved(wanted, answers))
        if total >= 1000 and done % (total // _TENTHS) == 0 and verbosity() >= 0:
            click.echo(f"{done} of {total} routers", err=True)


def _live(auditor: Auditor, recorder: Recorder, options: Mapping[str, Any]) -> bool:
    """Ask every router that can be asked, as ``push --check`` does."""
    from compiler.audit.run import left_out  # noqa: PLC0415
    from compiler.cli.push_output import together  # noqa: PLC0415
    from compiler.cli.push_progress import progress  # noqa: PLC0415
    from compiler.device.job import Result  # noqa: PLC0415
    from compiler.fleet.jobs import site_jobs  # noqa: PLC0415
    from compiler.fleet.run import Fleet  # noqa: PLC0415
    from compiler.fleet.work import device_driver  # noqa: PLC0415

    waiting: dict[str, Wanted] = {}
    for wanted in auditor.wanted():
        if wanted.compiled is None:
            recorder.add(auditor.undecided(wanted))
        else:
            waiting[wanted.host] = wanted
    compiled = {host: wanted.compiled for host, wanted in waiting.items() if wanted.compiled}
    jobs, without = site_jobs(auditor.site, compiled)
    for found in without:
        if found.host in waiting:
            recorder.add(left_out(waiting.pop(found.host), [found]))

    def take(event: Event) -> None:
        if isinstance(event, Result) and event.host in waiting:
            recorder.add(auditor.pushed(waiting[event.host], event))

    shown = progress()
    hands = crew(options)
    try:
        fleet = Fleet(jobs, device_driver(), hands, together(take, shown))
        summary = fleet.run(push_options(options, check=True, run=recorder.run))
    finally:
        shown.close()
        hands.close()
    return summary.interrupted


def _report(view: View, form: str, out: str | None) -> None:
    """Write the report: to a file in one step, else to standard output.

    Raises:
        OutputError: B701.
    """
    from compiler.audit.reports import writer  # noqa: PLC0415

    write = writer(form)
    if out is None or out == "-":
        for piece in write(view):
            click.echo(piece, nl=False)
        sys.stdout.flush()
        return
    path = Path(out)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            for piece in write(view):
                stream.write(click.unstyle(piece) if form == "text" else piece)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        message = f"the report cannot be written: {reason}"
        raise OutputError.of(Code.B701, message, Place(out)) from None


def _exit_code(view: View, fail_on: str) -> ExitCode:
    """Failed routers first, then those that were not reached, then findings."""
    from compiler.audit.finding import State  # noqa: PLC0415

    counts = view.states
    if counts[State.FAILED]:
        return ExitCode.SOME_FAILED
    if counts[State.UNREACHABLE] or counts[State.SKIPPED]:
        return ExitCode.SOME_UNREACHABLE
    bad = view.severities[Severity[fail_on.upper()] :]
    return ExitCode.DIFFERENT if any(bad) else ExitCode.OK
