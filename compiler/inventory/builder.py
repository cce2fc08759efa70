"""What every form of inventory is read into: the graph, its variables and the findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compiler.inventory.graph import ALL, CycleError, Graph, Group
from compiler.inventory.layers import Layer, Where
from compiler.inventory.names import shown
from compiler.model.finding import Code, Finding, Place, Severity

_PRIORITY = "ansible_group_priority"


class Builder:
    """Collects groups, hosts and variables of all sources, and what is wrong with them."""

    def __init__(self) -> None:
        """Begin with an empty graph."""
        self.graph = Graph()
        self.findings: list[Finding] = []
        #: The source that is being read (``inventory_file`` of the hosts found in it).
        self.source = ""

    def error(
        self, message: str, place: Place | None, hint: str = "", code: Code = Code.I202
    ) -> None:
        """Note something that makes the inventory invalid."""
        self.findings.append(Finding(code, message, place=place, hint=hint))

    def warn(self, message: str, place: Place | None, hint: str = "") -> None:
        """Note something that is left out, as Ansible leaves it out."""
        self.findings.append(Finding(Code.I202, message, Severity.WARNING, place, hint))

    @property
    def failed(self) -> bool:
        """Whether anything found makes the inventory invalid."""
        return any(found.severity is Severity.ERROR for found in self.findings)

    def group(self, name: object, where: Where) -> Group | None:
        """Give a group by what stands as its name; nothing, and an error, if it is no name."""
        if isinstance(name, str) and name:
            return self.graph.add_group(name, where)
        place = where.place((), key=True)
        self.error(f"a group name must be text, not {kind(name)}", place, code=Code.I207)
        return None

    def hosts(
        self,
        names: Iterable[str],
        group: Group | None,
        variables: Layer | None,
        where: Where,
        port: int | None = None,
    ) -> None:
        """Add hosts with their variables to a group.

        A host that shares its name with a group gives its variables to the group: so does
        Ansible, which warns of it.
        """
        for name in names:
            entry, new = self.graph.add_host(name, self.source, where)
            if new and port:
                entry.layers.append(Layer({"ansible_port": port}, where))
            if group is not None:
                self.graph.join(group, entry)
            if variables is None or not variables.values:
                continue
            namesake = self.graph.groups.get(name)
            if namesake is None:
                entry.layers.append(variables)
            else:
                self.variables(namesake, variables)

    def variables(self, group: Group, layer: Layer) -> None:
        """Add variables to a group; its priority is not one of them."""
        if _PRIORITY in layer.values:
            self._set_priority(group, layer)
            rest = {name: item for name, item in layer.values.items() if name != _PRIORITY}
            layer = Layer(rest, layer.where)
        if layer.values:
            group.layers.append(layer)

    def _set_priority(self, group: Group, layer: Layer) -> None:
        value: Any = layer.values[_PRIORITY]
        try:
            group.priority = int(value)
        except (TypeError, ValueError, OverflowError):
            self.error(f"{_PRIORITY} must be a whole number", layer.where.place((_PRIORITY,)))

    def child(self, parent: str, child: str, where: Where) -> None:
        """Put a group below a group; an error if that closes a circle."""
        try:
            self.graph.add_child(parent, child)
        except CycleError as cycle:
            self._cycle(cycle, where.place((), key=True))

    def _cycle(self, cycle: CycleError, place: Place | None) -> None:
        parent, child = cycle.args
        self.error(
            f"the group {shown(child)} would be its own descendant, as a child of {shown(parent)}",
            place,
            "'all' holds every group" if parent == ALL else "take one out of the other's children",
            Code.I208,
        )

    def finish(self) -> None:
        """Close the graph once every source is read."""
        for cycle in self.graph.finish():
            where = self.graph.groups[cycle.args[1]].where
            self._cycle(cycle, where.place((), key=True) if where else None)
        for name, group in self.graph.groups.items():
            if name in self.graph.hosts:
                place = group.where.place((), key=True) if group.where else None
                self.warn(f"{shown(name)} is both a group and a host", place, "rename one of them")


def as_variables(value: object) -> Mapping[str, Any] | None:
    """Take what stands where variables belong: nothing counts as no variables."""
    if isinstance(value, dict):
        return value
    return None if value else {}


def kind(value: object) -> str:
    """Name the kind of a YAML value for a message."""
    if isinstance(value, str):
        return "text" if value else "an empty text"
    words = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return words.get(type(value), f"'{value}'")
