"""SARIF 2.1.0 (OASIS), as code scanning reads it: the policy line is the location.

What no policy line is about is said at the router's line in the inventory: code scanning refuses a
whole file in which one result has no artifact. Each router is a logical location, so that an alert
names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from compiler import __version__
from compiler.audit.finding import Audited, AuditFinding
from compiler.audit.reports.view import View
from compiler.model.finding import Code, Severity

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def write(view: View) -> Iterator[str]:
    """Give the log, result by result."""
    codes = sorted({f.code for g in view.groups for f in g.audited.findings}, key=lambda c: c.name)
    driver = {
        "name": "passthru",
        "semanticVersion": __version__,
        "rules": [{"id": c.name, "shortDescription": {"text": c.value}} for c in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "automationDetails": {"id": f"passthru-audit/{view.audit.id}"},
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "where passthru was called"}}},
    }
    text = json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)
    yield text.removesuffix("\n  }\n ]\n}")
    yield ',\n   "results": ['
    first = True
    for row in view.rows:
        for found in row.findings:
            yield ("\n" if first else ",\n") + json.dumps(_result(found, row, codes))
            first = False
    yield "\n   ]\n  }\n ]\n}\n"


def _result(found: AuditFinding, row: Audited, codes: list[Code]) -> dict[str, Any]:
    host, place = row.host, found.place or row.place
    because = f" Because: {'; '.join(found.evidence[:3])}." if found.evidence else ""
    mend = f" To mend: {found.mend}" if found.mend else ""
    location: dict[str, Any] = {
        "logicalLocations": [{"name": host, "kind": "resource", "fullyQualifiedName": host}]
    }
    if place:
        physical: dict[str, Any] = {"artifactLocation": _artifact(place.file)}
        if place.line:
            physical["region"] = {"startLine": place.line, "startColumn": max(place.column, 1)}
        location["physicalLocation"] = physical
    return {
        "ruleId": found.code.name,
        "ruleIndex": codes.index(found.code),
        "level": _LEVELS[found.severity],
        "message": {"text": f"{host}: {found.message}.{because}{mend}"},
        "locations": [location],
        "partialFingerprints": {"audit/v1": found.fingerprint(host)},
    }


def _artifact(file: str) -> dict[str, str]:
    path = PurePosixPath(file.replace("\\", "/"))
    uri = quote(str(path), errors="surrogateescape")
    return {"uri": f"file://{uri}"} if path.is_absolute() else {"uri": uri, "uriBaseId": "SRCROOT"}
