"""Host patterns: ``all``, globs, ``a:b``, ``a:&b``, ``a:!b``, ``~regex``, ``group[0:2]``.

The order of the hosts and every quirk are Ansible's: a glob that matches ``all`` gives every
host; plain and excluding parts are applied in the order plain, ``&``, ``!``. See
https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.inventory.graph import ALL, LOCALHOST, Entry, Graph
from compiler.inventory.layers import InFile, Layer
from compiler.inventory.names import shown
from compiler.inventory.ranges import split_port
from compiler.source.yaml import read_text

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]")
_PART = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_GLOB = frozenset("*?[")
_BRACKETS = frozenset("[]")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a pattern that matches nothing, or that cannot be understood."""

    message: str
    hint: str = ""


def split(pattern: str | Sequence[str]) -> list[str]:
    """Split a pattern (or a list of them) at commas or, failing those, at colons.

    Where Ansible drops a bracket that has no partner (``~[`` becomes ``~``, which matches every
    host), the pattern stays whole, so that it is refused.
    """
    if not isinstance(pattern, str):
        return [part for each in pattern for part in split(each)]
    if "," in pattern:
        parts = pattern.split(",")
    else:
        parts = [pattern] if split_port(pattern) else _PART.findall(pattern)
        if not _BRACKETS.isdisjoint(_PART.sub("", pattern)):
            parts = [pattern]
    return [part.strip() for part in parts if part.strip()]


def read_limit(limit: str | Sequence[str]) -> list[str]:
    """Split a ``--limit``; ``@file`` stands for the patterns in a file, one a line.

    Raises:
        SourceError: the file cannot be read (P100, P107, P108).
    """
    parts: list[str] = []
    for part in split(limit):
        if part.startswith("@"):
            parts += filter(None, map(str.strip, read_text(Path(part[1:])).split("\n")))
        else:
            parts.append(part)
    return parts


def implicit_localhost(name: str) -> Entry:
    """Make the host that ``localhost`` means when no inventory names it."""
    layer = Layer({"ansible_connection": "local"}, InFile(""))
    return Entry(name, layers=[layer])


class Matcher:
    """Finds hosts by pattern in a finished graph."""

    def __init__(self, graph: Graph) -> None:
        """Match against ``graph``; answers are kept, as it does not change any more."""
        self._graph = graph
        self._known: dict[str, list[Entry]] = {}
        self.problems: list[Problem] = []

    def select(self, parts: Iterable[str]) -> list[str]:
        """Give the names that the parts of one pattern stand for, each once, in order."""
        given = [part for part in parts if part]
        if not given:
            self._complain("the pattern is empty")
        chosen: dict[str, None] = {}
        for part in _in_order(given):
            if part in self._graph.hosts:
                chosen[part] = None
                continue
            names = [entry.name for entry in self._match(part.removeprefix("!").removeprefix("&"))]
            if part.startswith("!"):
                unwanted = set(names)
                chosen = {name: None for name in chosen if name not in unwanted}
            elif part.startswith("&"):
                wanted = set(names)
                chosen = {name: None for name in chosen if name in wanted}
            else:
                chosen.update(dict.fromkeys(names))
        return list(chosen)

    def _match(self, part: str) -> list[Entry]:
        known = self._known.get(part)
        if known is None:
            known = self._known[part] = self._subscripted(part) if part else []
        return known

    def _subscripted(self, part: str) -> list[Entry]:
        match = None if part.startswith("~") else _SUBSCRIPT.fullmatch(part)
        found = self._find(match[1] if match else part)
        if not match or not found:
            return found
        index, start, end = match[2], match[3], match[4]
        if index is None and end != "0":
            stop = len(found) if not end else int(end) + 1
            return found[int(start) : stop]
        at = int(start if index is None else index)
        if not -len(found) <= at < len(found):
            self._complain(f"{shown(part)}: there are only {len(found)} hosts")
            return []
        return [found[at]]

    def _find(self, pattern: str) -> list[Entry]:
        groups = self._names(self._graph.groups, pattern)
        found = [host for name in groups for host in self._graph.members(self._graph.groups[name])]
        is_open = pattern.startswith("~") or not _GLOB.isdisjoint(pattern)
        if not groups or is_open or "." in pattern:
            found += [self._graph.hosts[name] for name in self._names(self._graph.hosts, pattern)]
        if not found and pattern in LOCALHOST:
            return [self._graph.localhost or implicit_localhost(pattern)]
        if not found and not groups and not is_open and pattern != ALL:
            self._complain(
                f"the pattern {shown(pattern)} names no host and no group", self._hint(pattern)
            )
        return found

    def _names(self, names: Iterable[str], pattern: str) -> list[str]:
        if pattern.startswith("~"):
            text = pattern[1:]
        elif _GLOB.isdisjoint(pattern):
            return [name for name in (pattern,) if name in names]
        else:
            text = fnmatch.translate(pattern)
        try:
            match = re.compile(text).match
        except (re.error, RecursionError, OverflowError) as error:
            self._complain(f"{shown(pattern)} is no regular expression: {error}")
            return []
        return [name for name in names if match(name)]

    def _complain(self, message: str, hint: str = "") -> None:
        problem = Problem(message, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def _hint(self, pattern: str) -> str:
        names = [*self._graph.groups, *self._graph.hosts]
        near = difflib.get_close_matches(pattern, names, 1)
        return f"did you mean {shown(near[0])}?" if near else ""


def _in_order(given: Sequence[str]) -> list[str]:
    plain = [part for part in given if part[0] not in "&!"]
    wanted = [part for part in given if part[0] == "&"]
    return [*(plain or [ALL]), *wanted, *(part for part in given if part[0] == "!")]
