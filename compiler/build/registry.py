"""Targets, found through the entry-point group ``passthru.targets``.

The built-in families come the same way as a third party's. A target is imported when a host needs
it; one that cannot be imported is an error that names its distribution, not a silent gap.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from compiler.errors import TargetError
from compiler.model.finding import Code, Place
from compiler.model.target import Target

GROUP = "passthru.targets"
#: Members that a target must have; see :class:`compiler.model.target.Target`.
MEMBERS = (
    *("summary", "capabilities", "examples", "check", "options", "settings", "render"),
    *("parse", "merge", "effects", "procedure", "notes"),
)


class Registry:
    """Every target that is installed, by name."""

    def __init__(self, entries: Iterable[EntryPoint]) -> None:
        """Take entry points; nothing is imported yet."""
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in entries:
            known = self._entries.setdefault(entry.name, [])
            if all(entry.value != other.value for other in known):
                known.append(entry)
        self._loaded: dict[str, Target[Any]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._entries))

    def get(self, name: str, place: Place | None = None) -> Target[Any]:
        """Give a target, importing it if need be.

        Raises:
            TargetError: T401 unknown, T402 cannot be loaded, T403 defined twice.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name, place)
        return self._loaded[name]

    def distribution(self, name: str) -> str:
        """Give ``name version`` of the distribution that a target comes from."""
        return _origin(self._entries[name][0])

    def _load(self, name: str, place: Place | None) -> Target[Any]:
        entries = self._entries.get(name)
        if not entries:
            close = difflib.get_close_matches(name, self.names, 1)
            known = f"installed targets: {', '.join(self.names) or 'none'}"
            hint = f"did you mean '{close[0]}'?" if close else known
            shown = name if name.isprintable() and len(name) <= 60 else ascii(name)[:60]
            raise TargetError.of(Code.T401, f"unknown target '{shown}'", place, hint)
        if len(entries) > 1:
            where = " and ".join(_origin(entry) for entry in entries)
            raise TargetError.of(
                Code.T403, f"target '{name}' is defined by {where}", place, "uninstall one of them"
            )
        entry = entries[0]
        try:
            target = entry.load()
        except (Exception, SystemExit) as error:  # whatever a third party's import does
            raise TargetError.of(
                Code.T402,
                f"target '{name}' of {_origin(entry)} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                place,
                "upgrade or uninstall that distribution",
            ) from error
        missing = [member for member in MEMBERS if not hasattr(target, member)]
        if missing or getattr(target, "name", None) != name:
            problem = f"lacks {', '.join(missing)}" if missing else "has another name inside"
            raise TargetError.of(Code.T402, f"target '{name}' of {_origin(entry)} {problem}", place)
        loaded: Target[Any] = target
        return loaded


@cache
def _origin(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist else entry.value


@cache
def installed() -> Registry:
    """Give the registry of this installation."""
    return Registry(entry_points(group=GROUP))
