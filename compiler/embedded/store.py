"""A router's store: its folders and files, as the machine sees them.

It has four parts. ``flash`` outlives a reboot, has a size and can be full or read-only; ``ram`` is
emptied by a reboot; ``rom`` is what cannot be written; ``emulated`` is what our tools keep
(``flash``: the nvram partition; ``ram``; ``control``: what the router is and what goes wrong,
written from outside; ``log``: the calls of tools).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDERS = ("flash", "ram", "rom", *(f"emulated/{n}" for n in ("flash", "ram", "control", "log")))


@dataclass(slots=True)
class Store:
    """Where it is, what it is made of, and the read-only part that it shares with others."""

    folder: Path
    spec: dict[str, Any]
    base: str

    @property
    def tree(self) -> Path:
        """The folder that becomes the root."""
        return self.folder / str(self.spec["root"])


def lay_out(store: Store) -> None:
    """Write a new router's files and folders."""
    spec, root = store.spec, store.tree
    for path in ("proc", "dev", "sys", "rom", "emulated", *spec["ram"], *spec["flash"]):
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for path, target in spec["links"].items():
        link(root / path.lstrip("/"), target)
    for path, text in spec["files"].items():
        place = _in_store(store, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if text.startswith("#!") else 0o600 if "shadow" in path else 0o644)
    for file, text in spec["control"].items():
        (store.folder / "emulated/control" / file).write_text(text)


def _in_store(store: Store, path: str) -> Path:
    if any(path.startswith(f"{folder}/") for folder in store.spec["flash"]):
        return store.folder / "flash" / path.lstrip("/")
    return store.tree / path.lstrip("/")


def link(place: Path, target: str) -> None:
    """Make a symbolic link, where there is none."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(target)


def empty(folder: Path) -> None:
    """Remove what a folder holds."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def replace(path: Path, text: str) -> None:
    """Replace a file in one step: tools may be reading it."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.rename(path)
