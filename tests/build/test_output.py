"""The output folder: all or nothing, only what is ours, and no byte touched without need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from compiler.build.lock import alone
from compiler.build.manifest import NAME
from compiler.build.output import ASIDE, Output, Written
from compiler.build.swap import swap
from compiler.errors import OutputError
from tests.build.support import LINUX, bundles, site

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {"r1": LINUX, "r2": LINUX}


def write(
    out: Path, hosts: dict[str, Any], *, limit: str = "", prune: bool = False, **passthrough: Any
) -> Written:
    loaded = site(out.parent / "site", hosts, limit, **(passthrough or {"pptp": "block"}))
    output = Output(out, loaded.policy_hash)
    return output.write(bundles(loaded), whole=not limit, prune=prune)


def stale(out: Path, hosts: dict[str, Any], *, limit: str = "", **passthrough: Any) -> list[str]:
    loaded = site(out.parent / "site", hosts, limit, **(passthrough or {"pptp": "block"}))
    return list(Output(out, loaded.policy_hash).stale(bundles(loaded), whole=not limit))


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(out).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(out.rglob("*"))
    }


def refusal(out: Path, hosts: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(OutputError) as caught:
        write(out, hosts)
    finding = caught.value.findings[0]
    return finding.code.name, finding.message


def test_a_second_run_touches_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert write(out, HOSTS) == Written(new=("r1", "r2"))
    before = stamps(out)
    assert write(out, HOSTS) == Written(same=("r1", "r2"))
    assert stamps(out) == before
    assert not list(out.glob(f"{ASIDE}*"))
    assert stale(out, HOSTS) == []


def test_only_what_changed_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, HOSTS)
    (out / "r2" / "apply.sh").write_text("edited\n")
    before = stamps(out / "r1")
    assert stale(out, HOSTS) == ["r2: apply.sh differs"]
    assert write(out, HOSTS) == Written(changed=("r2",), same=("r1",))
    assert stamps(out / "r1") == before
    assert stale(out, HOSTS) == []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda r1: (r1 / "apply.sh").unlink(), "apply.sh is missing"),
        (lambda r1: (r1 / "apply.sh").chmod(0o644), "apply.sh has another mode"),
        (lambda r1: (r1 / "notes.txt").write_text("mine"), "notes.txt does not belong here"),
        (lambda r1: (r1 / "apply.sh").write_text(""), "apply.sh differs"),
        (lambda r1: (r1 / "more").symlink_to("etc"), "more does not belong here"),
    ],
)
def test_check_names_what_is_stale_and_a_run_mends_it(tmp_path: Path, harm: Any, said: str) -> None:
    out = tmp_path / "out"
    write(out, HOSTS)
    harm(out / "r1")
    assert stale(out, HOSTS) == [f"r1: {said}"]
    write(out, HOSTS)
    assert stale(out, HOSTS) == []


def test_check_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert stale(out, HOSTS) == ["r1: missing", "r2: missing", "manifest.json: differs"]
    assert not out.exists()
    write(out, HOSTS)
    before = stamps(out)
    said = stale(out, {"r1": LINUX}, pptp="pass")
    assert "r2: no longer in the policy" in said
    assert stamps(out) == before


@pytest.mark.parametrize("foreign", ["folder", "file", "link", "manifest"])
def test_what_is_not_ours_is_never_replaced(tmp_path: Path, foreign: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    match foreign:
        case "folder":
            (out / "r2").mkdir()
            (out / "r2" / "diary.txt").write_text("dear")
        case "file":
            (out / "r2").write_text("dear")
        case "link":
            (tmp_path / "elsewhere").mkdir()
            (out / "r2").symlink_to(tmp_path / "elsewhere")
        case _:
            (out / NAME).write_text('{"name": "somebody\'s"}')
    before = stamps(out)
    code, message = refusal(out, HOSTS)
    assert code == "B703"
    assert "passthru" in message
    assert stamps(out) == before


def test_prune_removes_ours_and_only_ours(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {"r1": LINUX, "r2": LINUX, "r3": LINUX})
    (out / "r3" / NAME).write_text("{}")
    (out / "diary").mkdir()
    one = {"r1": LINUX}
    assert write(out, one) == Written(same=("r1",), left=("r2",))
    assert (out / "r2").is_dir()
    assert write(out, one, prune=True) == Written(same=("r1",), pruned=("r2",))
    assert sorted(path.name for path in out.iterdir()) == ["diary", NAME, "r1", "r3"]
    assert list(json.loads((out / NAME).read_text())["hosts"]) == ["r1"]


def test_a_limited_run_leaves_the_others_in_the_manifest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, HOSTS)
    before = json.loads((out / NAME).read_text())["hosts"]
    hosts = {"r1": {**LINUX, "passthru_forward": "drop"}, "r2": LINUX}
    assert write(out, hosts, limit="r1", prune=True) == Written(changed=("r1",))
    after = json.loads((out / NAME).read_text())["hosts"]
    assert after["r2"] == before["r2"]
    assert after["r1"] != before["r1"]
    assert stale(out, hosts, limit="r1") == []


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    left = out / f"{ASIDE}abc" / "new-0"
    left.mkdir(parents=True)
    (left / "half").write_text("ha")
    write(out, HOSTS)
    assert sorted(path.name for path in out.iterdir()) == [NAME, "r1", "r2"]


def test_a_run_killed_at_any_step_leaves_each_bundle_old_or_new(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.build.killed", tmp_path / "out"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(deaths) > 15
    assert all(fine.keys() == HOSTS.keys() for fine, _, _ in deaths)
    assert all(mended for _, _, mended in deaths)
    assert set(deaths[0][0].values()) == {"old"}
    assert {"old", "new"} == {word for fine, _, _ in deaths for word in fine.values()}
    assert deaths[-1][1] == 0


def test_nothing_is_written_unless_everything_can_be(tmp_path: Path) -> None:
    """The second bundle cannot be written, so the first one is not renamed into place either."""
    out = tmp_path / "out"
    loaded = site(tmp_path / "site", HOSTS, pptp="block")
    made = bundles(loaded)
    made["r2"] = made.pop("r2")
    output = Output(out, loaded.policy_hash)
    out.mkdir()
    with _full_disk(after=3), pytest.raises(OutputError) as caught:
        output.write(made, whole=True, prune=False)
    assert caught.value.findings[0].code.name == "B701"
    assert "No space left on device" in caught.value.findings[0].message
    assert list(out.iterdir()) == []


@contextmanager
def _full_disk(after: int) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    count = 0
    plain = Path.write_bytes

    def write_bytes(path: Path, data: bytes) -> int:
        nonlocal count
        count += 1
        if count > after:
            raise OSError(28, "No space left on device", str(path))
        return plain(path, data)

    with patch.context() as context:
        context.setattr(Path, "write_bytes", write_bytes)
        yield


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write everywhere; as nobody the permissions count."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_written_is_b701(tmp_path: Path) -> None:
    loaded = site(tmp_path / "site", HOSTS, pptp="block")
    made = bundles(loaded)
    out = tmp_path / "out"
    out.mkdir()
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    out.chmod(0o555)
    with _as_nobody(), pytest.raises(OutputError) as caught:
        Output(out, loaded.policy_hash).write(made, whole=True, prune=False)
    finding = caught.value.findings[0]
    assert finding.code.name == "B701"
    assert "Permission denied" in finding.message
    assert str(out) in finding.message


def test_a_file_in_the_way_is_b701(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    loaded = site(tmp_path / "site", HOSTS, pptp="block")
    with pytest.raises(OutputError) as caught:
        Output(tmp_path / "file" / "out", loaded.policy_hash).write(
            bundles(loaded), whole=True, prune=False
        )
    (finding,) = caught.value.findings
    assert finding.code.name == "B701"
    assert "Not a directory" in finding.message


def test_the_longest_host_names_have_folders(tmp_path: Path) -> None:
    names = ["n" * 253, "\u00e9" * 126, "$(id)", "\U0001f525", "a'b\"c"]
    out = tmp_path / "out"
    hosts = dict.fromkeys(names, LINUX)
    assert sorted(write(out, hosts).new) == sorted(names)
    assert stale(out, hosts) == []
    changed = write(out, {name: {**LINUX, "passthru_forward": "drop"} for name in names})
    assert sorted(changed.changed) == sorted(names)


def test_folders_are_swapped_where_the_system_cannot_exchange_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / folder.name).write_text("")
    swap(one, other)
    assert [path.name for path in (*one.iterdir(), *other.iterdir())] == ["other", "one"]
    monkeypatch.setattr("compiler.build.swap._exchanged", lambda *_: False)
    swap(one, other)
    assert [path.name for path in (*one.iterdir(), *other.iterdir())] == ["one", "other"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]
    with pytest.raises(OSError, match="No such file"):
        swap(one, tmp_path / "nowhere")


@pytest.mark.parametrize(
    "hosts", [{"r1": 5}, {"r1": "xy"}, {"../elsewhere": {}}, {"..": {}}, {"": {}}, [], None]
)
def test_a_manifest_that_names_what_no_manifest_names_is_not_ours(
    tmp_path: Path, hosts: Any
) -> None:
    out, other = tmp_path / "out", tmp_path / "elsewhere"
    write(out, HOSTS)
    (out / "r1").rename(other)
    data = json.loads((out / NAME).read_bytes()) | {"hosts": hosts}
    (out / NAME).write_text(json.dumps(data))
    with pytest.raises(OutputError, match="is not a manifest of passthru"):
        write(out, HOSTS, prune=True)
    assert (other / NAME).is_file()


def test_a_manifest_without_end_is_not_ours(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / NAME).write_text("[" * 100_000)
    assert refusal(out, HOSTS)[0] == "B703"


def test_runs_into_one_folder_come_one_after_the_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, HOSTS)
    with ThreadPoolExecutor(1) as other:
        with alone(out):
            aside = out / f"{ASIDE}of-this-run"
            aside.mkdir()
            waiting = other.submit(write, out, HOSTS, pptp="pass")
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            assert aside.is_dir(), "the other run has cleaned up while this one writes"
        assert waiting.result(10).changed == ("r1", "r2")
