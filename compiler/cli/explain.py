"""``passthru explain``: a protocol's background, or what was decided for a router and why."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.options import output_option, site_options
from compiler.cli.report import print_findings
from compiler.errors import ExitCode, PolicyError, UsageError
from compiler.model.finding import Code

if TYPE_CHECKING:
    from compiler.build.plan import Compiled
    from compiler.catalogue import Catalogue
    from compiler.model.effect import Effect
    from compiler.model.intent import Decision
    from compiler.model.protocol import Protocol

SCHEMA = "passthru/explain/v1"
_PASSTHROUGH = {
    "needed": "Yes: without it the protocol does not work behind NAT",
    "filters-only": "Only where a filter would stop it; NAT does it no harm",
    "older-clients": "Only for old clients, and where a filter would stop it",
    "impossible": "Nothing helps: it cannot cross IPv4 NAT",
}
_SECURITY = {
    "sound": "Yes.",
    "depends": "It depends on how it is set up.",
    "broken": "No.",
    "none": "It protects nothing by itself.",
}


@click.command("explain")
@click.argument("protocol", required=False)
@click.option("--host", metavar="HOST", help="What was decided for this router, by which line.")
@site_options
@output_option("text", "json")
def explain_command(protocol: str | None, host: str | None, output: str, **options: Any) -> int:
    """Tell what PROTOCOL is, or what was decided for HOST and why.

    With both, the decision about one protocol on one router.
    """
    if host:
        return _explain_host(host, protocol, output, options)
    if not protocol:
        raise UsageError.of(
            Code.U801,
            "name a protocol, or a router with --host",
            hint="`passthru protocols` lists the protocols",
        )
    catalogue = _catalogue(options["policy"])
    found = catalogue.get(protocol)
    if found is None:
        raise _unknown(protocol, catalogue)
    if output == "json":
        click.echo(json.dumps({"schema": SCHEMA, **protocol_data(found)}, indent=1))
    else:
        click.echo("\n".join(_protocol_text(found, catalogue)))
    return ExitCode.OK


def _catalogue(policies: Sequence[str]) -> Catalogue:
    from compiler.catalogue import builtin, extend  # noqa: PLC0415 - keeps --help quick
    from compiler.policy.plays import protocol_documents  # noqa: PLC0415

    return extend(builtin(), protocol_documents([Path(path) for path in policies]))


def _unknown(name: str, catalogue: Catalogue) -> PolicyError:
    close = catalogue.suggest(name)
    hint = f"did you mean '{close}'?" if close else "`passthru protocols` lists them"
    error = PolicyError.of(Code.P104, f"unknown protocol {name[:60]!r}", hint=hint)
    return PolicyError(error.findings)


# -- a protocol


def _protocol_text(protocol: Protocol, catalogue: Catalogue) -> Iterator[str]:
    yield click.style(f"{protocol.name}: {protocol.title}", bold=True)
    if protocol.aliases:
        yield f"also called {', '.join(protocol.aliases)}"
    parent = catalogue.parent(protocol.id)
    if parent:
        yield f"part of {parent.id}, and follows what a policy says of it unless named itself"
    children = catalogue.children(protocol.id)
    if children:
        yield f"its parts: {', '.join(child.id for child in children)}"
    yield ""
    for flow in protocol.flows:
        marks = [str(family) for family in sorted(flow.families)] if len(flow.families) < 2 else []
        marks += ["shared with other traffic"] if flow.shared else []
        marks += ["announced by the NAT helper"] if flow.carried else []
        note = f" ({', '.join(marks)})" if marks else ""
        yield from _wrapped(f"{flow.ports_text:<12} {flow.purpose or flow.id}{note}", "  ", 15)
    background = protocol.background
    for title, text in (
        ("What does it send?", background.sends),
        ("What does NAT do to it?", background.nat),
        ("Is passthrough needed?", background.passthrough or _PASSTHROUGH[protocol.passthrough]),
        ("Is it safe?", background.safety or _SECURITY[protocol.security]),
        ("What else?", background.instead),
    ):
        if text.strip():
            yield ""
            yield click.style(title, bold=True)
            yield from _wrapped(text, "  ")
    if protocol.references:
        yield ""
        yield click.style("Sources", bold=True)
        yield from (f"  {each.title}\n    {each.url}" for each in protocol.references)


def _wrapped(text: str, indent: str = "", hanging: int = 0) -> Iterable[str]:
    width = min(shutil.get_terminal_size().columns, 100)
    later = indent + " " * hanging
    joined = " ".join(text.split()) if not hanging else text
    return textwrap.wrap(joined, width, initial_indent=indent, subsequent_indent=later) or [""]


def protocol_data(protocol: Protocol) -> dict[str, Any]:
    """Give a protocol's background as JSON data."""
    background = protocol.background
    return {
        "protocol": protocol.id,
        "title": protocol.title,
        "part_of": protocol.part_of,
        "sends": background.sends,
        "nat": background.nat,
        "passthrough": {"needed": protocol.passthrough, "text": background.passthrough},
        "security": {"state": protocol.security, "text": background.safety},
        "instead": background.instead,
        "flows": [
            {"id": flow.id, "packets": flow.ports_text, "purpose": flow.purpose}
            for flow in protocol.flows
        ],
        "references": [{"title": r.title, "url": r.url} for r in protocol.references],
    }


