"""An inventory with Ansible's hosts, groups, variables and precedence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.errors import InventoryError, PassthruError
from compiler.inventory.builder import Builder
from compiler.inventory.export import to_graph, to_list_json
from compiler.inventory.graph import ALL, LOCALHOST, Graph
from compiler.inventory.host import Host
from compiler.inventory.merge import Merger
from compiler.inventory.names import shown
from compiler.inventory.patterns import Matcher, implicit_localhost, read_limit, split
from compiler.inventory.sources import SourceReader, source_path
from compiler.model.finding import Code, Finding, Place, Severity

SCRIPT_SECONDS = 60.0


def load(
    sources: Sequence[str | Path],
    *,
    playbook_dirs: Sequence[Path] = (),
    extra_vars: Mapping[str, Any] = MappingProxyType({}),
    script_seconds: float = SCRIPT_SECONDS,
) -> Inventory:
    """Load inventories, merged in order.

    ``playbook_dirs`` are further folders whose ``group_vars`` and ``host_vars`` count (that of
    the policy). Those files are read when a host's variables are needed, not here; see
    :meth:`Inventory.check`.

    Raises:
        InventoryError: every source is read before; all findings, the warnings included.
    """
    builder = Builder()
    reader = SourceReader(builder, script_seconds)
    for source in sources:
        reader.read(str(source))
    builder.finish()
    if builder.failed:
        raise InventoryError(builder.findings)
    roots = [root for source in sources for root in _root(str(source))]
    merger = Merger(builder.graph, roots, playbook_dirs, extra_vars)
    return Inventory(builder.graph, merger, builder.findings)


class Inventory:
    """Hosts and groups of all sources. Variables are merged when a host is asked for them."""

    def __init__(self, graph: Graph, merger: Merger, warnings: Iterable[Finding] = ()) -> None:
        """Take over a finished graph; :func:`load` makes one."""
        self._graph = graph
        self._merger = merger
        self._warnings = tuple(warnings)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is worth saying though the inventory could be loaded: warnings, and no hosts."""
        if self.hosts:
            return self._warnings
        empty = Finding(Code.I205, "the inventory holds no hosts", Severity.WARNING)
        return (*self._warnings, empty)

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The names of all hosts in Ansible's order."""
        return tuple(entry.name for entry in self._graph.members(self._graph.groups[ALL]))

    @cached_property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the hosts in each group and below it."""
        return _Groups(self._graph)

    def host(self, name: str) -> Host:
        """Give one host; ``localhost`` is always there.

        Raises:
            InventoryError: I203, there is no such host.
        """
        entry = self._graph.hosts.get(name)
        if entry is None and name in LOCALHOST:
            entry = self._graph.localhost or implicit_localhost(name)
        if entry is None:
            raise InventoryError.of(Code.I203, f"there is no host {shown(name)}")
        return Host(entry, self._merger, self.groups)

    def match(
        self,
        pattern: str | Sequence[str],
        *,
        limit: str | Sequence[str] = (),
        place: Place | None = None,
    ) -> tuple[str, ...]:
        """Give the names that a host pattern stands for, within ``limit``, in order.

        Globs and regular expressions may match nothing; a name must exist. A pattern or a
        ``limit`` text without any part is refused: Ansible takes it for every host.

        Raises:
            InventoryError: I203 at ``place``, for every name that nothing is called.
            SourceError: the file of a limit ``@file`` cannot be read.
        """
        matcher = Matcher(self._graph)
        chosen = matcher.select(split(pattern))
        if limit != ():
            allowed = set(matcher.select(read_limit(limit)))
            chosen = [name for name in chosen if name in allowed]
        if matcher.problems:
            raise InventoryError(
                Finding(Code.I203, problem.message, place=place, hint=problem.hint)
                for problem in matcher.problems
            )
        return tuple(chosen)

    def check(self, names: Iterable[str] | None = None) -> tuple[Finding, ...]:
        """Read every variables file of some hosts (of all) and give what is wrong with them."""
        found: dict[Finding, None] = {}
        for name in self.hosts if names is None else names:
            try:
                self.host(name).layers()
            except PassthruError as error:
                found.update(dict.fromkeys(error.findings))
        return tuple(sorted(found, key=lambda finding: finding.sort_key))

    def to_list_json(self) -> dict[str, Any]:
        """Give the whole inventory as ``ansible-inventory --list`` does.

        Raises:
            InventoryError: a variables file is invalid.
        """
        return to_list_json(map(self.host, self.hosts), self._graph)

    def graph(self, group: str = ALL) -> str:
        """Draw a group and what is below it as ``ansible-inventory --graph`` does.

        Raises:
            InventoryError: I203, there is no such group.
        """
        start = self._graph.groups.get(group)
        if start is None:
            raise InventoryError.of(Code.I203, f"there is no group {shown(group)}")
        return to_graph(start)


class _Groups(Mapping[str, tuple[str, ...]]):
    """The magic variable ``groups``: counted out when it is used."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if name not in self._known:
            members = self._graph.members(self._graph.groups[name])
            self._known[name] = tuple(entry.name for entry in members)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._graph.groups)

    def __len__(self) -> int:
        return len(self._graph.groups)


def _root(source: str) -> Iterator[Path]:
    """Give the folder beside a source; a list of hosts has none."""
    path = source_path(source)
    if path is not None:
        yield path if path.is_dir() else path.parent
