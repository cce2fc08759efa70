"""The command ``passthru``: finds the command, runs it, turns what happens into an exit code."""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from compiler import __version__
from compiler.cli import manners, signals
from compiler.errors import ExitCode, PassthruError

#: Command, module and one line of help. Modules are imported when their command is used, so that
#: ``passthru --help`` and shell completion stay quick.
COMMANDS = {
    "validate": ("compiler.cli.validate", "Check policies and inventories; lint."),
    "compile": ("compiler.cli.compile", "Write native configs, one folder for each router."),
    "plan": ("compiler.cli.plan", "Say what a push would change; bind it to a file."),
    "push": ("compiler.cli.push", "Push to routers, in waves, each in one transaction."),
    "rollback": ("compiler.cli.rollback", "Bring routers back to what the journal has of them."),
    "history": ("compiler.cli.history", "Say who pushed what when, and what came of it."),
    "prove": ("compiler.cli.prove", "Send packets through what the policy compiles to."),
    "probe": ("compiler.cli.probe", "Learn what the router between two machines passes."),
    "diff": ("compiler.cli.diff", "Say which settings of routers differ from the policy's."),
    "audit": ("compiler.cli.audit", "Say what routers do otherwise than the policy wants."),
    "import": ("compiler.cli.importing", "Make a play and variables of an existing config."),
    "explain": ("compiler.cli.explain", "Tell about a protocol, or what was decided and why."),
    "effects": ("compiler.cli.effects", "Tell what an existing config does to each protocol."),
    "targets": ("compiler.cli.targets", "Say what each router family can do."),
    "protocols": ("compiler.cli.lookup", "List the VPN protocols."),
    "schema": ("compiler.cli.lookup", "Print a JSON Schema, for editors and CI."),
    "inventory": ("compiler.cli.lookup", "Show hosts, groups and variables."),
    "demo": ("compiler.cli.demo", "Compile, push, audit and prove an example site."),
}

#: What the system says where standard output leads to a disk that takes nothing more.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _Commands(click.Group):
    """Loads a command when it is used; knows all names and help lines without loading."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry[0]), f"{cmd_name}_command")
        return manners.mannerly(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print findings here, where --color and --quiet are still known."""
        try:
            return super().invoke(ctx)
        except PassthruError as error:
            from compiler.cli.report import print_findings  # noqa: PLC0415

            print_findings(error.findings)
            return error.exit_code
        except BrokenPipeError:
            # Before click sees it, which would make a failure of it.
            return _reader_has_gone()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib  # noqa: PLC0415 - only for a mistake

        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            ctx.fail(f"There is no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Commands,
    params=manners.options(),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 2 different or stale, 3 invalid input, 64 usage. See docs/cli.md.",
)
@click.version_option(__version__, prog_name="passthru")
def cli() -> None:
    """Compile a VPN passthrough policy into the native configs of NAT routers.

    -v, -q and --color may follow the command as well.
    """


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. Every way out has its code; see docs/cli.md."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal whose encoding lacks a character of a host's name shows its escape.
        sys.stdout.reconfigure(errors="backslashreplace")
    with signals.heeded():
        code = main(arguments)
        gc.freeze()  # a last walk of the collector over all that was loaded would be for nothing
        sys.exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and give the exit code."""
    try:
        result: Any = cli.main(arguments, prog_name="passthru", standalone_mode=False)
        if sys.stdout is not None:  # closed by who started us
            sys.stdout.flush()
        return int(result or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.OK
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except click.exceptions.Exit as error:
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one boundary
        return _ended_by(error)


def _ended_by(error: BaseException) -> int:
    """Tell an interruption and a closed pipe from a bug, which must not look like either."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return _reader_has_gone()
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        return _nowhere_to_write(error)
    return _bug(error)


def _reader_has_gone() -> int:
    """End in peace when nobody reads on (`passthru protocols | head`): that is their right."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK


def _nowhere_to_write(error: OSError) -> int:
    from compiler.cli.report import print_findings  # noqa: PLC0415
    from compiler.model.finding import Code, Finding  # noqa: PLC0415

    print_findings([Finding(Code.B701, f"cannot write to standard output: {error.strerror}")])
    _reader_has_gone()  # what is left in the buffer cannot be written either
    return ExitCode.INVALID


def _bug(error: BaseException) -> int:
    """Say that this is our fault and how to report it; the traceback only on request."""
    import traceback  # noqa: PLC0415

    click.echo(f"internal error[X901]: {type(error).__name__}: {error}", err=True)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    click.echo(f"  at {frame.name} ({Path(frame.filename).name}:{frame.lineno})", err=True)
    click.echo(
        f"  This is a bug in passthru {__version__}. Please report it with the command line and "
        "the output of the same command under PASSTHRU_TRACEBACK=1.",
        err=True,
    )
    if os.environ.get("PASSTHRU_TRACEBACK"):
        traceback.print_exception(error)
    return ExitCode.INTERNAL


if __name__ == "__main__":
    run()
