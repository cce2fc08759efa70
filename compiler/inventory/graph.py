"""Groups, hosts and how they hang together, by the rules of Ansible's inventory.

``all`` and ``ungrouped`` always exist; every group without a parent becomes a child of ``all``;
a host in no other group is in ``ungrouped``, and in no other case; a group's depth is its
longest way from ``all``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from compiler.inventory.layers import Layer, Where

ALL = "all"
UNGROUPED = "ungrouped"
LOCALHOST = ("127.0.0.1", "localhost", "::1")


@dataclass(slots=True, eq=False)
class Group:
    """A group while it is being read, and after."""

    name: str
    where: Where | None = None
    children: dict[str, Group] = field(default_factory=dict, repr=False)
    parents: dict[str, Group] = field(default_factory=dict, repr=False)
    hosts: dict[str, Entry] = field(default_factory=dict, repr=False)
    layers: list[Layer] = field(default_factory=list, repr=False)
    priority: int = 1
    depth: int = 0

    @property
    def sort_key(self) -> tuple[int, int, str]:
        """Variables of a group with a larger key win."""
        return (self.depth, self.priority, self.name)


@dataclass(slots=True, eq=False)
class Entry:
    """A host: its direct groups and its own variables. ``source`` is where it was first seen."""

    name: str
    source: str = ""
    where: Where | None = None
    groups: dict[str, Group] = field(default_factory=dict, repr=False)
    layers: list[Layer] = field(default_factory=list, repr=False)


class CycleError(ValueError):
    """A group would become its own descendant."""


class Graph:
    """All groups and hosts of an inventory, in the order in which they were first seen."""

    def __init__(self) -> None:
        """Begin with the two groups that always exist."""
        self.groups: dict[str, Group] = {}
        self.hosts: dict[str, Entry] = {}
        self.localhost: Entry | None = None
        self.add_group(ALL)
        self.add_group(UNGROUPED)
        self.add_child(ALL, UNGROUPED)

    def add_group(self, name: str, where: Where | None = None) -> Group:
        """Give the group, a new one if need be."""
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name, where)
        return group

    def add_host(self, name: str, source: str, where: Where | None = None) -> tuple[Entry, bool]:
        """Give the host and whether it is new."""
        entry = self.hosts.get(name)
        if entry is not None:
            return entry, False
        entry = self.hosts[name] = Entry(name, source, where)
        if name in LOCALHOST and self.localhost is None:
            self.localhost = entry
        return entry, True

    def join(self, group: Group, entry: Entry) -> None:
        """Put a host into a group."""
        group.hosts.setdefault(entry.name, entry)
        entry.groups.setdefault(group.name, group)

    def add_child(self, parent_name: str, child_name: str) -> None:
        """Put a group into a group.

        Raises:
            CycleError: the parent is the child or a descendant of it.
        """
        parent, child = self.groups[parent_name], self.groups[child_name]
        if parent is child or child.name in ancestors(parent):
            raise CycleError(parent_name, child_name)
        parent.children.setdefault(child_name, child)
        child.parents.setdefault(parent_name, parent)

    def finish(self) -> list[CycleError]:
        """Hang loose groups below ``all``, sort out ``ungrouped`` and compute the depths."""
        loose = [name for name, group in self.groups.items() if not group.parents and name != ALL]
        cycles = self._adopt(ALL, loose)
        cycles += self._adopt(UNGROUPED, self._settle_ungrouped())
        self._measure()
        return cycles

    def _adopt(self, parent: str, children: Iterable[str]) -> list[CycleError]:
        cycles = []
        for child in children:
            try:
                self.add_child(parent, child)
            except CycleError as error:
                cycles.append(error)
        return cycles

    def _settle_ungrouped(self) -> Iterator[str]:
        """Give the groups that Ansible puts below ``ungrouped`` in place of a namesake host."""
        ungrouped = self.groups[UNGROUPED]
        for entry in self.hosts.values():
            grouped = any(name not in (ALL, UNGROUPED) for name in entry.groups)
            if UNGROUPED in entry.groups:
                if grouped or ungrouped.parents.keys() - {ALL}:
                    del entry.groups[UNGROUPED]
                    del ungrouped.hosts[entry.name]
            elif not grouped and entry.name in self.groups:
                yield entry.name
            elif not grouped:
                self.join(ungrouped, entry)

    def _measure(self) -> None:
        waiting = {name: len(group.parents) for name, group in self.groups.items()}
        ready = [group for group in self.groups.values() if not group.parents]
        for group in ready:
            for child in group.children.values():
                child.depth = max(child.depth, group.depth + 1)
                waiting[child.name] -= 1
                if not waiting[child.name]:
                    ready.append(child)

    def chain(self, entry: Entry) -> tuple[Group, ...]:
        """Give every group of a host, the ones whose variables win last; ``all`` first."""
        found = {ALL: self.groups[ALL]}
        for group in entry.groups.values():
            if group.name not in found:
                found[group.name] = group
                found.update(ancestors(group))
        others = (group for name, group in found.items() if name != ALL)
        return (self.groups[ALL], *sorted(others, key=lambda group: group.sort_key))

    def members(self, group: Group) -> list[Entry]:
        """Give the hosts of a group and of the groups below it, nearest groups first."""
        found: dict[str, Entry] = {}
        for below in _levels(group):
            for entry in below.hosts.values():
                found.setdefault(entry.name, entry)
        return list(found.values())


def ancestors(group: Group) -> dict[str, Group]:
    """Give every group above a group, by name."""
    found: dict[str, Group] = {}
    waiting = list(group.parents.values())
    while waiting:
        parent = waiting.pop()
        if parent.name not in found:
            found[parent.name] = parent
            waiting.extend(parent.parents.values())
    return found


def _levels(group: Group) -> Iterator[Group]:
    """Walk a group and what is below it, level by level."""
    seen = {group.name}
    level: Iterable[Group] = (group,)
    while level:
        below = []
        for member in level:
            yield member
            below += [child for child in member.children.values() if child.name not in seen]
            seen.update(member.children)
        level = below
