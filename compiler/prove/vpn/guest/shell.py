"""Run programs: commands that end, and daemons with a log that are stopped again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_SECONDS = 30.0


class CommandError(Exception):
    """A command that must succeed did not. Says what it said."""


def run(
    command: Sequence[str], text: str = "", *, check: bool = True, seconds: float = _SECONDS
) -> str:
    """Run a command; what it printed.

    Raises:
        CommandError: it failed (with ``check``), or took too long.
    """
    try:
        done = subprocess.run(
            list(command),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{' '.join(command)}: {error}") from error
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise CommandError(f"{' '.join(command)}: {said or f'exit status {done.returncode}'}")
    return done.stdout


class Daemon:
    """A program that runs until it is stopped; everything it prints is in its log."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it, in a session of its own.

        Raises:
            CommandError: there is no such program.
        """
        try:
            with log.open("ab") as into:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=into,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, **(environment or {})},
                )
        except OSError as error:
            raise CommandError(f"{command[0]}: {error}") from error

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def stop(self, seconds: float = 3.0) -> None:
        """End it and what it started: asked first, then made to."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
