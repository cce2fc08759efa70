"""What the policy tests share: a device, and plays resolved for it in one call."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from ipaddress import ip_network
from typing import Any

from compiler.catalogue import Catalogue, builtin, extend
from compiler.model.device import Device, Role, Zone
from compiler.model.finding import Severity
from compiler.policy.names import check_names
from compiler.policy.plays import Play
from compiler.policy.resolve import Resolved, resolve
from compiler.source import schema
from compiler.source.yaml import loads

TODAY = date(2026, 6, 1)
DEVICE = Device(
    "r1",
    "linux",
    (
        Zone("lan", Role.LAN, ("br0",), (ip_network("192.168.1.0/24"), ip_network("2001:db8:1::/64"))),
        Zone("guest", Role.LAN, ("br1",), (ip_network("192.168.2.0/24"),)),
        Zone("wan", Role.WAN, ("eth0",)),
    ),
)  # fmt: skip


def plays(text: str) -> list[Play]:
    """Read plays from text; they must follow the schema."""
    document = loads(text, "p.yml")
    assert schema.check(document, "policy") == []
    return [
        Play(document, index, str(content.get("name", index)), content["hosts"], content)
        for index, content in enumerate(document.data)
    ]


def resolved(
    text: str,
    variables: Mapping[str, Any] | None = None,
    *,
    protocols: str = "",
    allow_expired: bool = False,
    extra_vars: Mapping[str, Any] | None = None,
) -> Resolved:
    """Resolve all plays of a text for the device."""
    catalogue = with_protocols(protocols)
    found = plays(text)
    assert check_names(found, catalogue) == []
    numbered = list(enumerate(found))
    return resolve(
        numbered, DEVICE, catalogue, variables or {}, TODAY, allow_expired, extra_vars or {}
    )


def with_protocols(text: str) -> Catalogue:
    """Give the catalogue with the user's own protocols."""
    return extend(builtin(), [loads(text, "protocols.yml")]) if text else builtin()


def entries(*lines: str) -> str:
    """Write one play with these entries; the first stands on line 3."""
    return "\n".join(["- hosts: all", "  passthrough:", *(f"    {line}" for line in lines), ""])


def told(result: Resolved) -> list[str]:
    """Give findings as ``CODE line:column message``; notes are left out."""
    return [
        f"{f.code.name} {f.place.line}:{f.place.column} {f.message}"
        for f in result.findings
        if f.place and f.severity is not Severity.INFO
    ]


def actions(result: Resolved) -> dict[str, str]:
    """Give the decided action of each protocol."""
    assert told(result) == []
    return {decision.protocol: str(decision.action) for decision in result.intent.decisions}
