"""``group_vars`` and ``host_vars`` folders.

For each name the first of ``NAME`` (file or folder), ``NAME.yml``, ``NAME.yaml`` and
``NAME.json`` counts; a folder gives all its files, sorted. See
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#organizing-host-and-group-variables
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from compiler.errors import InventoryError, SourceError
from compiler.inventory import files
from compiler.inventory.builder import kind
from compiler.inventory.layers import Layer
from compiler.model.finding import Code

_SUFFIXES = ("", ".yml", ".yaml", ".json")


class VarsFolders:
    """The variable folders of one inventory, listed once and read as they are needed."""

    def __init__(self) -> None:
        """Begin without any knowledge of the disk."""
        self._listings: dict[Path, frozenset[str]] = {}
        self._groups: dict[tuple[Path, str], tuple[Layer, ...]] = {}

    def group(self, root: Path, name: str) -> tuple[Layer, ...]:
        """Give the variables that ``root/group_vars`` holds for a group.

        Raises:
            SourceError: a file is invalid or cannot be opened.
        """
        known = self._groups.get((root, name))
        if known is None:
            known = self._groups[root, name] = self._layers(root / "group_vars", name)
        return known

    def host(self, root: Path, name: str) -> tuple[Layer, ...]:
        """Give the variables that ``root/host_vars`` holds for a host; nothing is kept.

        Raises:
            SourceError: a file is invalid or cannot be opened.
        """
        return self._layers(root / "host_vars", name)

    def _layers(self, folder: Path, name: str) -> tuple[Layer, ...]:
        listing = self._listing(folder)
        found = next((name + end for end in _SUFFIXES if name + end in listing), None)
        if found is None:
            return ()
        path = folder / found
        layers = (_layer(file) for file in (_files(path) if path.is_dir() else (path,)))
        return tuple(layer for layer in layers if layer is not None)

    def _listing(self, folder: Path) -> frozenset[str]:
        known = self._listings.get(folder)
        if known is None:
            known = self._listings[folder] = _names(folder)
        return known


def _names(folder: Path) -> frozenset[str]:
    """List a folder; names out of it (``../x``) can never be in this list."""
    try:
        return frozenset(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise InventoryError.of(
            Code.I201, f"cannot read the folder '{folder}': {error.strerror}"
        ) from None


def _files(folder: Path) -> Iterable[Path]:
    for name in sorted(_names(folder)):
        if name.startswith(".") or name.endswith("~"):
            continue
        path, suffix = folder / name, os.path.splitext(name)[1]  # noqa: PTH122 - Ansible's rule
        if path.is_dir():
            if not suffix:
                yield from _files(path)
        elif suffix in _SUFFIXES:
            yield path


def _layer(path: Path) -> Layer | None:
    data, where, _ = files.parse(files.read(path))
    if not data:
        return None
    if not isinstance(data, dict):
        raise SourceError.of(
            Code.I202,
            f"variables are a mapping of names to values, not {kind(data)}",
            where.place(()),
        )
    return Layer(data, where)
