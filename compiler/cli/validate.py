"""``passthru validate``."""

from __future__ import annotations

from typing import Any

import click

from compiler.cli.manners import verbosity
from compiler.cli.options import output_option, site_options, site_request
from compiler.cli.report import print_findings
from compiler.errors import ExitCode, PassthruError
from compiler.model.finding import Finding, Severity


@click.command("validate")
@site_options
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@output_option("text", "json", "sarif", "github")
def validate_command(strict: bool, output: str, **options: Any) -> int:  # noqa: FBT001
    """Check policies and inventories: schema, meaning, and lint. Writes nothing."""
    findings, hosts = _findings(options)
    print_findings(findings, output)
    worst = max((finding.severity for finding in findings), default=Severity.INFO)
    failed = worst is Severity.ERROR or (strict and worst is Severity.WARNING)
    if not failed and output == "text" and verbosity() >= 0:
        click.echo(f"ok: {hosts} host{'' if hosts == 1 else 's'}", err=True)
    return ExitCode.INVALID if failed else ExitCode.OK


def _findings(options: dict[str, Any]) -> tuple[list[Finding], int]:
    from compiler.build.registry import installed  # noqa: PLC0415 - keeps --help quick
    from compiler.build.site import load_site  # noqa: PLC0415

    try:
        site = load_site(site_request(options), installed())
    except PassthruError as error:
        if error.exit_code is not ExitCode.INVALID:
            raise
        return list(error.findings), 0
    findings = list(site.findings)
    deciding: set[int] = set()
    complete = True
    for _, router, found in site.routers():
        findings += found
        complete = complete and router is not None
        deciding |= router.deciding if router else frozenset()
    if complete:
        findings += site.idle(frozenset(deciding))
    return findings, len(site.hosts)
