"""What the inventory tests share: the recorded sites, and the real Ansible where there is one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from compiler.inventory import Inventory, load

HERE = Path(__file__).parent
SITES = HERE / "sites"


@dataclass(frozen=True)
class Site:
    """One folder below ``sites``; ``case.json`` says how to load it if it is not plain."""

    folder: Path
    sources: list[str]
    playbook_dir: str = ""
    extra_vars: dict[str, Any] = field(default_factory=dict)
    patterns: list[str] = field(default_factory=list)
    limits: list[list[str]] = field(default_factory=list)
    #: Below the first level of groups Ansible's order of hosts changes from run to run (it walks
    #: sets); ours is the order of definition, level by level.
    unordered: bool = False

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def arguments(self) -> list[str]:
        """The same for ansible-inventory."""
        found = [part for source in self.sources for part in ("-i", source)]
        if self.playbook_dir:
            found += ["--playbook-dir", self.playbook_dir]
        if self.extra_vars:
            found += ["-e", json.dumps(self.extra_vars)]
        return found

    @property
    def asked(self) -> list[list[str]]:
        """All pairs of a pattern and a limit."""
        return [*([pattern, ""] for pattern in self.patterns), *self.limits]

    def order(self, hosts: list[str] | None) -> list[str] | None:
        """Give hosts as they are compared."""
        return sorted(hosts) if hosts and self.unordered else hosts

    def load(self) -> Inventory:
        """Load it; the working directory must be the site's folder."""
        dirs = [Path(self.playbook_dir)] if self.playbook_dir else []
        return load(self.sources, playbook_dirs=dirs, extra_vars=self.extra_vars)


def _site(folder: Path) -> Site:
    case = folder / "case.json"
    if case.exists():
        return Site(folder, **json.loads(case.read_text(encoding="utf-8")))
    known = {"expected.json", "expected-graph.txt", "expected-patterns.json"}
    sources = [path.name for path in folder.iterdir() if path.is_file() and path.name not in known]
    return Site(folder, sources)


def sites() -> list[Site]:
    return [_site(folder) for folder in sorted(SITES.iterdir())]


def ansible_python() -> str | None:
    """Find the Python that has ansible-core: ours, or the one beside ``ansible-inventory``."""
    command = shutil.which("ansible-inventory")
    candidates = [sys.executable]
    if command:
        candidates.append(str(Path(command).parent / "python3"))
    for python in candidates:
        if Path(python).exists():
            probe = [python, "-c", "import ansible.cli"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return python
    return None


@cache
def _found_python() -> str | None:
    return ansible_python()


def ask_ansible(requests: Iterable[dict[str, Any]]) -> list[Any]:
    """Put requests to ``oracle.py``; skips the test where ansible-core is not installed."""
    python = _found_python()
    if python is None:
        pytest.skip("ansible-core is not installed")
    done = subprocess.run(
        [python, "-W", "ignore", str(HERE / "oracle.py")],
        input=json.dumps(list(requests)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"},
    )
    answers: list[Any] = json.loads(done.stdout)
    return answers


def request(site: Site, do: str) -> dict[str, Any]:
    """Build the request for one site."""
    return {
        "do": do,
        "cwd": str(site.folder),
        "args": site.arguments,
        "sources": site.sources,
        "asked": site.asked,
    }
