"""The script that begins a push and the dead-man that it leaves, on a shell of this machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.device.pipes import ProcessPipe
from compiler.device.script import Scripts, Status
from compiler.device.shell import Answer, Shell
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, File, Guard, Procedure
from tests.device.support import OPTIONS

_BUNDLE = Bundle((File("native", b"new\n"),), "native")
_GUARD = Guard(
    "/volatile", "/durable", 'echo on >"$PASSTHRU_ROOT/hook"', 'rm -f "$PASSTHRU_ROOT/hook"'
)
_STEPS = {
    StepName.READ: 'cat "$PASSTHRU_ROOT/state"',
    StepName.ARM: 'cp "$PASSTHRU_ROOT/state" "$PASSTHRU_KEEP/before"',
    StepName.APPLY: 'cp native "$PASSTHRU_ROOT/state"',
    StepName.CONFIRM: 'echo settled >>"$PASSTHRU_ROOT/settled"',
    StepName.ROLLBACK: 'cp ./before "$PASSTHRU_ROOT/state"',
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASSTHRU_ROOT", str(tmp_path))
    (tmp_path / "state").write_text("old\n")
    (tmp_path / "durable").mkdir()
    return tmp_path


@pytest.fixture(params=["sh", "busybox ash"])
def shell(request: pytest.FixtureRequest, root: Path) -> Iterator[Shell]:
    found = Shell(ProcessPipe([*request.param.split(), "-s"]), "here")
    yield found
    found.close()


def scripts(**other: str) -> Scripts:
    texts = {**_STEPS, **{StepName(name): text for name, text in other.items()}}
    steps = tuple(Step(name, "-", texts[name]) for name in StepName if name in texts)
    return Scripts(Procedure("ssh", steps, _GUARD), _GUARD, "abcdef")


def begin(shell: Shell, found: Scripts, window: int = 600) -> Answer:
    return shell.run(found.begin(_BUNDLE, ("cksum",), OPTIONS, window), 60)


def end(shell: Shell, found: Scripts, how: str) -> str:
    return shell.run(found.end(how), 60, at_once=True)["end"].strip()


def traces(root: Path) -> list[str]:
    """Give what is left of a push, once its timer has seen that it is over."""
    time.sleep(0.1)
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() or path.is_symlink()
    )


def test_confirmed_and_gone(shell: Shell, root: Path) -> None:
    found = scripts()
    assert begin(shell, found).status == 0
    assert (root / "state").read_text() == "new\n"
    assert (root / "hook").exists()
    assert "armed" in shell.run(found.after(5), 60)["state"].split()
    assert end(shell, found, "confirm") == "confirmed"
    assert traces(root) == ["settled", "state"]
    assert not (root / "durable").exists()
    assert end(shell, found, "confirm") == ""  # confirmed twice: nothing is there any more


@pytest.mark.parametrize("name", ["other", ".other"])
def test_what_others_have_beside_it_stays(shell: Shell, root: Path, name: str) -> None:
    (root / "durable" / name).touch()
    found = scripts()
    begin(shell, found)
    assert end(shell, found, "confirm") == "confirmed"
    assert traces(root) == [f"durable/{name}", "settled", "state"]


def test_a_dead_man_that_is_not_whole_stops_it(shell: Shell, root: Path) -> None:
    """It is the timer itself that shows it: a shell reads all of it before it runs any of it."""
    answer = begin(shell, scripts(rollback="if"))
    assert answer.status == Status.UNARMED
    assert "the timer does not run" in answer.err
    assert traces(root) == ["state"]
    assert (root / "state").read_text() == "old\n"


def test_returned_and_gone(shell: Shell, root: Path) -> None:
    found = scripts()
    begin(shell, found)
    assert end(shell, found, "return") == "returned"
    assert (root / "state").read_text() == "old\n"
    assert traces(root) == ["durable/deadman/done-returned-abcdef", "state"]


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("stage", Status.REFUSED),
        ("check", Status.REFUSED),
        ("arm", Status.UNARMED),
    ],
)
def test_a_step_that_fails_in_its_middle_ends_it(
    shell: Shell, root: Path, step: str, status: Status
) -> None:
    """A shell ignores `set -e` on the left of ||: a family's script must not be called there."""
    answer = begin(shell, scripts(**{step: "set -e\nfalse\ntrue"}))
    assert answer.status == status
    assert traces(root) == ["state"]
    assert (root / "state").read_text() == "old\n"


