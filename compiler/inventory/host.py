"""One host of an inventory, with its variables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from compiler.errors import InventoryError, PassthruError
from compiler.inventory.graph import ALL, Entry
from compiler.inventory.layers import Layer
from compiler.inventory.merge import Merged, Merger
from compiler.inventory.ranges import is_address
from compiler.inventory.sources import source_path
from compiler.model.finding import Finding, Place


class Host:
    """One host. Its variables are merged once, when they are first asked for."""

    def __init__(
        self, entry: Entry, merger: Merger, all_groups: Mapping[str, Sequence[str]]
    ) -> None:
        """Look at ``entry``; nothing is read yet. ``all_groups`` is what templates see."""
        self._entry = entry
        self._merger = merger
        self._all_groups = all_groups

    def __repr__(self) -> str:
        return f"<host {self.name}>"

    @property
    def name(self) -> str:
        """The name in the inventory."""
        return self._entry.name

    @property
    def defined_at(self) -> Place | None:
        """Where the host was first written; nothing for an implicit ``localhost``."""
        where = self._entry.where
        return where.place((), key=True) if where else None

    @property
    def groups(self) -> tuple[str, ...]:
        """All its groups, those whose variables win last; ``all`` first.

        Raises:
            InventoryError: see :attr:`variables`.
        """
        return self._parts[0].groups

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        """The merged variables, not templated, secrets unopened.

        Raises:
            InventoryError: everything that is wrong with its ``group_vars`` and ``host_vars``.
        """
        groups, own = self._parts
        values = dict(groups.values)
        for layer in own:
            values.update(layer.values)
        return MappingProxyType(values)

    @cached_property
    def namespace(self) -> Mapping[str, Any]:
        """What templates see: the variables and Ansible's magic ones.

        Raises:
            InventoryError: see :attr:`variables`.
        """
        return MappingProxyType({**self._origin, **self.variables, **self._magic})

    def layers(self) -> tuple[Layer, ...]:
        """Give every definition of a variable of this host, the one that wins last.

        Raises:
            InventoryError: see :attr:`variables`.
        """
        groups, own = self._parts
        return (*groups.layers, *own)

    def place(self, variable: str, *path: str | int, key: bool = False) -> Place | None:
        """Tell where a variable's winning definition (or a part of its value) is written.

        With ``key`` it is the place of the name, else of the value.

        Raises:
            InventoryError: see :attr:`variables`.
        """
        for layer in reversed(self.layers()):
            if variable in layer.values:
                return layer.where.place((variable, *path), key=key)
        return None

    @cached_property
    def _parts(self) -> tuple[Merged, tuple[Layer, ...]]:
        findings: dict[Finding, None] = {}
        merged, own = Merged((), ()), tuple[Layer, ...]()
        try:
            merged = self._merger.groups(self._entry)
        except PassthruError as error:
            findings.update(dict.fromkeys(error.findings))
        try:
            own = self._merger.own(self._entry)
        except PassthruError as error:
            findings.update(dict.fromkeys(error.findings))
        if findings:
            raise InventoryError(findings)
        return merged, own

    @property
    def _origin(self) -> dict[str, Any]:
        source = self._entry.source
        in_file = bool(source) and source_path(source) is not None
        return {
            "inventory_file": source or None,
            "inventory_dir": os.path.dirname(source) if in_file else None,  # noqa: PTH120
        }

    @property
    def _magic(self) -> dict[str, Any]:
        short = self.name if is_address(self.name) else self.name.split(".")[0]
        return {
            "inventory_hostname": self.name,
            "inventory_hostname_short": short,
            "group_names": sorted(group for group in self.groups if group != ALL),
            "groups": self._all_groups,
        }
