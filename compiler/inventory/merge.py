"""Precedence: which definition of a variable wins.

From weakest to strongest: variables of ``all`` and of the other groups in the inventory,
``group_vars/all`` beside the inventory and then beside the policy, the other ``group_vars`` in
the same order, the host's variables in the inventory, ``host_vars`` in the same order, extra
variables. A child group beats its parents; a mapping replaces a mapping. See
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#how-variables-are-merged
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler.errors import InventoryError, PassthruError
from compiler.inventory.graph import Entry, Graph, Group
from compiler.inventory.layers import InFile, Layer
from compiler.inventory.varsfiles import VarsFolders
from compiler.model.finding import Finding

#: What findings call variables of the command line.
EXTRA_VARS = "--extra-vars"
#: So many different sets of groups are kept merged at a time.
_MAX_CHAINS = 2000


class Merged:
    """The groups of a host, weakest first, and what their variables come to."""

    __slots__ = ("groups", "layers", "values")

    def __init__(self, groups: Sequence[Group], layers: Sequence[Layer]) -> None:
        """Merge ``layers``, the last of which wins."""
        self.groups = tuple(group.name for group in groups)
        self.layers = tuple(layers)
        self.values: dict[str, Any] = {}
        for layer in layers:
            self.values.update(layer.values)


class Merger:
    """Merges the variables of hosts; what hosts in the same groups share is merged once."""

    def __init__(
        self,
        graph: Graph,
        inventory_dirs: Sequence[Path],
        playbook_dirs: Sequence[Path],
        extra_vars: Mapping[str, Any],
    ) -> None:
        """Read variable folders below the given folders, in this order."""
        self._graph = graph
        self._roots = (*inventory_dirs, *playbook_dirs)
        self._extra = Layer(extra_vars, InFile(EXTRA_VARS))
        self._folders = VarsFolders()
        self._chains: dict[tuple[str, ...], Merged] = {}

    def groups(self, entry: Entry) -> Merged:
        """Give what a host has from its groups.

        Raises:
            InventoryError: everything that is wrong with their ``group_vars``.
        """
        key = tuple(entry.groups)
        known = self._chains.get(key)
        if known is None:
            if len(self._chains) >= _MAX_CHAINS:
                self._chains.clear()
            known = self._chains[key] = self._merge(self._graph.chain(entry))
        return known

    def own(self, entry: Entry) -> tuple[Layer, ...]:
        """Give a host's own layers and the extra variables.

        Raises:
            SourceError: one of its ``host_vars`` files is invalid.
        """
        files = [layer for root in self._roots for layer in self._folders.host(root, entry.name)]
        return (*entry.layers, *files, self._extra)

    def _merge(self, chain: tuple[Group, ...]) -> Merged:
        layers = [layer for group in chain for layer in group.layers]
        findings: dict[Finding, None] = {}
        for root, group in self._folder_order(chain):
            try:
                layers += self._folders.group(root, group.name)
            except PassthruError as error:
                findings.update(dict.fromkeys(error.findings))
        if findings:
            raise InventoryError(findings)
        return Merged(chain, layers)

    def _folder_order(self, chain: tuple[Group, ...]) -> Iterator[tuple[Path, Group]]:
        for groups in (chain[:1], chain[1:]):
            for root in self._roots:
                for group in groups:
                    yield root, group
