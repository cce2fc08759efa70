"""What the command-line tests share: a folder with files in it, and the program run there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cli.main import main
from compiler.source import excerpt

if TYPE_CHECKING:
    import pytest

ZONES = "{lan: {device: br-lan, networks: [192.168.1.0/24]}, wan: {device: eth0}}"
HOSTS = f"all: {{hosts: {{r1: {{passthru_target: linux, passthru_zones: {ZONES}}}}}}}\n"
POLICY = "- hosts: all\n  passthrough:\n    pptp: block\n"
CONFIG = 'inventory = "hosts.yml"\npolicy = ["policy.yml"]\n'


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        """Codes of the findings, in the order in which they were printed."""
        marks = (line.partition("]")[0].partition("[") for line in self.err.splitlines())
        return [code for word, mark, code in marks if mark and word in ("error", "warning", "note")]


@dataclass
class Site:
    """A small valid site in a fresh folder, in which single files are replaced."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    before: dict[str, bytes] = field(default_factory=dict)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def run(self, *arguments: str) -> Result:
        excerpt._lines.cache_clear()
        self.capsys.readouterr()
        code = main(list(arguments))
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(int(code), captured.out, captured.err)

    def names(self) -> list[str]:
        """Give every file and folder below."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


def make_site(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    """Make the site, and its folder the working directory for as long as it is used."""
    site = Site(folder, capsys)
    site.write({"hosts.yml": HOSTS, "policy.yml": POLICY, "passthru.toml": CONFIG})
    here = Path.cwd()
    os.chdir(folder)
    yield site
    os.chdir(here)
