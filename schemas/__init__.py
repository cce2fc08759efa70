"""JSON Schemas (draft-07) of every file that a user writes or the program prints.

Editors complete with the same files that the program validates with.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

SUFFIX = ".schema.json"


@cache
def names() -> tuple[str, ...]:
    """Names of all schemas, sorted: ``policy``, ``protocols``, ``manifest`` ..."""
    entries = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(n.removesuffix(SUFFIX) for n in entries if n.endswith(SUFFIX)))


def text(name: str) -> str:
    """Give the schema as it is stored.

    Raises:
        KeyError: there is no such schema.
    """
    if name not in names():
        raise KeyError(name)
    return resources.files(__name__).joinpath(name + SUFFIX).read_text(encoding="utf-8")


@cache
def schema(name: str) -> dict[str, Any]:
    """Give the schema as data.

    Raises:
        KeyError: there is no such schema.
    """
    loaded: dict[str, Any] = json.loads(text(name))
    return loaded