# -- a router


def _explain_host(host: str, protocol: str | None, output: str, options: dict[str, Any]) -> int:
    from compiler.cli.compile import compile_site  # noqa: PLC0415

    # Deviations are told here, not refused: to explain them is what this command is for.
    site, compiled, findings = compile_site({**options, "limit": host}, "warn")
    if len(compiled) != 1:
        raise UsageError.of(Code.U801, f"--host takes one router; {host!r} matches {len(compiled)}")
    wanted: str | None = None
    if protocol:
        found = site.catalogue.get(protocol)
        if found is None:
            raise _unknown(protocol, site.catalogue)
        wanted = found.id
    item = next(iter(compiled.values()))
    decisions = [d for d in item.intent.decisions if wanted in (None, d.protocol)]
    if output == "json":
        click.echo(json.dumps(_host_data(item, decisions), indent=1))
        return ExitCode.OK
    print_findings(findings)
    click.echo("\n".join(_host_text(item, decisions, wanted)))
    return ExitCode.OK


def _effects_of(item: Compiled, decision: Decision) -> list[Effect]:
    return [e for e in item.outcome.effects if decision.claims(e.probe.flow)]


def _host_data(item: Compiled, decisions: Sequence[Decision]) -> dict[str, Any]:
    from compiler.build.manifest import (  # noqa: PLC0415
        decision_data,
        deviation_data,
        effect_data,
        exposure_data,
    )

    device = item.router.device
    names = {decision.protocol for decision in decisions}
    return {
        "schema": SCHEMA,
        "host": device.name,
        "target": device.target,
        "files": [file.path for file in item.bundle.files],
        "decisions": [
            {**decision_data(d), "effects": [effect_data(e) for e in _effects_of(item, d)]}
            for d in decisions
        ],
        "exposures": [exposure_data(e) for e in item.intent.exposures],
        "deviations": [deviation_data(d) for d in item.outcome.deviations if d.protocol in names],
    }


def _host_text(item: Compiled, decisions: Sequence[Decision], wanted: str | None) -> Iterator[str]:
    device = item.router.device
    yield click.style(f"{device.name} ({device.target})", bold=True)
    yield f"files: {', '.join(file.path for file in item.bundle.files)}"
    if not decisions:
        what = f"'{wanted}'" if wanted else "any protocol"
        yield f"no play decides about {what} here: it is kept as it is"
    for decision in decisions:
        yield ""
        yield from _decision_text(item, decision)
    for exposure in item.intent.exposures if not wanted else ():
        yield ""
        yield click.style(f"{exposure.protocol}: exposed, to {exposure.to}", bold=True)
        yield f"  by {exposure.origin.place} ({exposure.origin.play})"


def _decision_text(item: Compiled, decision: Decision) -> Iterator[str]:
    origin = decision.origin
    yield click.style(f"{decision.protocol}: {decision.action}", bold=True) + _limits_text(decision)
    inherited = f", as part of {origin.inherited_from}" if origin.inherited_from else ""
    if origin.inherited_from == "default":
        inherited = ", by default"
    reason = f" [{origin.reason}]" if origin.reason else ""
    yield f"  by {origin.place} ({origin.play}{inherited}){reason}"
    seen: dict[tuple[str, str, str, str], set[tuple[str, str, str]]] = {}
    for effect in _effects_of(item, decision):
        probe = effect.probe
        helper = "" if effect.helper == "not-needed" else f", helper {effect.helper}"
        key = (probe.flow.id, probe.flow.ports_text, f"{effect.verdict}{helper}", effect.because)
        seen.setdefault(key, set()).add((probe.source, probe.destination, str(probe.family)))
    for (flow, ports, verdict, because), where in seen.items():
        yield from _wrapped(f"{verdict:<7} {flow} {ports}: {_where_text(where)}", "  ", 8)
        yield from _wrapped(because, " " * 10, 2)
    for deviation in item.outcome.deviations:
        if deviation.protocol == decision.protocol:
            yield f"  deviates: {deviation.code.name} {deviation.code.value}"


def _where_text(where: set[tuple[str, str, str]]) -> str:
    """Give ``guest, lan -> wan over ipv4, ipv6``; every path by itself where they differ."""
    parts = [sorted(set(column)) for column in zip(*where, strict=True)]
    if len(parts[0]) * len(parts[1]) * len(parts[2]) == len(where):
        sources, destinations, families = (", ".join(part) for part in parts)
        return f"{sources} -> {destinations} over {families}"
    return "; ".join(f"{source} -> {to} over {family}" for source, to, family in sorted(where))


def _limits_text(decision: Decision) -> str:
    limits = decision.limits
    parts = []
    if limits.zones or limits.sources:
        parts.append("from " + ", ".join([*limits.zones, *map(str, limits.sources)]))
    if limits.destinations:
        parts.append("to " + ", ".join(map(str, limits.destinations)))
    if len(limits.families) == 1:
        parts.append(f"over {next(iter(limits.families))}")
    if parts and decision.action == "pass":
        parts.append(f"otherwise {decision.otherwise}")
    return f" {', '.join(parts)}" if parts else ""