def test_a_way_back_that_fails_in_its_middle_is_tried_again(shell: Shell, root: Path) -> None:
    once = 'set -e\n[ -f "$PASSTHRU_ROOT/tried" ] || { : >"$PASSTHRU_ROOT/tried"; false; }\n'
    found = scripts(rollback=once + _STEPS[StepName.ROLLBACK])
    begin(shell, found)
    assert end(shell, found, "return") == "returned"
    assert (root / "state").read_text() == "old\n"


def test_a_way_back_that_always_fails_says_so_and_stays(shell: Shell, root: Path) -> None:
    found = scripts(rollback="set -e\nfalse\ntrue")
    begin(shell, found)
    assert end(shell, found, "return") == "stuck"
    assert (root / "hook").exists()  # the next boot tries again
    assert (root / "durable/deadman/before").exists()


def test_a_confirmation_that_does_not_last_is_taken_back(shell: Shell, root: Path) -> None:
    found = scripts(confirm="set -e\nfalse\ntrue")
    begin(shell, found)
    assert end(shell, found, "confirm") == "returned"
    assert (root / "state").read_text() == "old\n"


def test_who_is_second_neither_confirms_nor_takes_back(shell: Shell, root: Path) -> None:
    """1. the dead-man is at its work; 2. a confirmation comes; 3. it waits, and says what was."""
    found = scripts(rollback="sleep 1\n" + _STEPS[StepName.ROLLBACK])
    begin(shell, found)
    keep = root / "durable/deadman"
    firing = subprocess.Popen(["sh", str(keep / "guard"), "boot"])
    while not (keep / "fired-abcdef").exists():
        time.sleep(0.01)
    assert end(shell, found, "confirm") == "fired"
    assert firing.wait(30) == 0
    assert (root / "state").read_text() == "old\n"
    assert not (root / "settled").exists()


def test_the_timer_fires_and_stops_an_apply_that_hangs(shell: Shell, root: Path) -> None:
    """What hangs is a child of a child; it must not write after the old state is back."""
    slow = "sh -c 'sh -c \"sleep 6; echo new >$PASSTHRU_ROOT/state\"; true'"
    found = scripts(apply=slow)
    answer = begin(shell, found, window=1)
    assert answer.status != 0
    assert end(shell, found, "return") == "fired"
    time.sleep(6.5)
    assert (root / "state").read_text() == "old\n"


def test_another_pushs_token_ends_nothing(shell: Shell, root: Path) -> None:
    found = scripts()
    begin(shell, found)
    other = Scripts(found.procedure, found.guard, "012345")
    assert end(shell, other, "confirm") == ""
    assert (root / "durable/deadman/armed-abcdef").exists()
    for lease in (root / "volatile").glob("lease.*"):
        lease.unlink()  # expired
    busy = begin(shell, other)
    assert busy.status == Status.BUSY
    assert (root / "state").read_text() == "new\n"
    assert end(shell, found, "return") == "returned"


def test_after_a_reboot_the_number_of_an_apply_is_anothers(shell: Shell, root: Path) -> None:
    """The power was cut in mid-apply; then a process that knows nothing of it has its number."""
    begin(shell, scripts())
    with subprocess.Popen(["sleep", "60"]) as other:
        for name in ("applying", "applied"):
            for path in root.rglob(name):
                path.write_text(f"{other.pid}\n" if name == "applying" else "")
        shutil.rmtree(root / "volatile")
        subprocess.run(["sh", root / "durable/deadman/guard", "boot"], check=True)
        assert other.poll() is None
        other.kill()
    assert (root / "state").read_text() == "old\n"


def test_an_unfinished_push_is_taken_back_by_the_next(shell: Shell, root: Path) -> None:
    """Its timer was killed, and nothing has booted since."""
    found = scripts()
    begin(shell, found)
    timer = (root / "volatile/abcdef/ticking").read_text().strip()
    subprocess.run(["kill", "-9", timer], check=True)
    for lease in (root / "volatile").glob("lease.*"):
        lease.unlink()
    other = Scripts(found.procedure, found.guard, "012345")
    for _ in range(50):
        answer = begin(shell, other)
        if answer.status != Status.BUSY:  # a killed process is there until somebody looks
            break
        time.sleep(0.1)
    assert answer.status == Status.UNFINISHED
    assert (root / "state").read_text() == "old\n"
    assert begin(shell, other).status == 0
    assert end(shell, other, "confirm") == "confirmed"


def test_a_folder_of_somebody_else_is_not_used(shell: Shell, root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / "volatile").symlink_to(root / "elsewhere")
    answer = begin(shell, scripts())
    assert answer.status == Status.BROKEN
    assert "belongs to somebody else" in answer.err
    assert list((root / "elsewhere").iterdir()) == []
