"""The settings: the paths that are ours, and the switch of the PPTP helper.

What is ours is told by a comment: a node whose ``description`` begins with ``passthru:`` is ours
with all that is under it. An interface cannot be marked; there, what refers to a ruleset of our
name is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.toggles.family import ToggleSettings
from compiler.vyatta.dialect import HELPER, MARK, OWN, Dialect
from compiler.vyatta.read import Command, Path, fail

ON, OFF = "on", "off"
KEY = "pptp"


@dataclass(frozen=True, slots=True)
class VyattaSettings:
    """Our paths in the order of a config, and the switch of the helper (``pptp``: on, off)."""

    paths: tuple[Path, ...] = ()
    toggles: ToggleSettings = field(default_factory=ToggleSettings)

    @property
    def helper(self) -> str:
        """``on``, ``off``, or nothing where the switch is left alone."""
        return str(self.toggles.as_dict().get(KEY, ""))

    def items(self) -> dict[str, str]:
        """Give a flat listing; a node with several values has them as lines."""
        found: dict[str, str] = {}
        for path in self.paths:
            name, value = " ".join(path[:-1]), path[-1]
            found[name] = f"{found[name]}\n{value}" if name in found else value
        if self.helper:
            found["system conntrack modules pptp"] = self.helper
        return found

    def under(self, node: Path) -> tuple[Path, ...]:
        """Give what stands under a node, without the node."""
        return tuple(path[len(node) :] for path in self.paths if path[: len(node)] == node)

    def rules(self, node: Path) -> Mapping[int, tuple[Path, ...]]:
        """Give the rules of a node by number, in the order in which they are tried."""
        found: dict[int, list[Path]] = {}
        for path in self.under((*node, "rule")):
            if len(path) > 1 and path[0].isdecimal():
                found.setdefault(int(path[0]), []).append(path[1:])
        return {number: tuple(found[number]) for number in sorted(found)}


def of(paths: Iterable[Path], helper: str = "") -> VyattaSettings:
    """Build settings from paths in any order."""
    ordered = tuple(sorted(set(paths), key=_rank))
    return VyattaSettings(ordered, ToggleSettings.of({KEY: helper} if helper else {}))


def _rank(path: Path) -> list[tuple[int, int, str]]:
    """Order words as a person does: numbers by value."""
    return [(0, int(w), w) if re.fullmatch(r"[0-9]{1,9}", w) else (1, 0, w) for w in path]


def select(commands: Sequence[Command], dialect: Dialect, file: str) -> VyattaSettings:
    """Pick what is ours out of a whole config.

    Raises:
        NativeError: a command takes something else away than the helper's switch.
    """
    helper = ""
    for command in commands:
        state = helper_state(command, dialect)
        helper = state or helper
        if command.verb == "delete" and not state:
            raise fail(file, command.line, "a `delete` has no place in a config")
    paths = [command.path for command in commands if command.verb == "set"]
    marked = nodes(paths)
    return of((path for path in paths if is_ours(path, marked)), helper)


def helper_state(command: Command, dialect: Dialect) -> str:
    """Say what a command does to the helper; nothing if it speaks of something else."""
    if command.path == (*HELPER, "disable"):
        return OFF if command.verb == "set" else ON
    if command.path == HELPER and not dialect.helper_off:
        return ON if command.verb == "set" else OFF
    return ""


def nodes(paths: Iterable[Path]) -> frozenset[Path]:
    """Give the nodes that are marked as ours."""
    return frozenset(
        path[:-2]
        for path in paths
        if len(path) > 3 and path[-2] == "description" and path[-1].startswith(MARK)
    )


def is_ours(path: Path, marked: frozenset[Path]) -> bool:
    """Tell whether a path is under a marked node, or puts a ruleset of ours on an interface."""
    if any(path[:length] in marked for length in range(1, len(path) + 1)):
        return True
    return is_attachment(path) and path[-1].startswith(OWN)


def is_attachment(path: Path) -> bool:
    """Tell whether a path puts a ruleset on an interface."""
    return (
        len(path) > 5
        and path[0] == "interfaces"
        and path[-4] == "firewall"
        and path[-2] in ("name", "ipv6-name")
    )
