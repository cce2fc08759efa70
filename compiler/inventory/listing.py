"""The JSON that inventory scripts and ``ansible-inventory --list`` print.

See https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#inventory-scripts
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from compiler.inventory.builder import Builder, kind
from compiler.inventory.graph import Group
from compiler.inventory.layers import InFile, Layer
from compiler.inventory.names import shown
from compiler.model.finding import Code, Place
from compiler.source.secrets import Origin, Secret, Unsafe

#: Gives the variables of one host that the listing itself does not hold.
AskHost = Callable[[str], Mapping[str, Any]]

_SECTIONS = ("hosts", "vars", "children")


class RepeatedKeyError(ValueError):
    """A JSON object holds a key twice."""


def load_json(text: str, file: str) -> Any:
    """Load JSON; Ansible's marks for encrypted and for unsafe text become objects of ours.

    Raises:
        RepeatedKeyError: a key is written twice.
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    place = Place(file)

    def build(pairs: list[tuple[str, Any]]) -> Any:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            raise RepeatedKeyError(repeated)
        if isinstance(made.get("__ansible_vault"), str):
            return Secret(Origin.VAULT, made["__ansible_vault"], place)
        if isinstance(made.get("__ansible_unsafe"), str):
            return Unsafe(made["__ansible_unsafe"])
        return made

    return json.loads(text, object_pairs_hook=build)


def is_listing(data: object) -> bool:
    """Tell a listing from an inventory in Ansible's YAML form that is written as JSON."""
    return isinstance(data, dict) and isinstance(data.get("_meta"), dict)


class ListingReader:
    """Reads one listing into a builder."""

    def __init__(self, builder: Builder, file: str) -> None:
        """Read for ``builder``; ``file`` is what findings name."""
        self._builder = builder
        self._where = InFile(file)
        self._place = Place(file)
        self._hosts: dict[str, None] = {}

    def read(self, data: object, ask: AskHost | None = None) -> None:
        """Read a listing; ``ask`` is called for each host if it has no ``_meta.hostvars``."""
        if not isinstance(data, dict):
            self._builder.error(f"a listing is an object, not {kind(data)}", self._place)
            return
        for name, content in data.items():
            if name != "_meta":
                self._read_group(name, content)
        meta = data.get("_meta")
        variables = meta.get("hostvars") if isinstance(meta, dict) else None
        if variables is not None and not isinstance(variables, dict):
            self._builder.error("'_meta.hostvars' must be an object", self._place)
            return
        for host in self._hosts:
            if variables is not None:
                self._add_variables(host, variables.get(host, {}))
            elif ask is not None:
                self._add_variables(host, ask(host))

    def _add_variables(self, host: str, values: object) -> None:
        if isinstance(values, dict):
            self._builder.hosts((host,), None, Layer(values, self._where), self._where)
        else:
            self._builder.error(f"the variables of {shown(host)} must be an object", self._place)

    def _read_group(self, name: str, content: Any) -> None:
        group = self._builder.group(name, self._where)
        if group is None:
            return
        if not isinstance(content, dict):
            content = {"hosts": content}
        elif not any(section in content for section in _SECTIONS):
            content = {"hosts": [name], "vars": content}
        self._read_hosts(group, content.get("hosts", []))
        variables = content.get("vars", {})
        if isinstance(variables, dict):
            self._builder.variables(group, Layer(variables, self._where))
        else:
            self._builder.error(f"'vars' of {shown(name)} must be an object", self._place)
        self._read_children(group, content.get("children", []))

    def _read_hosts(self, group: Group, names: object) -> None:
        if not isinstance(names, list):
            self._builder.error(f"'hosts' of {shown(group.name)} must be a list", self._place)
            return
        for name in names:
            if isinstance(name, str) and name:
                self._hosts[name] = None
                self._builder.hosts((name,), group, None, self._where)
            else:
                self._builder.error(
                    f"a host name must be text, not {kind(name)}", self._place, code=Code.I207
                )

    def _read_children(self, group: Group, names: object) -> None:
        if not isinstance(names, list | dict):
            self._builder.error(f"'children' of {shown(group.name)} must be a list", self._place)
            return
        for name in names:
            child = self._builder.group(name, self._where)
            if child is not None:
                self._builder.child(group.name, child.name, self._where)
