"""Findings and cells as JSON: what is kept of a router, one text for all that are alike."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compiler.audit.finding import Audited, AuditFinding, Cell, Standing
from compiler.model.finding import Code, Place, Severity

#: Stands for the router's name in commands, so that like routers say the same.
HOST = "{host}"


def finding_data(found: AuditFinding) -> dict[str, Any]:
    """Give a finding as JSON data; what is empty is left out."""
    place = found.place
    data: dict[str, Any] = {
        "code": found.code.name,
        "severity": found.severity.word,
        "message": found.message,
        "protocol": found.protocol,
        "flows": list(found.flows),
        "families": list(found.families),
        "wanted": found.wanted,
        "file": place.file if place else "",
        "line": place.line if place else 0,
        "column": place.column if place else 0,
        "evidence": list(found.evidence),
        "settings": list(found.settings),
        "mend": found.mend,
    }
    return {key: value for key, value in data.items() if value}


def cell_data(cell: Cell) -> dict[str, str]:
    """Give a cell as JSON data."""
    return {"wanted": cell.wanted, "verdict": cell.verdict, "standing": str(cell.standing)}


def written(audited: Audited) -> str:
    """Give what is kept of a router, without its name."""
    return json.dumps(
        {
            "findings": [finding_data(found) for found in audited.findings],
            "cells": {name: cell_data(cell) for name, cell in audited.cells.items()},
        }
    )


def read(text: bytes) -> tuple[tuple[AuditFinding, ...], dict[str, Cell]]:
    """Read back what was written."""
    data = json.loads(text)
    cells = {
        name: Cell(cell["wanted"], cell["verdict"], Standing(cell["standing"]))
        for name, cell in data["cells"].items()
    }
    return tuple(_finding(each) for each in data["findings"]), cells


def _finding(data: Mapping[str, Any]) -> AuditFinding:
    place = None
    if "file" in data:
        place = Place(data["file"], data.get("line", 0), data.get("column", 0))
    return AuditFinding(
        Code[data["code"]],
        Severity[data["severity"].upper()],
        data["message"],
        data.get("protocol", ""),
        tuple(data.get("flows", ())),
        tuple(data.get("families", ())),
        data.get("wanted", ""),
        place,
        tuple(data.get("evidence", ())),
        tuple(data.get("settings", ())),
        data.get("mend", ""),
    )


def named(found: AuditFinding, host: str) -> AuditFinding:
    """Name the router in the command that mends it."""
    return replace(found, mend=found.mend.replace(HOST, shlex.quote(host))) if found.mend else found
