"""Ansible's YAML form of an inventory: groups of ``hosts``, ``children`` and ``vars``.

See https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.inventory.builder import Builder, as_variables, kind
from compiler.inventory.graph import Group
from compiler.inventory.layers import InDocument, Layer
from compiler.inventory.names import shown
from compiler.inventory.ranges import expand_host
from compiler.model.finding import Code

_SECTIONS = ("vars", "children", "hosts")


def read_mapping(builder: Builder, groups: Mapping[Any, Any], where: InDocument) -> None:
    """Read loaded data (of YAML, JSON or TOML) into a builder."""
    for name, data in groups.items():
        _read_group(builder, name, data, where.below(name))


def _read_group(builder: Builder, name: object, data: Any, where: InDocument) -> Group | None:
    if data is not None and not isinstance(data, dict):
        place = where.place((), key=True)
        builder.warn(f"{shown(str(name))} is left out: a group is a mapping", place)
        return builder.graph.groups.get(name) if isinstance(name, str) else None
    group = builder.group(name, where)
    if group is None:
        return None
    for section, content in (data or {}).items():
        _read_section(builder, group, section, content, where.below(section))
    return group


def _read_section(
    builder: Builder, group: Group, section: Any, content: Any, where: InDocument
) -> None:
    if section not in _SECTIONS:
        builder.warn(
            f"{shown(str(section))} in the group {shown(group.name)} is left out",
            where.place((), key=True),
            "a group holds hosts, children and vars",
        )
        return
    if isinstance(content, str):
        content = {content: None}
    if content is None:
        return
    if not isinstance(content, dict):
        hint = f"write '{section}:' with one 'name:' a line, no dashes"
        place = where.place((), key=True)
        builder.error(f"'{section}' must be a mapping, not {kind(content)}", place, hint)
        return
    if section == "vars":
        builder.variables(group, Layer(content, where))
    elif section == "children":
        _read_children(builder, group, content, where)
    else:
        _read_hosts(builder, group, content, where)


def _read_children(
    builder: Builder, group: Group, content: dict[Any, Any], where: InDocument
) -> None:
    for name, data in content.items():
        child = _read_group(builder, name, data, where.below(name))
        if child is not None:
            builder.child(group.name, child.name, where.below(name))


def _read_hosts(builder: Builder, group: Group, content: dict[Any, Any], where: InDocument) -> None:
    for pattern, data in content.items():
        below = where.below(pattern)
        values = as_variables(data)
        if not isinstance(pattern, str) or not pattern:
            builder.error(
                f"a host name must be text, not {kind(pattern)}",
                below.place((), key=True),
                "put it in quotes",
                Code.I207,
            )
        elif values is None:
            builder.error(
                f"the host {shown(pattern)} takes a mapping of variables, not {kind(data)}",
                below.place(()),
            )
        else:
            _add_hosts(builder, group, pattern, Layer(values, below), below)


def _add_hosts(
    builder: Builder, group: Group, pattern: str, layer: Layer, where: InDocument
) -> None:
    try:
        names, port = expand_host(pattern)
    except ValueError as error:
        builder.error(str(error), where.place((), key=True))
        return
    builder.hosts(names, group, layer, where, port)
