"""What the families of embedded routers are: one TOML file each, and their tools in ``tools``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    ``root`` is ``flash`` where everything outlives a reboot but the folders of ``ram``, or
    ``rom`` where nothing does but those of ``flash``. ``lingers``: its SSH server keeps a
    session open until all that holds its output has ended (OpenSSH), not only the command.
    ``walled``: its scripts use absolute paths, so it must have a root folder of its own.
    ``shell`` is empty where there is none: commands then go to an interpreter of ours.
    """

    name: str
    username: str
    release: str
    kernel: str
    shell: str = "/bin/sh"
    prompt: str = "\\u@\\h:\\w\\$ "
    root: str = "flash"
    ram: tuple[str, ...] = ("/tmp", "/run")  # noqa: S108 - folders of the router
    flash: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    nvram: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    lingers: bool = False
    real_nft: bool = False
    walled: bool = False


def names() -> tuple[str, ...]:
    """List the families."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def family(name: str) -> Family:
    """Read a family.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in names():
        raise ValueError(f"there is no family {name!r}: {', '.join(names())}")
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text())
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    return Family(name, **{**data, **lists})
