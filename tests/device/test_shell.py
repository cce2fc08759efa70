"""Scripts on a shell of this machine: framing, sections, statuses, sizes, ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.device.pipes import ProcessPipe
from compiler.device.shell import Shell, _framed
from compiler.errors import LostError, PassthruError
from compiler.model.finding import Code

_SHELLS = [["sh", "-s"]]
if shutil.which("busybox"):
    _SHELLS.append(["busybox", "ash", "-s"])
if shutil.which("bash"):
    _SHELLS.append(["bash", "-s"])


@pytest.fixture(params=_SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> Iterator[Shell]:
    found = Shell(ProcessPipe(request.param), "here")
    yield found
    found.close()


def code(error: PassthruError) -> Code:
    return error.findings[0].code


def test_sections_and_streams_are_told_apart(shell: Shell) -> None:
    answer = shell.run("echo first\nmark one\nprintf 'a\\n\\nb'\nmark two\necho no >&2\nexit 7", 20)
    assert answer.status == 7
    assert answer.sections == {"": "first\n", "one": "a\n\nb", "two": ""}
    assert answer.err == "no\n"
    assert answer["never"] == ""


def test_one_script_after_the_other(shell: Shell) -> None:
    for number in range(5):
        answer = shell.run(f"echo {number}; exit {number}", 20)
        assert (answer[""], answer.status) == (f"{number}\n", number)


@pytest.mark.parametrize(
    "script", ["exit 3", "false", "set -e; false; echo no", "(exit 9)", "kill -9 $$x"]
)
def test_a_script_that_ends_early_leaves_the_shell(shell: Shell, script: str) -> None:
    assert shell.run(script, 20).status != 0
    assert shell.run("echo still there", 20)[""] == "still there\n"


def test_output_at_once_is_the_same_output(shell: Shell) -> None:
    """As one packet on the line: the script's last words and its status are printed together."""
    script = "echo first\nmark one\nprintf 'a\\n\\nb'\nmark two\necho no >&2\nexit 7"
    told: list[str] = []
    answer = shell.run(script, 20, told.append, at_once=True)
    assert answer == shell.run(script, 20)
    assert told == ["one", "two"]
    assert shell.run("exit 3", 20, at_once=True).status == 3


def test_a_script_reads_no_other_ones_text(shell: Shell) -> None:
    assert shell.run('cat; read -r line; echo "<$line>"', 20)[""] == "<>\n"


def test_output_of_any_size(shell: Shell) -> None:
    """More than every buffer on the way, on both outputs at once."""
    script = (
        "n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); "
        "echo 0123456789012345678901234567890123456789012345678; "
        "echo 0123456789012345678901234567890123456789012345678 >&2; done"
    )
    answer = shell.run(script, 120)
    assert (len(answer[""]), len(answer.err)) == (20000 * 50, 20000 * 50)


def test_bytes_that_are_no_text_do_not_confuse(shell: Shell) -> None:
    answer = shell.run("printf '\\377\\000passthru-0000\\n\\201'", 20)
    assert answer.status == 0
    assert "passthru-0000" in answer[""]


def test_marks_are_told_as_they_come(shell: Shell) -> None:
    told: list[str] = []
    shell.run("mark one; mark two", 20, told.append)
    assert told == ["one", "two"]


def test_a_shell_that_dies_is_lost(shell: Shell) -> None:
    with pytest.raises(LostError) as caught:
        shell.run("kill -9 $$", 20)
    assert code(caught.value) is Code.S806
    assert not shell.usable


def test_a_script_that_hangs_is_given_up(shell: Shell) -> None:
    with pytest.raises(LostError) as caught:
        shell.run("sleep 60", 0.3)
    assert code(caught.value) is Code.S807


def test_each_step_has_its_own_time(shell: Shell) -> None:
    answer = shell.run("sleep 1; mark a; sleep 1; mark b; sleep 1; mark c", 2.5)
    assert set(answer.sections) == {"", "a", "b", "c"}


@pytest.mark.parametrize("command", [["true"], ["sh", "-c", "echo 'no log-in here' >&2; exit 1"]])
def test_no_shell_at_all_is_said(command: list[str]) -> None:
    shell = Shell(ProcessPipe(command), "here")
    with pytest.raises(PassthruError) as caught:
        shell.run("echo", 20)
    assert code(caught.value) in (Code.S808, Code.S806)
    shell.close()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("cut", [1, 60, 120, -40, -2])
def test_a_script_that_is_cut_on_its_way_runs_nothing(
    tmp_path: Path, cut: int, *, at_once: bool
) -> None:
    """What arrives of a script that is cut anywhere must not be run: not even its first line."""
    made = tmp_path / "made"
    whole = _framed(f"touch {made}; touch {made}-too\n", "passthru-x", at_once=at_once)
    called = whole.index(b"passthru_run </dev/null")
    cut = cut if cut > 0 else len(whole) + cut - (len(whole) - called)
    pipe = ProcessPipe(["sh", "-s"])
    pipe.send(whole[:cut], 5)
    pipe._process.stdin.close()  # type: ignore[union-attr]
    pipe._process.wait(20)
    pipe.close()
    assert not made.exists()
