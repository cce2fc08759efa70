"""``passthru import``: an existing config as a play and host variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from compiler.cli.report import print_findings
from compiler.errors import ExitCode, OutputError, UsageError
from compiler.model.finding import Code, Place, Severity


@click.command("import")
@click.argument("target")
@click.argument("file")
@click.option("--host", default="router", metavar="NAME", help="The host's name (router).")
@click.option("--lan", multiple=True, metavar="IFACE", help="An interface of a LAN (repeatable).")
@click.option("--wan", multiple=True, metavar="IFACE", help="An interface of a WAN (repeatable).")
@click.option(
    "--fact", multiple=True, metavar="NAME=VALUE", help="What the text does not say: kernel=6.1"
)
@click.option("-o", "--out", metavar="DIR", help="Write hosts.yml and policy.yml there.")
@click.option("--partly", is_flag=True, help="Exit 0 although something cannot be said.")
def import_command(
    target: str,
    file: str,
    host: str,
    out: str | None,
    partly: bool,  # noqa: FBT001
    **options: Any,
) -> int:
    """Say the config FILE of a router of family TARGET as a play and host variables.

    Compiling them gives the same effects. What no policy can say is left out and named, exit 3.
    """
    from compiler.audit.importing import Importer  # noqa: PLC0415 - keeps --help quick
    from compiler.build.registry import installed  # noqa: PLC0415
    from compiler.catalogue import builtin  # noqa: PLC0415
    from compiler.cli.existing import device_of, native_of  # noqa: PLC0415
    from compiler.inventory import check_host_name  # noqa: PLC0415

    unsafe = check_host_name(host, None)
    if unsafe:
        raise UsageError.of(Code.U801, unsafe.message)
    registry = installed()
    importer = Importer(registry, registry.get(target), builtin())
    native = native_of(file)
    found = importer.run(native, device_of(target, {**options, "host": None}), host, file)
    if out is None:
        click.echo(f"# hosts.yml\n{found.hosts}---\n# policy.yml\n{found.policy}", nl=False)
    else:
        _write(Path(out), {"hosts.yml": found.hosts, "policy.yml": found.policy})
    print_findings(found.findings)
    unsaid = any(finding.severity is Severity.ERROR for finding in found.findings)
    return ExitCode.INVALID if unsaid and not partly else ExitCode.OK


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write new files; what is there stays.

    Raises:
        OutputError: B701, B703.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = [name for name in files if (folder / name).exists()]
        if there:
            message = f"{there[0]} is there already"
            raise OutputError.of(Code.B703, message, Place(str(folder)), "name another folder")
        for name, text in files.items():
            draft = folder / f".{name}.{os.getpid()}.draft"
            draft.write_text(text, encoding="utf-8")
            draft.rename(folder / name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"the policy cannot be written: {reason}"
        raise OutputError.of(Code.B701, message, Place(str(folder))) from None
