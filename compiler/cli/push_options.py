"""Options that ``push``, ``plan`` and ``rollback`` share, and their defaults."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from compiler.cli.options import configuration

if TYPE_CHECKING:
    from compiler.device.job import Options
    from compiler.fleet.crew import Crew
    from compiler.fleet.run import Rules

F = TypeVar("F", bound=Callable[..., Any])


def _seconds(flag: str, default: float, text: str) -> Callable[[F], F]:
    kind = click.FloatRange(min=0.0, max=86400.0)
    return click.option(flag, type=kind, default=default, metavar="SECONDS", help=text)


def reach_options(command: F) -> F:
    """Add how routers are reached, and how many at once."""
    decorators: list[Callable[[F], F]] = [
        click.option("-f", "--forks", type=click.IntRange(1, 10_000), help="Routers at once (50)."),
        click.option("--executor", metavar="threads|dask://HOST:PORT", help="Where pushes run."),
        click.option("--dask-ca", default="", metavar="FILE", help="TLS: the cluster's CA."),
        click.option("--dask-cert", default="", metavar="FILE", help="TLS: our certificate."),
        click.option("--dask-key", default="", metavar="FILE", help="TLS: our key."),
        click.option("--accept-new", is_flag=True, help="Trust host keys that are new."),
        _seconds("--connect-timeout", 15.0, "Time for one log-in (15)."),
        _seconds("--step-timeout", 60.0, "Time for one step (60)."),
        _seconds("--deadline", 600.0, "Time for one router (600)."),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def wave_options(command: F) -> F:
    """Add waves, and what belongs to writing."""
    decorators: list[Callable[[F], F]] = [
        click.option("--serial", metavar="1,10%,100%", help="Waves (default: all at once)."),
        click.option("--max-fail", metavar="5%", help="Stop when more fail than this of a wave."),
        _seconds("--pause", 0.0, "Rest between waves (0)."),
        click.option(
            "--confirm-timeout",
            type=click.IntRange(10, 3600),
            default=120,
            metavar="SECONDS",
            help="A router that nobody confirms reverts after this (120).",
        ),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--diff", is_flag=True, help="Show what changed; equal changes once."),
        journal_option,
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def journal_option(command: F) -> F:
    """Add ``--journal``."""
    return click.option("--journal", metavar="DIR", help="State folder of the journal.")(command)


def journal_folder(flag: str | None) -> Path:
    """Give the journal's folder: the flag's, the configuration's, or the user's state folder."""
    from compiler.fleet.store import default_folder  # noqa: PLC0415

    if flag:
        return Path(flag)
    values, folder = configuration()
    return folder / str(values["journal"]) if "journal" in values else default_folder()


def rules(options: Mapping[str, Any]) -> Rules:
    """Read the waves: flags, else the configuration, else everybody at once.

    Raises:
        UsageError: S821.
    """
    from compiler.fleet.run import Rules  # noqa: PLC0415
    from compiler.fleet.waves import EVERYBODY, MaxFail, read_max_fail, read_serial  # noqa: PLC0415

    values, _ = configuration()
    serial = options["serial"] or values.get("serial")
    shares = read_serial([serial] if isinstance(serial, int) else serial) if serial else EVERYBODY
    most = options["max_fail"]
    if most is None and "max_fail_percentage" in values:
        most = f"{values['max_fail_percentage']}%"
    share = read_max_fail(most) if most is not None else None
    return Rules(shares, MaxFail(share), options["pause"])


def crew(options: Mapping[str, Any]) -> Crew:
    """Open the executor.

    Raises:
        UsageError: S822.
    """
    from compiler.fleet.crew import Tls  # noqa: PLC0415
    from compiler.fleet.executors import FORKS, open_crew  # noqa: PLC0415

    values, _ = configuration()
    executor = options["executor"] or values.get("executor", "threads")
    forks = options["forks"] or values.get("forks", FORKS)
    tls = Tls(options["dask_ca"], options["dask_cert"], options["dask_key"])
    return open_crew(executor, forks, tls)


def push_options(options: Mapping[str, Any], *, check: bool, run: str = "") -> Options:
    """Make the options of one run, and its name where it has none."""
    from compiler.device.job import Options  # noqa: PLC0415
    from compiler.fleet.journal import new_run  # noqa: PLC0415

    return Options(
        run or new_run(),
        operator(),
        check,
        options.get("confirm_timeout", 120),
        options["connect_timeout"],
        options["step_timeout"],
        options["deadline"],
        options["accept_new"],
    )


def operator() -> str:
    """Give who pushes: the user, behind sudo the one who called it, and the machine."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
