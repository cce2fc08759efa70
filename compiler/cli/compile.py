"""``passthru compile``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from compiler.cli.manners import verbosity
from compiler.cli.options import out_folder, site_options, site_request
from compiler.cli.report import print_findings
from compiler.errors import ExitCode, PolicyError, StaleError, UsageError
from compiler.model.finding import Code, Finding

if TYPE_CHECKING:
    from compiler.build.plan import Compiled
    from compiler.build.site import Site


@click.command("compile")
@site_options
@click.option("-o", "--out", metavar="DIR", help="Output folder (default: out).")
@click.option("--check", is_flag=True, help="Write nothing; exit 2 if the output is stale.")
@click.option("--prune", is_flag=True, help="Remove bundles of hosts that are gone.")
@click.option("--stdout", metavar="HOST", help="Print one host's native text; write nothing.")
@click.option(
    "--on-deviation",
    type=click.Choice(["fail", "warn"]),
    help="Overrule what the policy says about deviations.",
)
def compile_command(
    out: str | None,
    check: bool,  # noqa: FBT001
    prune: bool,  # noqa: FBT001
    stdout: str | None,
    on_deviation: str | None,
    **options: Any,
) -> int:
    """Write the native configs of every router that the policy speaks about.

    Nothing is written unless every router compiles.
    """
    if stdout:
        if check or prune:
            raise UsageError.of(Code.U801, "--stdout goes with neither --check nor --prune")
        options["limit"] = stdout
    if check and prune:
        raise UsageError.of(Code.U801, "--check writes nothing, so --prune means nothing with it")
    site, compiled, findings = compile_site(options, on_deviation)
    if stdout and len(compiled) > 1:
        names = ", ".join(list(compiled)[:3])
        raise UsageError.of(Code.U801, f"--stdout prints one host, not several ({names} ...)")
    print_findings(findings)
    if stdout:
        for item in compiled.values():
            click.echo(item.bundle.native_text.encode(), nl=False)  # bytes: in any locale
        return ExitCode.OK
    whole = not options["limit"]
    return (
        _check(site, compiled, out, whole) if check else _write(site, compiled, out, whole, prune)
    )


def compile_site(
    options: dict[str, Any], on_deviation: str | None = None
) -> tuple[Site, dict[str, Compiled], list[Finding]]:
    """Load a site and compile every router of it.

    Raises:
        PolicyError: with every finding, if one of them is an error.
    """
    from compiler.build.plan import RouterCompiler  # noqa: PLC0415 - keeps --help quick
    from compiler.build.registry import installed  # noqa: PLC0415
    from compiler.build.site import has_errors, load_site  # noqa: PLC0415
    from compiler.model.intent import OnDeviation  # noqa: PLC0415

    registry = installed()
    site = load_site(site_request(options), registry)
    findings = list(site.findings)
    compiled: dict[str, Compiled] = {}
    deciding: set[int] = set()
    compiler = RouterCompiler(registry, OnDeviation(on_deviation) if on_deviation else None)
    for name, router, found in site.routers():
        findings += found
        if router is None:
            continue
        deciding |= router.deciding
        item, more = compiler.compile(router)
        findings += more
        if item is not None:
            compiled[name] = item
    if has_errors(findings):
        raise PolicyError(findings)
    findings += site.idle(frozenset(deciding))
    return site, compiled, findings


def _write(
    site: Site,
    compiled: dict[str, Compiled],
    out: str | None,
    whole: bool,  # noqa: FBT001
    prune: bool,  # noqa: FBT001
) -> int:
    from compiler.build.output import Output  # noqa: PLC0415

    root = out_folder(out)
    written = Output(root, site.policy_hash).write(compiled, whole=whole, prune=prune)
    if verbosity() >= 0:
        parts = [
            f"{len(names)} {word}"
            for names, word in (
                (written.new, "new"),
                (written.changed, "changed"),
                (written.same, "unchanged"),
                (written.pruned, "pruned"),
            )
            if names
        ]
        click.echo(f"{root}: {', '.join(parts) or 'nothing to do'}", err=True)
        if written.left:
            names = ", ".join(written.left[:5]) + (" ..." if len(written.left) > 5 else "")
            click.echo(f"no longer in the policy, left in place: {names} (--prune)", err=True)
    return ExitCode.OK


def _check(site: Site, compiled: dict[str, Compiled], out: str | None, whole: bool) -> int:  # noqa: FBT001
    from compiler.build.output import Output  # noqa: PLC0415

    root = out_folder(out)
    stale = list(Output(root, site.policy_hash).stale(compiled, whole=whole))
    if stale:
        hint = "run `passthru compile` without --check; with --prune for hosts that are gone"
        raise StaleError(Finding(Code.B702, f"{root}/{text}", hint=hint) for text in stale)
    if verbosity() >= 0:
        click.echo(f"{root}: up to date", err=True)
    return ExitCode.OK
