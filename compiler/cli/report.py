"""Findings for people (an excerpt and a marker), for programs (JSON), and for code hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import click

from compiler import __version__
from compiler.cli.manners import verbosity
from compiler.model.finding import Code, Finding, Severity
from compiler.source.excerpt import excerpt, printable

SCHEMA = "passthru/findings/v1"
_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SARIF = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def merged(findings: Iterable[Finding]) -> list[tuple[Finding, tuple[str, ...]]]:
    """Say the same thing about many hosts once, with their names; sorted by place."""
    groups: dict[Finding, dict[str, None]] = {}
    for finding in findings:
        hosts = groups.setdefault(replace(finding, host=""), {})
        if finding.host:
            hosts[finding.host] = None
    order = sorted(groups, key=lambda finding: finding.sort_key)
    return [(finding, tuple(groups[finding])) for finding in order]


def findings_data(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Give findings as JSON data, in the form of ``passthru/findings/v1``."""
    return [_data(*row) for row in merged(findings)]


def print_findings(findings: Iterable[Finding], form: str = "text") -> None:
    """Print findings: text on standard error, every other form on standard output."""
    rows = merged(findings)
    match form:
        case "json":
            click.echo(
                json.dumps({"schema": SCHEMA, "findings": [_data(*row) for row in rows]}, indent=1)
            )
        case "sarif":
            click.echo(json.dumps(_sarif(rows), indent=1))
        case "github":
            for finding, hosts in rows:
                click.echo(_annotation(finding, hosts))
        case _:
            _print_text(rows)


def _print_text(rows: Sequence[tuple[Finding, tuple[str, ...]]]) -> None:
    level = verbosity()
    least = Severity.ERROR if level < 0 else Severity.WARNING if level == 0 else Severity.INFO
    shown = [row for row in rows if row[0].severity >= least]
    for finding, hosts in shown:
        click.echo(_text(finding, hosts), err=True)
    if shown:
        click.echo(_summary([finding for finding, _ in rows], len(rows) - len(shown)), err=True)


def _summary(findings: Sequence[Finding], hidden: int) -> str:
    counts = []
    for severity in sorted(Severity, reverse=True):
        number = sum(finding.severity is severity for finding in findings)
        if number:
            word = "note" if severity is Severity.INFO else severity.word
            counts.append(f"{number} {word}{'s' if number > 1 else ''}")
    tail = " (passthru -v shows all)" if hidden else ""
    return ", ".join(counts) + tail


def _text(finding: Finding, hosts: tuple[str, ...]) -> str:
    word = "note" if finding.severity is Severity.INFO else finding.severity.word
    head = click.style(f"{word}[{finding.code.name}]", fg=_COLORS[finding.severity], bold=True)
    lines = [f"{head}: {printable(finding.message)}{_hosts_text(hosts)}"]
    hint = printable(finding.hint)
    place = finding.place
    if place:
        lines.append(f"  --> {printable(str(place))}")
        found = excerpt(place)
        if found:
            number = str(place.line)
            gap = " " * len(number)
            tail = f" {hint}" if hint else ""
            hint = ""
            lines += [f" {gap} |", f" {number} | {found[0]}", f" {gap} | {found[1]}{tail}"]
    if hint:
        lines.append(f"  = {hint}")
    return "\n".join(lines)


def _hosts_text(hosts: tuple[str, ...]) -> str:
    if not hosts:
        return ""
    shown = ", ".join(printable(host) for host in hosts[:3])
    return f" [{shown}{f' and {len(hosts) - 3} more' if len(hosts) > 3 else ''}]"


def _data(finding: Finding, hosts: tuple[str, ...]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "code": finding.code.name,
        "severity": finding.severity.word,
        "message": finding.message,
    }
    if finding.place:
        data["file"] = finding.place.file
        if finding.place.line:
            data["line"] = finding.place.line
            data["column"] = finding.place.column
    optional = {"hint": finding.hint, "protocol": finding.protocol}
    data |= {key: value for key, value in optional.items() if value}
    if hosts:
        data["hosts"] = list(hosts)
    return data


def _annotation(finding: Finding, hosts: tuple[str, ...]) -> str:
    """Give a GitHub workflow command; its syntax escapes %, CR, LF, and in properties : and ,."""
    place = finding.place
    properties = {"title": f"{finding.code.name} {finding.code.value}"}
    if place:
        properties["file"] = place.file
        if place.line:
            properties |= {"line": str(place.line), "col": str(place.column)}
    message = finding.message + (f" ({finding.hint})" if finding.hint else "") + _hosts_text(hosts)
    fields = ",".join(f"{k}={_escaped(v, properties=True)}" for k, v in properties.items())
    return f"::{_GITHUB[finding.severity]} {fields}::{_escaped(message)}"


def _escaped(text: str, *, properties: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    text = printable(text)
    return text.replace(":", "%3A").replace(",", "%2C") if properties else text


def _sarif(rows: Sequence[tuple[Finding, tuple[str, ...]]]) -> dict[str, Any]:
    """Give a SARIF 2.1.0 log (OASIS), as code scanning reads it."""
    codes = sorted({finding.code for finding, _ in rows}, key=lambda code: code.name)
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "passthru",
                        "semanticVersion": __version__,
                        "rules": [
                            {"id": code.name, "shortDescription": {"text": code.value}}
                            for code in codes
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(finding, hosts, codes) for finding, hosts in rows],
            }
        ],
    }


def _sarif_result(
    finding: Finding, hosts: tuple[str, ...], codes: Sequence[Code]
) -> dict[str, Any]:
    import hashlib  # noqa: PLC0415

    place = finding.place
    text = f"{finding.message}{_hosts_text(hosts)}" + (f" ({finding.hint})" if finding.hint else "")
    spot = f"{finding.code.name}|{place.file if place else ''}|{finding.message}"
    result: dict[str, Any] = {
        "ruleId": finding.code.name,
        "ruleIndex": list(codes).index(finding.code),
        "level": _SARIF[finding.severity],
        "message": {"text": text},
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(spot.encode(errors="surrogateescape")).hexdigest()[:32]
        },
    }
    if place:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line:
            physical["region"] = {"startLine": place.line, "startColumn": max(place.column, 1)}
        result["locations"] = [{"physicalLocation": physical}]
    return result


def _uri(file: str) -> str:
    """Give a file name as the URI reference that SARIF asks for."""
    from urllib.parse import quote  # noqa: PLC0415

    return quote(file.replace("\\", "/"), errors="surrogateescape")
