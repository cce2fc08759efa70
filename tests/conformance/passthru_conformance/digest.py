"""Digests of bundles, for another process to compare; run with ``python -m``.

Reads ``{"cases": [...], "data": [...]}`` from standard input.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import fields
from typing import Any

from compiler.build.registry import installed
from compiler.errors import TargetError

from .cases import Case
from .situations import situation


def packed(case: Case) -> dict[str, Any]:
    """Give a case as JSON data."""
    values = {field.name: getattr(case, field.name) for field in fields(case)}
    return {**values, "facts": dict(case.facts), "options": dict(case.options), "foreign": ()}


def digests(work: str) -> str:
    """Compile every drawn situation for every case and give a digest a line."""
    asked = json.loads(work)
    lines = []
    for case in (Case(**packed_case) for packed_case in asked["cases"]):
        target = installed().get(case.target)
        for data in asked["data"]:
            found = situation(case, data)
            if found is None:
                continue
            try:
                settings = target.settings(found.intent, found.device)
            except TargetError as error:
                lines.append(f"{case.name} {error}\n")
                continue
            bundle = target.render(settings, found.device)
            files = "".join(f"{f.path} {f.mode:o} {f.sha256}\n" for f in bundle.files)
            lines.append(f"{case.name} {hashlib.sha256(files.encode()).hexdigest()}\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(digests(sys.stdin.read()))
