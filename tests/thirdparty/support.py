"""Distributions in a folder of their own, and the program run with them on its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACME = Path(__file__).resolve().parent / "acme_target"


def run(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ...`` with the distributions of ``site`` installed."""
    path = os.pathsep.join(map(str, (site, ROOT, ROOT / "tests/conformance")))
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def distribution(site: Path, name: str, target: str, value: str, source: str = "") -> None:
    """Write an installed distribution by hand: its metadata, and a module if there is source."""
    info = site / f"{name.replace('-', '_')}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[passthru.targets]\n{target} = {value}\n")
    (info / "RECORD").write_text("")
    if source:
        (site / f"{value.partition(':')[0]}.py").write_text(source)


def office(folder: Path, target: str) -> list[str]:
    """Write a site of one router and give the options that name it."""
    (folder / "hosts.yml").write_text(
        "all:\n  hosts:\n    shed:\n"
        f"      passthru_target: {target}\n"
        "      passthru_zones: {lan: {networks: [192.168.1.0/24]}, wan: {}}\n"
    )
    (folder / "policy.yml").write_text(
        "- hosts: all\n  passthrough: {wireguard: block, ipsec: pass}\n  on_deviation: warn\n"
    )
    return ["-i", "hosts.yml", "-p", "policy.yml"]
