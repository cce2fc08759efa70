"""The demo as a newcomer runs it: the whole story, and what it says where something is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.cli import demo_routers
from compiler.cli.main import main
from compiler.embedded import EmbeddedFleet
from compiler.prove.lab import missing
from compiler.prove.lab.namespaces import PACKAGES

SECONDS = 240  # of a machine that is busy with other tests; alone it takes a quarter of a minute


def _run(folder: Path, environment: Mapping[str, str], *command: str) -> tuple[int, str, str]:
    package = str(Path(__file__).parents[2])
    temporary = folder / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [*command, sys.executable, "-m", "compiler", "demo"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": package,
            "TMPDIR": str(temporary),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert list(temporary.iterdir()) == []
    assert [path.name for path in folder.iterdir()] == ["tmp"]
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def walled() -> bool:
    with EmbeddedFleet() as fleet:
        return fleet.namespaces


@pytest.mark.kernel
def test_the_whole_story(tmp_path: Path, walled: bool) -> None:  # noqa: FBT001 - a fixture
    if not walled or missing(tuple(PACKAGES)):
        pytest.skip("the demo leaves out a part of it here")
    code, out, err = _run(tmp_path, {})
    assert code == 0, err
    steps = [
        "3 different rulesets loaded by the real nft",
        "$ passthru push -l demo --serial 1,25%,100% --yes",
        "changed\t12\t",
        "$ passthru push -l demo --yes",
        "unchanged\t12\t",
        "Now somebody removes a rule on 'meeting-room' by hand",
        "error[A853] 'pptp' is",
        "unchanged\t11\t",
        "changed\t1\t",
        "gateway: ",
        "branch001 and 199 like it: ",
    ]
    places = [out.find(step) for step in steps]
    assert -1 not in places, out
    assert places == sorted(places)
    for line in out.splitlines():
        if line.endswith("checks as the policy wants"):
            good, total = line.split(": ")[1].split()[0:3:2]
            assert good == total != "0"
    assert "wave 3 of 3: 8 routers" in err
    assert "\x1b" not in out + err
    ours = [line for line in out.splitlines() if "\t" not in line and str(tmp_path) not in line]
    assert max(map(len, ours)) <= 80 or max(ours, key=len).startswith("    policy:")


def test_without_asyncssh_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "asyncssh" else find(name, *rest),
    )
    assert main(["demo"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Pushing is left out: asyncssh is missing: pip install 'passthru[demo]'" in out
    assert "routers:" in out


@pytest.mark.kernel
def test_without_namespaces_it_leaves_out_what_needs_them(tmp_path: Path) -> None:
    """Forbid namespaces, as some machines do: in a user namespace that may have no more of them."""
    forbid = "echo 0 >/proc/sys/user/max_user_namespaces"
    drop = 'exec setpriv --bounding-set -all --inh-caps -all "$@"'
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing (util-linux)")
    probe = ["unshare", "--user", "--map-root-user", "sh", "-c", f"{forbid} && {drop}", "sh"]
    if subprocess.run([*probe, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here to forbid them in")
    code, out, err = _run(tmp_path, {}, *probe)
    assert code == 0, err
    text = " ".join(out.split())
    assert "not loaded into a kernel: needs root, or user namespaces" in text
    assert "Pushing is left out: " in text
    assert "namespaces" in text.partition("Pushing is left out: ")[2][:80]
    assert "Proof by packets is left out: " in text


def test_a_step_that_fails_ends_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    walled: bool,  # noqa: FBT001 - a fixture
) -> None:
    if not walled:
        pytest.skip("the demo pushes nothing here")
    monkeypatch.setattr(demo_routers.Demo, "run", lambda *_: 4)
    assert main(["demo"]) == 4
    assert "The same again" not in capsys.readouterr().out
