"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any

import click

from compiler.cli.manners import verbosity
from compiler.cli.push_output import result_lines
from compiler.device.job import Result, State
from compiler.fleet.events import FAILURES, Begins, Event, Stops, WaveBegins


def progress() -> Lines:
    """Give what shows progress here."""
    if sys.stderr.isatty() and verbosity() >= 0:
        return Bar()
    return Lines()


class Lines:
    """A line for each failure and each wave, and now and then how far it is."""

    def __init__(self) -> None:
        """Nothing is shown before the run begins."""
        self._total = self._done = self._failed = self._waves = 0

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Begins():
                self.begins(event)
            case WaveBegins():
                self.wave(event)
            case Result():
                self._result(event)
            case Stops():
                waiting = f"; waiting for {_routers(event.running)}" if event.running else ""
                hint = f" ({event.reason.hint})" if event.reason.hint else ""
                self.line(f"stopping: {event.reason.message}{waiting}{hint}", failed=True)

    def begins(self, event: Begins) -> None:
        """Say how many routers there are."""
        self._total = sum(len(wave) for wave in event.waves)
        self._waves = len(event.waves)
        before = f", {event.done_before} done before" if event.done_before else ""
        self.say(f"run {event.run}: {_routers(self._total)}{before}")

    def wave(self, event: WaveBegins) -> None:
        """Say which wave begins."""
        if self._waves > 1:
            self.say(f"wave {event.number} of {self._waves}: {_routers(len(event.hosts))}")

    def _result(self, result: Result) -> None:
        """Count; say failures and findings, and with ``-v`` everything."""
        self._done += 1
        failed = result.state in FAILURES
        self._failed += failed
        wanted = verbosity() > 0 or (result.findings and verbosity() == 0)
        if failed or (wanted and result.state is not State.SKIPPED):
            for line in result_lines(result):
                self.line(line, failed=failed)
        self.advanced()

    def advanced(self) -> None:
        """Say how far it is, ten times in a run."""
        tenth = self._total // 10
        if tenth and self._done % tenth == 0 and self._total >= 100:
            self.say(f"{self._done} of {self._total} routers, {self._failed} failed")

    def close(self) -> None:
        """Leave nothing on the terminal; lines stay."""

    def say(self, text: str) -> None:
        """Say something that ``-q`` leaves out."""
        if verbosity() >= 0:
            self.line(text)

    def line(self, text: str, *, failed: bool = False) -> None:
        """Print one line."""
        click.secho(text, fg="red" if failed else None, err=True)


class Bar(Lines):
    """A bar with the wave, the failures and the rate; lines scroll above it."""

    def __init__(self) -> None:
        """Make the bar; it shows when the run begins."""
        super().__init__()
        from rich.console import Console  # noqa: PLC0415 - only where it is looked at
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        context = click.get_current_context(silent=True)
        plain = context is not None and context.color is False
        self._bar: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, no_color=plain, highlight=False),
            transient=True,
        )
        self._task: Any = None

    def begins(self, event: Begins) -> None:
        """Show the bar."""
        super().begins(event)
        self._task = self._bar.add_task("push", total=self._total, failed=0, rate="")
        self._bar.start()

    def wave(self, event: WaveBegins) -> None:
        """Show the wave beside the bar."""
        super().wave(event)
        self._bar.update(self._task, description=f"wave {event.number}/{self._waves}")

    def advanced(self) -> None:
        """Move the bar."""
        elapsed = self._bar.tasks[0].elapsed or 0.0
        rate = f"{self._done / elapsed:.1f}/s" if elapsed >= 1 else ""
        self._bar.update(self._task, completed=self._done, failed=self._failed, rate=rate)

    def line(self, text: str, *, failed: bool = False) -> None:
        """Print one line above the bar."""
        from rich.text import Text  # noqa: PLC0415

        self._bar.console.print(Text(text, style="red" if failed else ""))

    def close(self) -> None:
        """Give the terminal back, also when the run ended by an exception."""
        self._bar.stop()


def _routers(number: int) -> str:
    return f"{number} router{'' if number == 1 else 's'}"
