"""Manifests: stable to the byte, free of the machine, and as their schemas describe them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
OFFICE = ROOT / "inventories" / "office"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("office") / "out"
    compile_office(OFFICE, folder)
    return folder


def compile_office(office: Path, folder: Path, **environment: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "compiler", "compile", "-o", folder],
        cwd=office,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        check=True,
    )


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def errors(data: Any, name: str) -> list[str]:
    validator = Draft7Validator(schemas.schema(name))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]


def test_manifests_follow_their_schemas(out: Path) -> None:
    whole = json.loads((out / "manifest.json").read_text())
    assert errors(whole, "manifest") == []
    seen = set()
    for name, entry in whole["hosts"].items():
        raw = (out / name / "manifest.json").read_bytes()
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
        digest = hashlib.sha256(raw.replace(name.encode(), b"")).digest()
        if digest not in seen:  # two hundred branches differ in nothing but their name
            seen.add(digest)
            assert errors(json.loads(raw), "host-manifest") == []
    assert len(seen) > 5


def test_a_manifest_tells_every_file_of_its_bundle(out: Path) -> None:
    for folder in (path for path in out.iterdir() if path.is_dir()):
        data = json.loads((folder / "manifest.json").read_text())
        told = {entry["path"]: entry for entry in data["files"]}
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert told.keys() | {"manifest.json"} == found
        assert data["native"] in told
        for path, entry in told.items():
            assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == entry["sha256"]
            assert f"{(folder / path).stat().st_mode & 0o777:04o}" == entry["mode"]


def test_another_folder_and_another_hash_seed_give_the_same_bytes(
    out: Path, tmp_path: Path
) -> None:
    office = tmp_path / "elsewhere"
    shutil.copytree(OFFICE, office, ignore=shutil.ignore_patterns("out"))
    compile_office(office, tmp_path / "out", PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C")
    assert tree(tmp_path / "out") == tree(out)
    assert str(OFFICE).encode() not in b"".join(tree(out).values())


def test_findings_of_a_broken_site_follow_their_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  hosts:\n    a: {passthru_target: linus}\n    b: {}\n"
        "    c: {passthru_target: linux}\n"
    )
    (tmp_path / "policy.yml").write_text(
        "- hosts: all\n  passthrough: {pptp: pass, ipsec: {action: pass, to: [nowhere]}}\n"
    )
    arguments = ["-i", f"{tmp_path}/hosts.yml", "-p", f"{tmp_path}/policy.yml", "--output", "json"]
    assert main(["validate", *arguments]) == 3
    data = json.loads(capsys.readouterr().out)
    assert errors(data, "findings") == []
    assert {"T401", "I204", "T404"} <= {finding["code"] for finding in data["findings"]}
    assert any("hosts" in finding for finding in data["findings"])


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("manifest", {"hosts": {"r1": {"target": "linux", "sha256": "short"}}}),
        ("manifest", {"written": "2026-01-01"}),
        ("host-manifest", {"effects": [{"flow": "pptp.control"}]}),
        ("host-manifest", {"files": []}),
        ("findings", {"findings": [{"code": "P1", "severity": "error", "message": "x"}]}),
        ("findings", {"findings": [{"code": "P104", "severity": "bad", "message": "x"}]}),
    ],
)
def test_schemas_refuse_what_is_not_meant(name: str, harm: dict[str, Any]) -> None:
    (example, *_) = schemas.schema(name)["examples"]
    assert errors(example, name) == []
    assert errors({**example, **harm}, name) != []
