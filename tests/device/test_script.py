"""What is sent: files with any bytes in them, checksums, and names that are hostile."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.device.script import DIGESTS, Scripts, _files, _printed, _sums, digest, word
from compiler.model.step import StepName
from compiler.model.target import File
from tests.device.support import NEW, OPTIONS, device_of, job, target_of

_SHELLS = [words for words in (["sh"], ["busybox", "ash"]) if shutil.which(words[0])]


@pytest.mark.parametrize("shell", _SHELLS, ids=" ".join)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=600) | st.text(max_size=300).map(str.encode))
def test_any_bytes_arrive(tmp_path: Path, shell: list[str], content: bytes) -> None:
    files = [File("sub folder/it's", content, 0o640), File("empty", b""), File("t", b"a\n$x`y`\n")]
    text = "\n".join([*_files(files), 'fail() { echo "$2"; exit "$1"; }'])
    sums = "\n".join(line for tool in DIGESTS for line in _sums(files, tool))
    done = subprocess.run(
        shell, input=f"{text}\n{sums}\n".encode(), cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for file in files:
        assert (tmp_path / file.path).read_bytes() == file.content


@pytest.mark.parametrize("tool", DIGESTS)
@pytest.mark.parametrize("content", [b"", b"a", b"passthru\n" * 1000, bytes(range(256)) * 3])
def test_digests_are_those_of_the_tools(tool: str, content: bytes) -> None:
    done = subprocess.run([tool], input=content, capture_output=True, check=True)
    assert digest(content, tool) == done.stdout.split()[0].decode()


@pytest.mark.parametrize("tool", DIGESTS)
def test_a_damaged_file_is_noticed(tmp_path: Path, tool: str) -> None:
    (tmp_path / "f").write_bytes(b"whole\n")
    checks = "\n".join(_sums([File("f", b"whole\n")], tool))
    script = f'fail() {{ echo "$2"; exit "$1"; }}\n{checks}\n'
    run = ["sh", "-c", script]
    assert subprocess.run(run, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "f").write_bytes(b"whose\n")
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (102, "not all of this arrived whole: f\n")


@given(st.text(max_size=200))
def test_a_name_is_one_plain_word(text: str) -> None:
    made = word(text)
    assert made
    assert len(made) <= 64
    assert all(char.isascii() and (char.isalnum() or char in "_.@:+-") for char in made)


@pytest.mark.parametrize(
    "family", ["linux", "openwrt", "asuswrt", "ddwrt", "freshtomato", "edgeos", "vyos"]
)
def test_every_script_is_posix(family: str) -> None:
    target, device = target_of(family), device_of(family)
    found = job(device, NEW, {})
    procedure = target.procedure(target.settings(NEW, device), device)
    guard = procedure.guard
    assert guard is not None
    scripts = Scripts(procedure, guard, "token")
    for text in (
        scripts.observe(),
        scripts.begin(found.bundle, ("sha256sum",), OPTIONS, 60),
        scripts.after(5),
        scripts.end("confirm"),
        scripts._guard(OPTIONS, 60),
    ):
        for shell in _SHELLS:
            subprocess.run([*shell, "-n"], input=text, text=True, check=True)
    assert procedure.step(StepName.ROLLBACK)


def test_of_like_routers_the_scripts_are_printed_once() -> None:
    target, device = target_of("openwrt"), device_of("openwrt")
    found = job(device, NEW, {})
    procedure = target.procedure(target.settings(NEW, device), device)
    guard = procedure.guard
    assert guard is not None

    def begin(token: str) -> str:
        scripts = Scripts(procedure, guard, token)
        return scripts.begin(found.bundle, ("sha256sum",), OPTIONS, 60)

    first, before = begin("one-token"), _printed.cache_info().misses
    assert begin("another-token") == first.replace("one-token", "another-token")
    assert _printed.cache_info().misses == before
