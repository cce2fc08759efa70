"""A third party adds a router family with one folder and one line in its own pyproject."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.thirdparty.support import ACME, distribution, office, run

QUIET = ("-p", "no:cacheprovider")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and install the distribution, without network, into a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "acme"
    shutil.copytree(ACME, source)
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--disable-pip-version-check", "--target", folder, source),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize(
    ("target", "native"), [("acme", "nvram.txt"), ("plainbox", "plainbox.conf")]
)
def test_the_command_line_compiles_with_it(
    site: Path, tmp_path: Path, target: str, native: str
) -> None:
    done = run(site, tmp_path, "compiler", "compile", *office(tmp_path, target), "-o", "out")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "out/shed" / native).is_file()
    manifest = json.loads((tmp_path / "out/shed/manifest.json").read_text())
    assert manifest["target"] == target
    assert manifest["versions"]["target"] == "acme-target 1.2.3"
    check = ("compile", *office(tmp_path, target), "--check", "-o", "out")
    again = run(site, tmp_path, "compiler", *check)
    assert again.returncode == 0, again.stderr


def test_it_is_listed_among_the_targets(site: Path, tmp_path: Path) -> None:
    done = run(site, tmp_path, "compiler", "targets")
    assert "ACME Home" in done.stdout
    assert "linux" in done.stdout


def test_the_conformance_suite_runs_on_it(site: Path, tmp_path: Path) -> None:
    arguments = ["--cases", "acme_target.cases:CASES", "--examples", "3", "-q", *QUIET]
    done = run(site, tmp_path, "passthru_conformance", *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    one = run(site, tmp_path, "passthru_conformance", *arguments, "--target", "acme", "--co")
    assert "[acme]" in one.stdout
    assert "plainbox" not in one.stdout


FORGETFUL = """
from acme_target.plainbox import Plainbox
class Forgetful(Plainbox):
    name = "forgetful"
    def parse(self, native, device):
        return super().parse(native, device)[:2]
TARGET = Forgetful()
"""
LIAR = """
from dataclasses import replace
from acme_target.plainbox import Plainbox
from compiler.model.effect import Verdict
class Liar(Plainbox):
    name = "liar"
    def effects(self, settings, device, probes):
        found = super().effects(settings, device, probes)
        return tuple(
            replace(effect, verdict=Verdict.DROP)
            if str(effect.probe.destination_address) == "203.0.113.5"
            else effect
            for effect in found
        )
TARGET = Liar()
"""


@pytest.mark.parametrize(
    ("name", "source", "law"),
    [
        ("forgetful", FORGETFUL, "test_what_is_printed_reads_back_as_the_same_settings"),
        ("liar", LIAR, "test_no_packet_gets_what_the_policy_does_not_want_without_being_told"),
    ],
)
def test_the_conformance_suite_fails_a_target_that_breaks_a_law(
    site: Path, tmp_path: Path, name: str, source: str, law: str
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    distribution(folder, f"{name}-target", name, f"{name}_module:TARGET", source)
    arguments = ["--target", name, "--examples", "60", "-q", "-k", law, *QUIET]
    done = run(folder, tmp_path, "passthru_conformance", *arguments)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    assert "FAILED" in done.stdout


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("def broken(:\n", "SyntaxError"),
        ("raise SystemExit(7)\n", "SystemExit"),
        ("TARGET = object()\n", "lacks summary"),
        ("OTHER = 1\n", "AttributeError"),
    ],
)
def test_a_target_that_cannot_be_loaded_is_named_with_its_distribution(
    tmp_path: Path, source: str, words: str
) -> None:
    folder = tmp_path / "site"
    distribution(folder, "acme-broken", "broken", "acme_broken:TARGET", source)
    done = run(folder, tmp_path, "compiler", "compile", *office(tmp_path, "broken"), "-o", "out")
    assert done.returncode == 3, done.stderr
    assert "error[T402]" in done.stderr
    assert "acme-broken 0.1" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    other = run(folder, tmp_path, "compiler", "compile", *office(tmp_path, "linksys"), "-o", "out")
    assert other.returncode == 0, other.stderr


def test_two_distributions_with_one_name_are_both_named(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    for number in (1, 2):
        name = f"acme-{number}"
        distribution(folder, name, "acme", f"acme_{number}:TARGET", "TARGET = object()\n")
    done = run(folder, tmp_path, "compiler", "validate", *office(tmp_path, "acme"))
    assert done.returncode == 3
    assert "error[T403]" in done.stderr
    assert "acme-1 0.1" in done.stderr
    assert "acme-2 0.1" in done.stderr


@pytest.mark.parametrize(
    ("target", "hint"), [("linus", "did you mean 'linux'?"), ("zzz", "installed targets: ")]
)
def test_an_unknown_target_gets_a_hint(tmp_path: Path, target: str, hint: str) -> None:
    done = run(tmp_path, tmp_path, "compiler", "validate", *office(tmp_path, target))
    assert done.returncode == 3
    assert "error[T401]" in done.stderr
    assert hint in done.stderr
    assert "hosts.yml:4:" in done.stderr
