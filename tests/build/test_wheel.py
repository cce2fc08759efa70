"""The wheel holds everything, and works where there is no checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("compiler", "targets", "schemas", "inventories", "tests/conformance")
DATA = (".py", ".yaml", ".yml", ".json", ".j2", ".awk", ".sh", ".toml", ".typed")
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "out", ".hypothesis")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("build") is None or int(version("setuptools").split(".")[0]) < 77,
    reason="needs build, and setuptools 77 or newer",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the checkout: a build leaves its own files beside the sources."""
    folder = tmp_path_factory.mktemp("source")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the wheel; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--disable-pip-version-check", "--target", folder, wheel),
        ],
        check=True,
    )
    return folder


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program; ``-P`` and the path keep the checkout out of reach."""
    code = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]; "
        "import compiler; assert compiler.__file__.startswith(sys.argv[1]), compiler.__file__; "
        "from compiler.cli.main import main; sys.exit(main(sys.argv[2:]))"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", code, str(installed), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_every_module_template_schema_and_data_file(
    source: Path, wheel: Path
) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(source).as_posix().removeprefix("tests/conformance/")
        for part in PARTS
        for path in (source / part).rglob("*")
        if path.is_file() and path.suffix in DATA
    }
    assert wanted - held == set()
    assert not [name for name in held if name.startswith(("tests/", "docs/", "benchmarks/"))]
    assert {"compiler/py.typed", "targets/py.typed", "passthru_conformance/py.typed"} <= held


def test_the_wheel_compiles_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    office = tmp_path / "office"
    shutil.copytree(installed / "inventories" / "office", office)
    done = run(installed, office, "compile", "--limit", "office")
    assert done.returncode == 0, done.stderr
    hosts = json.loads((office / "out" / "manifest.json").read_text())["hosts"]
    targets = {entry["target"] for entry in hosts.values()}
    assert {"linux", "openwrt", "asuswrt", "tplink", "linksys"} <= targets
    assert run(installed, office, "compile", "--limit", "office", "--check").returncode == 0


@pytest.mark.parametrize(
    "command", [["targets"], ["protocols"], ["schema", "policy"], ["--version"]]
)
def test_lookups_work_from_the_wheel(installed: Path, tmp_path: Path, command: list[str]) -> None:
    done = run(installed, tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_conformance_suite_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    arguments = ("--target", "linksys", "--examples", "3", "-k", "laws", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "passthru_conformance", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "passed" in done.stdout
