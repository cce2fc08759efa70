"""``passthru prove``: what the compiled routers do to packets, in a kernel."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.compile import compile_site
from compiler.cli.manners import verbosity
from compiler.cli.options import output_option, site_options
from compiler.cli.report import print_findings
from compiler.cli.table import print_table
from compiler.errors import ExitCode, PassthruError, ProofError
from compiler.model.finding import Code, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.build.plan import Compiled
    from compiler.prove.result import Check, Proof, RouterProof


@click.command("prove")
@site_options
@click.option(
    "--tier",
    type=click.Choice(["packets", "vpn"]),
    default="packets",
    help="Packets in namespaces (seconds), or real VPN software in a VM (minutes).",
)
@output_option("text", "json")
def prove_command(tier: str, output: str, **options: Any) -> int:
    """Load what the policy compiles to into a kernel, and send every protocol through it.

    Linux routers are proven with their own rules; for other families a model of the firmware
    takes the router's place, where there is one. Exit 2 if anything differs from the policy.
    Needs root, or user namespaces.
    """
    from compiler.prove.lab import become_root  # noqa: PLC0415 - keeps --help quick

    if tier == "packets":
        become_root()
    _, compiled, findings = compile_site(options)
    print_findings(findings)
    proof = _prove(compiled, tier)
    if output == "json":
        click.echo(json.dumps(proof.data(), indent=1))
    else:
        _print(proof)
    told = [finding for router in proof.routers for finding in _findings(router)]
    print_findings(told)
    if verbosity() >= 0:
        click.echo(_summary(proof), err=True)
    if proof.differs:
        return ExitCode.DIFFERENT
    failed = any(finding.severity is Severity.ERROR for finding in told)
    nothing = told and not any(router.proven for router in proof.routers)
    return ExitCode.INVALID if failed or nothing else ExitCode.OK


def _prove(compiled: dict[str, Compiled], tier: str) -> Proof:
    """Prove every router; those that differ in nothing but their name once.

    Raises:
        ProofError: E802, there can be no lab here, or the lab fails.
    """
    from compiler.build.registry import installed  # noqa: PLC0415
    from compiler.prove.lab import missing  # noqa: PLC0415
    from compiler.prove.lab.namespaces import PACKAGES  # noqa: PLC0415
    from compiler.prove.result import Proof, RouterProof  # noqa: PLC0415

    if tier == "vpn":
        from compiler.prove.software import prove  # noqa: PLC0415
    else:
        from compiler.prove.packets import prove  # noqa: PLC0415

        reason = missing(tuple(PACKAGES))
        if reason:
            hint = "run it as root, or where unprivileged user namespaces are allowed"
            raise ProofError.of(Code.E802, f"there can be no lab here: {reason}", hint=hint)
    groups: dict[int, list[Compiled]] = {}
    for item in compiled.values():
        groups.setdefault(id(item.outcome), []).append(item)
    registry = installed()
    routers: list[RouterProof] = []
    for items in groups.values():
        router = items[0].router
        _progress(f"{tier}: {router.device.name} ({len(routers) + 1} of {len(groups)})")
        target = registry.get(router.device.target)
        hosts = tuple(item.router.device.name for item in items)
        try:
            found = prove(target, items[0].outcome.settings, router.device, router.intent)
        except PassthruError as error:  # the others may still be proven
            found = RouterProof(hosts, target.name, tier, findings=error.findings)
        routers.append(found.of_hosts(hosts))
    _progress("")
    return Proof(tuple(routers))


def _progress(text: str) -> None:
    if verbosity() >= 0 and sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text[:78]}", err=True, nl=False)


def _print(proof: Proof) -> None:
    rows = [row for router in proof.routers for row in _rows(router)]
    print_table(("router", "protocol", "family", "as wanted", "running", "result"), rows)


def _rows(router: RouterProof) -> Iterator[tuple[str, ...]]:
    """Give a row for each protocol and family; for a router without checks, what it lacks."""
    name = _hosts(router) + (" (modelled)" if router.modelled else "")
    if not router.checks:
        yield (name, "-", "-", "-", "-", router.verdict)
        return
    groups: dict[tuple[str, str], list[Check]] = {}
    for check in router.checks:
        groups.setdefault((check.protocol, check.family), []).append(check)
    for (protocol, family), checks in sorted(groups.items()):
        running = [check for check in checks if check.kind == "running"]
        yield (
            name,
            protocol,
            family,
            _count([check for check in checks if check.kind != "running"]),
            _count(running) if running else "-",
            _result(checks),
        )


def _count(checks: list[Check]) -> str:
    good = sum(check.as_wanted for check in checks)
    return f"{good} of {len(checks)}"


def _result(checks: Iterable[Check]) -> str:
    """Say in a few words what came of a protocol."""
    found = list(checks)
    if any(check.differs for check in found):
        return "DIFFERS"
    accepted = sorted({check.accepted for check in found if check.accepted})
    if accepted:
        return f"as told: {', '.join(accepted)}"
    wanted = {check.wanted.value for check in found if check.kind != "unasked"}
    return {frozenset({"pass"}): "passed", frozenset({"block"}): "blocked"}.get(
        frozenset(wanted), "as wanted"
    )


def _hosts(router: RouterProof) -> str:
    first, *others = router.hosts
    return f"{first} +{len(others)}" if others else first


def _findings(router: RouterProof) -> Iterator[Finding]:
    """Say each kind of difference once, at the policy line that is not met."""
    yield from router.findings
    told: dict[tuple[object, ...], tuple[Check, int]] = {}
    for check in router.differences:
        key = (check.kind, check.flow, check.family, check.wanted, check.found, check.lost)
        first, number = told.get(key, (check, 0))
        told[key] = (first, number + 1)
    for check, number in told.values():
        yield Finding(
            Code.E801,
            _sentence(check, number),
            Severity.ERROR,
            check.place,
            check.lost.rule if check.lost else "",
            _hosts(router),
            check.protocol,
        )


_WANTS = {"pass": "passes", "block": "blocks"}


def _sentence(check: Check, number: int) -> str:
    """Say what differs, where, and why."""
    example = f"{check.source} to {check.destination}, {check.way}"
    where = f"over {check.family} ({example}" + (f", and {number - 1} more)" if number > 1 else ")")
    lost = check.lost
    why = ""
    if lost is not None and lost.message:
        why = f": {lost.message} ({lost.way})" + (f": {lost.because}" if lost.because else "")
    match check.kind.value:
        case "unasked":
            return f"{check.flow} comes in from the WAN though nobody asked for it, {where}{why}"
        case "running":
            state = {"passed": "lives on", "partly": "lives on one way", "blocked": "dies"}
            what = f"a running tunnel of {check.flow} {state[check.found.value]}"
        case _:
            what = f"{check.flow} is {_FOUND[check.found.value]}"
    if check.as_wanted or check.accepted:
        told = f"the compiler predicted '{check.predicted}'"
        return f"{what} {where}, as the policy wants, but {told}{why}"
    return f"{what} although the policy {_WANTS[check.wanted.value]} it, {where}{why}"


_FOUND = {"passed": "passed", "blocked": "blocked", "partly": "passed in part"}


def _summary(proof: Proof) -> str:
    counts: dict[str, int] = {}
    for router in proof.routers:
        counts[router.verdict] = counts.get(router.verdict, 0) + len(router.hosts)
    checks = sum(len(router.checks) for router in proof.routers)
    parts = [f"{number} {verdict}" for verdict, number in sorted(counts.items())]
    return f"{', '.join(parts) or 'no routers'}; {checks} checks"
