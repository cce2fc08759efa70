"""A host's ``passthru_*`` variables, rendered and checked, into a :class:`Device`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.build.registry import Registry
from compiler.errors import PassthruError, SourceError
from compiler.inventory import Host
from compiler.model.device import Device, Network, Role, Zone
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.source import schema
from compiler.source.secrets import public
from compiler.source.template import Templar
from compiler.source.yaml import read_text

PREFIX = "passthru_"
#: Variables that mean the same for every target.
COMMON = frozenset(
    {
        "target", "zones", "facts", "observed", "via", "ssh_legacy", "http_direct", "https",
        "https_fingerprint", "site",
    }
)  # fmt: skip
_DEFAULT_ZONES: Mapping[str, Any] = {"lan": {}, "wan": {}}


class Devices:
    """Makes devices; remembers which sets of variables were found to follow the schema."""

    def __init__(self, registry: Registry) -> None:
        """Remember where targets come from."""
        self._registry = registry
        self._valid: set[str] = set()

    def device(self, host: Host) -> tuple[Device | None, list[Finding]]:
        """Build a host's device, or say everything that keeps it from being one."""
        try:
            variables = self._variables(host)
        except SourceError as error:
            return None, [replace(f, host=host.name) for f in error.findings]
        place = host.defined_at
        if f"{PREFIX}target" not in variables:
            return None, [_no_target(host)]
        findings = self._schema_findings(host, variables)
        if findings:
            return None, findings
        name = variables[f"{PREFIX}target"]
        try:
            target = self._registry.get(name, host.place(f"{PREFIX}target") or place)
        except PassthruError as error:
            return None, [replace(f, host=host.name) for f in error.findings]
        zones, findings = _zones(host, variables.get(f"{PREFIX}zones") or _DEFAULT_ZONES)
        facts = variables.get(f"{PREFIX}facts") or {}
        options = {
            key.removeprefix(PREFIX): value
            for key, value in variables.items()
            if key.removeprefix(PREFIX) not in COMMON
        }
        known = target.options()
        findings += _unknown(host, options, facts, known)
        observed = variables.get(f"{PREFIX}observed")
        if observed is not None:
            text, problems = _observed(host, str(observed))
            findings += problems
            options["observed"] = text
        if any(f.severity is Severity.ERROR for f in findings):
            return None, findings
        device = Device(
            host.name, name, zones, MappingProxyType(facts), MappingProxyType(options), place
        )
        findings += [replace(f, host=host.name) for f in target.check(device)]
        return device, findings

    def _variables(self, host: Host) -> dict[str, Any]:
        """Render our variables, and only them: others may be secret, broken or huge."""
        templar = Templar(host.namespace)
        return {
            name: public(templar.render(value, host.place(name)), host.place(name))
            for name, value in host.variables.items()
            if str(name).startswith(PREFIX)
        }

    def _schema_findings(self, host: Host, variables: Mapping[str, Any]) -> list[Finding]:
        key = repr(variables)
        if key in self._valid:
            return []

        def place(path: tuple[Any, ...], *, key: bool = False) -> Place:
            found = host.place(str(path[0]), *path[1:], key=key) if path else None
            return found or host.defined_at or Place("inventory")

        findings = schema.check_data(
            dict(variables), "variables", place, lambda path: place(path, key=True)
        )
        if not findings:
            self._valid.add(key)
        return [replace(f, code=Code.I206, host=host.name) for f in findings]


def _no_target(host: Host) -> Finding:
    return Finding(
        Code.I204,
        f"host '{host.name}' has no target",
        place=host.defined_at,
        hint="set passthru_target; `passthru targets` lists the families",
        host=host.name,
    )


def _zones(host: Host, raw: Mapping[Any, Any]) -> tuple[tuple[Zone, ...], list[Finding]]:
    zones: list[Zone] = []
    findings: list[Finding] = []
    for name, value in raw.items():
        place = host.place(f"{PREFIX}zones", name, key=True) or host.defined_at
        if not isinstance(name, str):
            message = f"a zone's name must be text, not {name!r}"
            hint = "write it in quotes"
            findings.append(Finding(Code.I206, message, place=place, hint=hint, host=host.name))
            continue
        entry = value or {}
        devices = tuple(entry.get("devices") or ())
        if "device" in entry and entry["device"] not in devices:
            devices = (entry["device"], *devices)
        networks, problems = _networks(host, name, entry.get("networks") or [], place)
        findings += problems
        role = entry.get("role") or ("wan" if name.startswith("wan") else "lan")
        zones.append(Zone(name, Role(role), devices, networks, place))
    return tuple(zones), findings


def _networks(
    host: Host, zone: str, raw: str | list[str], place: Place | None
) -> tuple[tuple[Network, ...], list[Finding]]:
    networks: list[Network] = []
    findings: list[Finding] = []
    for text in [raw] if isinstance(raw, str) else raw:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            message = f"zone '{zone}': {text[:60]!a} is not a network"
            hint = "write 192.168.1.0/24"
            if "has host bits set" in str(error):
                hint = f"did you mean {ip_network(text, strict=False)}?"
            findings.append(Finding(Code.P110, message, place=place, hint=hint, host=host.name))
    return tuple(networks), findings


def _unknown(
    host: Host, options: Mapping[str, Any], facts: Mapping[str, Any], known: Mapping[str, str]
) -> list[Finding]:
    """Find variables and facts that the host's target does not read."""
    findings = []
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, [*known, *COMMON], 1)
            hint = f"did you mean '{PREFIX}{close[0]}'?" if close else ""
            message = f"no variable '{PREFIX}{name[:60]}' is known for this target"
            place = host.place(f"{PREFIX}{name}", key=True)
            findings.append(Finding(Code.I206, message, place=place, hint=hint, host=host.name))
    fact_names = [key.removeprefix("facts.") for key in known if key.startswith("facts.")]
    for name in facts:
        if name not in fact_names:
            close = difflib.get_close_matches(str(name), fact_names, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"it reads: {', '.join(fact_names)}"
            message = f"this target reads no fact {str(name)[:60]!r}"
            place = host.place(f"{PREFIX}facts", name, key=True)
            findings.append(
                Finding(Code.I206, message, Severity.WARNING, place, hint, host=host.name)
            )
    return findings


def _observed(host: Host, name: str) -> tuple[str, list[Finding]]:
    """Read a saved answer; its path is relative to the file that names it."""
    place = host.place(f"{PREFIX}observed")
    base = Path(place.file).parent if place else Path()
    if base.name in ("group_vars", "host_vars"):
        base = base.parent
    try:
        return read_text(base / name), []
    except SourceError as error:
        return "", [replace(f, place=place, host=host.name) for f in error.findings]
