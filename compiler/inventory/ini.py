"""Ansible's INI form of an inventory.

Sections ``[group]``, ``[group:children]`` and ``[group:vars]``; values are Python literals
where they can be and text otherwise. On a host line they end at a blank (shell quoting counts),
below ``:vars`` they reach to the end of the line. See
https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import dataclass
from typing import Any

from compiler.inventory.builder import Builder
from compiler.inventory.graph import UNGROUPED
from compiler.inventory.layers import InLine, Layer
from compiler.inventory.names import shown
from compiler.inventory.ranges import expand_host
from compiler.model.finding import Code
from compiler.source.secrets import conceal

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP_NAME = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
# Words and dotted numbers are never literals; most values are one or the other.
_PLAIN_TEXT = re.compile(r"(?!(?:True|False|None)$)[A-Za-z_][\w-]*|[0-9]+(?:\.[0-9]+){2,}")
_KINDS = ("hosts", "children", "vars")


@dataclass(slots=True)
class _Pending:
    """A group that was named before its section was seen."""

    kind: str
    line: InLine
    parents: list[str]


class IniReader:
    """Reads one INI file into a builder."""

    def __init__(self, builder: Builder, file: str, *, encrypted: bool = False) -> None:
        """Begin as if the file began with ``[ungrouped]``."""
        self._encrypted = encrypted
        self._builder = builder
        self._file = file
        self._group = UNGROUPED
        self._kind = "hosts"
        self._pending: dict[str, _Pending] = {}

    def read(self, text: str) -> None:
        """Read the whole text; errors become findings of the builder."""
        handle = {"hosts": self._host, "children": self._child, "vars": self._variable}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            for number, raw in enumerate(text.splitlines(), 1):
                line = raw.strip()
                if not line or line[0] in ";#":
                    continue
                where = InLine(self._file, number, raw)
                section = _SECTION.fullmatch(line)
                if section:
                    self._open(section[1], section[2] or "hosts", where)
                elif line.startswith("[") and line.endswith("]"):
                    self._error(where, f"{shown(line)} is no section", "no blanks in brackets")
                else:
                    handle[self._kind](line, where)
        self._report_pending()

    def _error(self, where: InLine, message: str, hint: str = "") -> None:
        place = where.place(())
        self._builder.error(message, place, hint)

    def _open(self, name: str, kind: str, where: InLine) -> None:
        if kind not in _KINDS:
            self._error(where, f"a section has no kind '{kind}'", f"one of {', '.join(_KINDS)}")
            kind = "hosts"
        self._group, self._kind = name, kind
        if name not in self._builder.graph.groups:
            if kind == "vars":
                self._pending.setdefault(name, _Pending("vars", where, []))
            self._builder.graph.add_group(name, where)
        waiting = self._pending.get(name)
        if waiting is not None and kind != "vars":
            for parent in waiting.parents:
                self._builder.child(parent, name, waiting.line)
            del self._pending[name]

    def _report_pending(self) -> None:
        for name, waiting in self._pending.items():
            if waiting.kind == "vars":
                message = f"[{name}:vars] stands alone: there is no group {shown(name)}"
            else:
                message = f"[{waiting.parents[-1]}:children] names no group: {shown(name)}"
            self._error(waiting.line, message, f"declare it with a section [{name}]")

    def _child(self, line: str, where: InLine) -> None:
        match = _GROUP_NAME.fullmatch(line)
        if not match:
            self._error(where, f"{shown(line)} is no group name")
            return
        name = match[1]
        if name in self._builder.graph.groups:
            self._builder.child(self._group, name, where)
        elif name in self._pending:
            self._pending[name].parents.append(self._group)
        else:
            self._pending[name] = _Pending("children", where, [self._group])

    def _variable(self, line: str, where: InLine) -> None:
        name, equals, value = line.partition("=")
        if not equals:
            self._error(where, "expected NAME=VALUE")
            return
        values = {name.strip(): self._literal(value.strip(), where)}
        self._builder.variables(self._builder.graph.groups[self._group], self._layer(values, where))

    def _host(self, line: str, where: InLine) -> None:
        try:
            tokens = shlex.split(line, comments=True)
        except ValueError as error:
            self._error(where, f"the quotes do not match: {error}")
            return
        values: dict[str, Any] = {}
        for token in tokens[1:]:
            name, equals, value = token.partition("=")
            if equals:
                values[name] = self._literal(value, where)
            else:
                self._error(where, f"expected NAME=VALUE, not {shown(token)}")
        self._add_hosts(tokens[0], values, where)

    def _add_hosts(self, pattern: str, values: dict[str, Any], where: InLine) -> None:
        try:
            names, port = expand_host(pattern)
        except ValueError as error:
            self._error(where, str(error))
            return
        if not pattern or pattern == "---" or (pattern.endswith(":") and port is None):
            hint = "is this a YAML file?" if pattern else ""
            self._builder.error(f"{shown(pattern)} is no host", where.place(()), hint, Code.I207)
            return
        group = self._builder.graph.groups[self._group]
        self._builder.hosts(names, group, self._layer(values, where), where, port)

    def _layer(self, values: dict[str, Any], where: InLine) -> Layer:
        return Layer(conceal(values, where.place) if self._encrypted else values, where)

    def _literal(self, text: str, where: InLine) -> Any:
        if _PLAIN_TEXT.fullmatch(text):
            return text
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
        except (TypeError, MemoryError, RecursionError) as error:
            self._error(where, f"{shown(text)} is no value: {type(error).__name__}")
            return text
        return value.decode(errors="replace") if isinstance(value, bytes) else value
