"""What ``ansible-inventory --list`` and ``--graph`` would print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compiler.inventory.graph import ALL, Graph, Group
from compiler.inventory.host import Host
from compiler.source.secrets import Origin, Secret, Unsafe

#: Variables that Ansible sets itself and does not list, also where a user set them.
INTERNAL = frozenset(
    {
        *("inventory_dir", "inventory_file", "inventory_hostname", "inventory_hostname_short"),
        *("groups", "group_names", "hostvars", "omit", "playbook_dir", "play_hosts"),
        *("role_name", "role_names", "role_path", "role_uuid"),
        *("ansible_async_path", "ansible_collection_name", "ansible_config_file"),
        *("ansible_dependent_role_names", "ansible_diff_mode", "ansible_facts", "ansible_forks"),
        *("ansible_inventory_sources", "ansible_limit", "ansible_play_batch"),
        *("ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_role_names"),
        *("ansible_playbook_python", "ansible_role_name", "ansible_role_names"),
        *("ansible_run_tags", "ansible_skip_tags", "ansible_verbosity", "ansible_version"),
    }
)


def to_list_json(hosts: Iterable[Host], graph: Graph) -> dict[str, Any]:
    """Give the whole inventory as ``ansible-inventory --list`` does.

    Secrets stay secret: vault text as it is, others as a description.

    Raises:
        InventoryError: a ``group_vars`` or ``host_vars`` file is invalid.
    """
    listed: dict[str, Any] = {}
    for name, group in graph.groups.items():
        sections = {
            "hosts": list(group.hosts) if name != ALL else [],
            "children": list(group.children),
        }
        filled = {section: names for section, names in sections.items() if names}
        if filled:
            listed[name] = filled
    hostvars = {}
    for host in hosts:
        shown = listable(host.variables)
        if shown:
            hostvars[host.name] = shown
    listed["_meta"] = {"hostvars": hostvars}
    return listed


def listable(variables: Any) -> dict[str, Any]:
    """Give variables as JSON can hold them, without Ansible's own."""
    return {name: _json(value) for name, value in variables.items() if name not in INTERNAL}


def to_graph(start: Group) -> str:
    """Draw a group and what is below it as ``ansible-inventory --graph`` does."""
    lines = []
    waiting: list[tuple[Group | str, int]] = [(start, 0)]
    while waiting:
        member, depth = waiting.pop()
        if not isinstance(member, Group):
            lines.append(_line(member, depth))
            continue
        lines.append(_line(f"@{member.name}:", depth))
        hosts = () if member.name == ALL else member.hosts
        waiting += [(below, depth + 1) for below in reversed([*member.children.values(), *hosts])]
    return "\n".join(lines)


def _line(text: str, depth: int) -> str:
    return f"{'  |' * depth}--{text}" if depth else text


def _json(value: Any) -> Any:
    if isinstance(value, Secret):
        vaulted = value.origin is Origin.VAULT
        return {"__ansible_vault": value.reference} if vaulted else str(value)
    if isinstance(value, Unsafe):
        return {"__ansible_unsafe": str(value)}
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(_json, value), key=repr)
    return value if isinstance(value, str | int | float | None) else str(value)
