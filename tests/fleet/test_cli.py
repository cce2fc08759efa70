"""`push`, `plan`, `rollback` and `history` as people and programs use them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.fleet import work
from tests.cli.support import Result, Site, make_site
from tests.fleet.fakes import SITE_DRIVER

ROOT = Path(__file__).parents[2]
ZONES = "{lan: {device: br-lan, networks: [192.168.1.0/24]}, wan: {device: eth0}}"
CONFIG = 'inventory = "hosts.yml"\npolicy = ["policy.yml"]\njournal = "state"\n'
BLOCK = "- hosts: all\n  passthrough: {pptp: block}\n"
PASS = "- hosts: all\n  passthrough: {pptp: pass}\n"


def hosts(number: int, does: Mapping[str, str] | None = None) -> str:
    lines = [f"all:\n  vars: {{passthru_target: linux, passthru_zones: {ZONES}}}\n  hosts:"]
    for index in range(1, number + 1):
        user = (does or {}).get(f"r{index}", "root")
        lines.append(f"    r{index}: {{ansible_user: {user}, ansible_password: hunter2}}")
    return "\n".join(lines) + "\n"


class Fleet:
    """A site of routers that are files beside it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.routers = site.folder / "routers"
        self.routers.mkdir()
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str) -> Result:
        result = self.site.run(*arguments)
        assert "hunter2" not in result.out + result.err
        return result

    def texts(self) -> dict[str, str]:
        files = [path for path in self.routers.iterdir() if not path.suffix]
        return {path.name: path.read_text() for path in sorted(files)}

    def events(self, result: Result) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in result.out.splitlines()]
        validator = Draft7Validator(schemas.schema("push-event"))
        for event in found:
            assert list(validator.iter_errors(event)) == []
        return found

    def history(self, *arguments: str) -> list[dict[str, Any]]:
        printed = self.run("history", *arguments, "--output", "json").json
        assert list(Draft7Validator(schemas.schema("history")).iter_errors(printed)) == []
        runs: list[dict[str, Any]] = printed["runs"]
        return runs

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PASSTHRU_TEST_ROUTERS": str(self.routers),
        }
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/fleet/program.py"), *arguments],
            cwd=self.site.folder, env=environment, text=True, **options,
        )  # fmt: skip
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what a test that failed left running."""
        for process in self.started:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()


@pytest.fixture
def fleet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fleet]:
    for site in make_site(tmp_path, capsys):
        site.write({"hosts.yml": hosts(3), "policy.yml": BLOCK, "passthru.toml": CONFIG})
        made = Fleet(site)
        monkeypatch.setattr(work, "device_driver", lambda: SITE_DRIVER)
        monkeypatch.setenv("PASSTHRU_TEST_ROUTERS", str(made.routers))
        yield made
        made.close()


def test_a_push_a_second_push_and_the_history_of_both(fleet: Fleet) -> None:
    first = fleet.run("push", "--yes", "--diff")
    assert first.code == 0
    assert first.out.splitlines()[-1] == "changed\t3\tnew settings, verified and confirmed"
    assert "linux: r1, r2, r3" in first.out  # an equal difference once, with its routers
    assert first.out.count("+ settings") == 1
    assert len(set(fleet.texts().values())) == 1
    second = fleet.run("push", "--yes")
    assert second.out.split("\t")[:2] == ["unchanged", "3"]
    runs = fleet.history()
    assert [run["counts"] for run in runs] == [{"unchanged": 3}, {"changed": 3}]
    assert [run["outcome"] for run in runs] == ["done", "done"]
    of_host = fleet.history("r2")
    assert [run["routers"][0]["state"] for run in of_host] == ["unchanged", "changed"]
    assert of_host[1]["routers"][0]["after"] == fleet.texts()["r2"]
    assert len(fleet.history("--run", runs[1]["run"])[0]["routers"]) == 3
    text = fleet.run("history")
    assert [line.split("\t")[3] for line in text.out.splitlines()] == ["3 unchanged", "3 changed"]
    assert "settings" in fleet.run("history", "r1", "--diff").out


def test_a_check_writes_nothing_anywhere(fleet: Fleet) -> None:
    result = fleet.run("push", "--check", "--diff")
    assert result.code == 0
    assert result.out.splitlines()[-1].startswith("would-change\t3")
    assert fleet.texts() == {}
    assert not (fleet.site.folder / "state").exists()


@pytest.mark.parametrize(
    ("does", "code"),
    [("fail", 4), ("unreachable", 5), ("roll-back", 6), ("refuse", 4), ("unclear", 4), ("bug", 4)],
)
def test_exit_codes_and_what_is_said(fleet: Fleet, does: str, code: int) -> None:
    fleet.site.write({"hosts.yml": hosts(3, {"r2": does})})
    result = fleet.run("push", "--yes")
    assert result.code == code
    assert result.out.startswith("changed\t2\t")
    assert result.out.splitlines()[-1].endswith("\tr2")
    assert "r2: " in result.err
    if does != "bug":
        assert f"T405 told to {does}" in result.err
        assert "= do not" in result.err
        assert f"told to {does}" in fleet.run("history", "r2").out


def test_waves_from_the_command_line_and_from_the_configuration(fleet: Fleet) -> None:
    fleet.site.write({"hosts.yml": hosts(10, {"r1": "fail"})})
    stopped = fleet.run("push", "--yes", "--serial", "1,100%")
    assert stopped.code == 4
    assert "stopping: 1 of 1 router failed: wave 2 is not begun" in stopped.err
    assert "skipped\t9" in stopped.out
    fleet.site.write({"passthru.toml": CONFIG + 'serial = [2, "100%"]\nmax_fail_percentage = 50\n'})
    passed = fleet.run("push", "--yes", "--output", "jsonl")
    events = fleet.events(passed)
    assert events[0]["waves"] == [2, 8]
    assert events[-1] == {
        **events[-1], "event": "end", "counts": {"changed": 9, "failed": 1}, "exit_code": 4,
    }  # fmt: skip
    assert passed.code == 4


def test_the_stream_holds_every_event_and_nothing_else(fleet: Fleet) -> None:
    events = fleet.events(fleet.run("push", "--yes", "--output", "jsonl", "--serial", "1,100%"))
    kinds = [event["event"] for event in events]
    assert [kinds[0], kinds[1], kinds[-1]] == ["begin", "wave", "end"]
    assert kinds.count("result") == 3
    assert kinds.count("wave") == 2
    result = next(event for event in events if event["event"] == "result")
    assert (result["host"], result["state"]) == ("r1", "changed")
    assert result["changes"][0]["before"] == "old"
    assert {event["step"] for event in events if event["event"] == "step"} == {"facts", "apply"}


def test_resume_leaves_alone_what_is_done(fleet: Fleet) -> None:
    fleet.site.write({"hosts.yml": hosts(4, {"r3": "fail"})})
    assert fleet.run("push", "--yes").code == 4
    fleet.site.write({"hosts.yml": hosts(4)})
    resumed = fleet.run("push", "--yes", "--resume")
    assert resumed.code == 0
    assert resumed.out.splitlines() == [
        "changed\t1\tnew settings, verified and confirmed",
        "done before\t3\tleft alone because of --resume",
    ]
    assert (fleet.routers / "r1.pushes").read_text().count("\n") == 1
    fleet.site.write({"policy.yml": PASS})
    assert fleet.run("push", "--yes", "--resume").out.startswith("changed\t4")


def test_resume_does_what_a_rollback_undid(fleet: Fleet) -> None:
    fleet.run("push", "--yes")
    fleet.site.write({"policy.yml": PASS})
    fleet.run("push", "--yes")
    assert fleet.run("rollback", "--yes").code == 0
    assert fleet.run("push", "--yes", "--resume").out.startswith("changed\t3")


def test_a_router_that_does_not_compile_stops_everything_unless_it_is_left_out(
    fleet: Fleet,
) -> None:
    broken = hosts(3) + "    r4: {passthru_zones: {lan: {networks: [nonsense]}, wan: {}}}\n"
    fleet.site.write({"hosts.yml": broken})
    result = fleet.run("push", "--yes")
    assert result.code == 3
    assert result.codes == ["P110"]
    assert fleet.texts() == {}
    assert fleet.run("push", "--yes", "--limit", "all,!r4").code == 0
    assert list(fleet.texts()) == ["r1", "r2", "r3"]


def test_nobody_to_ask_is_a_usage_error(fleet: Fleet) -> None:
    result = fleet.run("push")
    assert result.code == 64
    assert "--yes" in result.err
    assert fleet.texts() == {}


@pytest.mark.parametrize(
    ("answer", "code", "pushed"), [("y\n", 0, 3), ("n\n", 130, 0), ("\n", 130, 0)]
)
def test_a_person_at_a_terminal_is_asked(fleet: Fleet, answer: str, code: int, pushed: int) -> None:
    ours, theirs = pty.openpty()
    process = fleet.start("push", "--serial", "1,100%", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = read_until(ours, b"?")
    os.write(ours, answer.encode())
    shown += read_until(ours, None)
    assert process.wait() == code
    os.close(ours)
    assert b"push to 3 routers in waves of 1, 2?" in shown
    assert len(fleet.texts()) == pushed


def read_until(terminal: int, mark: bytes | None) -> bytes:
    """Read a terminal until something is shown, or its program has ended."""
    found = b""
    while mark is None or mark not in found:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # what Linux says when nobody holds the other end
            break
        if not part:
            break
        found += part
    return found


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None


def interrupted(fleet: Fleet) -> subprocess.Popen[str]:
    """Push one by one, and press Ctrl-C while the first router is at work."""
    process = fleet.start(
        "push", "--yes", "--forks", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(fleet.routers / "r1.pushes", process)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while "stopping" not in process.stderr.readline():
        pass
    return process


def test_ctrl_c_in_a_real_process_ends_what_runs_and_resume_does_the_rest(fleet: Fleet) -> None:
    fleet.site.write({"hosts.yml": hosts(6, {"r1": "wait"})})
    process = interrupted(fleet)
    (fleet.routers / "go").touch()
    out, _ = process.communicate()
    assert process.returncode == 130
    assert "changed\t1" in out
    assert "skipped\t5" in out
    assert fleet.history()[0]["outcome"] == "interrupted"
    assert fleet.run("push", "--yes", "--resume").out.startswith("changed\t5")


def test_a_second_ctrl_c_leaves_at_once_and_says_who_is_unclear(fleet: Fleet) -> None:
    """The router never answers: only a program that waits for nobody ends."""
    fleet.site.write({"hosts.yml": hosts(3, {"r1": "wait"})})
    process = interrupted(fleet)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    assert "unclear\t1\tr1" in out
    assert fleet.history()[0]["counts"] == {"skipped": 2, "unclear": 1}


def test_a_killed_push_shows_as_interrupted_and_can_be_resumed(fleet: Fleet) -> None:
    fleet.site.write({"hosts.yml": hosts(6, {"r3": "wait"})})
    process = fleet.start(
        "push", "--yes", "--forks", "1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(fleet.routers / "r3.pushes", process)
    assert fleet.history()[0]["outcome"] == "running"
    process.kill()
    process.wait()
    run = fleet.history()[0]
    assert (run["outcome"], run["ended"]) == ("interrupted", None)
    assert run["counts"] == {"changed": 2, "skipped": 3, "unclear": 1}
    (fleet.routers / "go").touch()
    assert fleet.run("push", "--yes", "--resume").out.startswith("changed\t4")


def test_a_reader_who_leaves_does_not_cut_a_push(fleet: Fleet) -> None:
    """`push --output jsonl | head -1`: what runs ends and is recorded; the exit code says so."""
    fleet.site.write({"hosts.yml": hosts(5, {"r1": "wait"})})
    process = fleet.start(
        "push", "--yes", "--forks", "1", "--output", "jsonl",
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(fleet.routers / "r1.pushes", process)
    assert process.stdout
    process.stdout.close()
    (fleet.routers / "go").touch()
    assert process.wait() == 130
    assert fleet.history()[0]["counts"] == {"changed": 1, "skipped": 4}


def test_a_summary_that_nobody_reads_does_not_change_the_exit_code(fleet: Fleet) -> None:
    fleet.site.write({"hosts.yml": hosts(3, {"r1": "fail"})})
    process = fleet.start("push", "--yes", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    process.stdout.close()
    assert process.wait() == 4


def test_a_plan_is_pushed_only_to_routers_that_are_as_they_were(fleet: Fleet) -> None:
    fleet.run("push", "--yes")
    fleet.site.write({"policy.yml": PASS})
    planned = fleet.run("plan", "-o", "plan.json")
    assert planned.code == 0
    assert "would-change\t3" in planned.out
    before = fleet.texts()
    plan = json.loads((fleet.site.folder / "plan.json").read_text())
    assert list(Draft7Validator(schemas.schema("plan")).iter_errors(plan)) == []
    assert "hunter2" not in json.dumps(plan)
    (fleet.routers / "r2").write_text("somebody was here")
    result = fleet.run("push", "plan.json", "--yes")
    assert result.code == 4
    assert result.out.startswith("changed\t2")
    assert "refused\t1\tr2" in result.out
    assert fleet.texts()["r2"] == "somebody was here"
    assert fleet.texts()["r1"] != before["r1"]


def test_a_plan_for_another_policy_is_refused(fleet: Fleet) -> None:
    fleet.run("plan", "-o", "plan.json")
    fleet.site.write({"policy.yml": PASS})
    result = fleet.run("push", "plan.json", "--yes")
    assert (result.code, result.codes) == (3, ["S824"])
    fleet.site.write({"policy.yml": BLOCK, "hosts.yml": hosts(3).replace("br-lan", "br-other")})
    result = fleet.run("push", "plan.json", "--yes")
    assert (result.code, result.codes) == (3, ["S825"])
    assert fleet.texts() == {}


def test_a_plan_without_some_routers_says_so(fleet: Fleet) -> None:
    fleet.site.write({"hosts.yml": hosts(3, {"r2": "unreachable"})})
    planned = fleet.run("plan", "-o", "plan.json")
    assert planned.code == 5
    fleet.site.write({"hosts.yml": hosts(3)})
    result = fleet.run("push", "plan.json", "--yes")
    assert result.code == 0
    assert "left out: unreachable when the plan was made [r2]" in result.err
    assert list(fleet.texts()) == ["r1", "r3"]


def test_rollback_brings_back_the_state_before_the_last_run(fleet: Fleet) -> None:
    fleet.run("push", "--yes")
    first = fleet.texts()
    fleet.site.write({"policy.yml": PASS})
    fleet.run("push", "--yes")
    assert fleet.texts() != first
    fleet.site.write({"policy.yml": "- this: is broken, which is why somebody rolls back"})
    result = fleet.run("rollback", "--yes")
    assert result.code == 0
    assert fleet.texts() == first
    assert [run["kind"] for run in fleet.history()] == ["rollback", "push", "push"]


def test_rollback_to_and_before_a_run(fleet: Fleet) -> None:
    states = []
    for policy in (BLOCK, PASS, "- hosts: all\n  passthrough: {pptp: block, l2tp: block}\n"):
        fleet.site.write({"policy.yml": policy})
        fleet.run("push", "--yes")
        states.append(fleet.texts())
    runs = [run["run"] for run in reversed(fleet.history())]
    assert fleet.run("rollback", "--to", runs[0], "--yes").code == 0
    assert fleet.texts() == states[0]
    assert fleet.run("rollback", "--before", runs[2], "--yes", "--limit", "r1").code == 0
    assert fleet.texts() == {**states[0], "r1": states[1]["r1"]}
    assert fleet.run("rollback", "--to", runs[2], "--check").out.startswith("would-change\t3")


def test_rollback_refuses_what_somebody_changed_since(fleet: Fleet) -> None:
    fleet.run("push", "--yes")
    first = fleet.texts()
    fleet.site.write({"policy.yml": PASS})
    fleet.run("push", "--yes")
    (fleet.routers / "r1").write_text("by hand")
    result = fleet.run("rollback", "--yes")
    assert result.code == 4
    assert fleet.texts()["r1"] == "by hand"
    assert fleet.texts()["r2"] == first["r2"]
    forced = fleet.run("rollback", "--before", fleet.history()[1]["run"], "--yes", "--force")
    assert forced.code == 0
    assert fleet.texts() == first


def test_rollback_of_a_state_that_no_target_can_read_is_refused(fleet: Fleet) -> None:
    """The routers' first state is the text "old", which is no ruleset."""
    fleet.run("push", "--yes")
    after = fleet.texts()
    result = fleet.run("rollback", "--yes")
    assert result.code == 4
    assert result.out.startswith("refused\t3")
    assert "T407" in result.err
    assert fleet.texts() == after


def test_rollback_without_anything_to_undo(fleet: Fleet) -> None:
    result = fleet.run("rollback", "--yes")
    assert (result.code, result.codes) == (3, ["S826"])
    result = fleet.run("rollback", "--to", "2026", "--yes")
    assert (result.code, result.codes) == (3, ["S826"])


def test_a_journal_that_cannot_be_written_stops_before_anything_is_sent(fleet: Fleet) -> None:
    (fleet.site.folder / "state").write_text("a file in the way")
    result = fleet.run("push", "--yes")
    assert (result.code, result.codes) == (3, ["S823"])
    assert fleet.texts() == {}
    assert fleet.run("push", "--yes", "--journal", "elsewhere").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["push", "--yes", "--serial", "0"],
        ["push", "--yes", "--max-fail", "many"],
        ["push", "--yes", "--forks", "0"],
        ["push", "--yes", "--executor", "ray"],
        ["push", "--yes", "--dask-ca", "ca.pem"],
        ["push", "--yes", "--confirm-timeout", "1"],
        ["push", "--check", "--resume"],
        ["rollback", "--to", "a", "--before", "b"],
        ["history", "r1", "--run", "x"],
        ["plan"],
    ],
    ids=" ".join,
)
def test_wrong_command_lines(fleet: Fleet, arguments: list[str]) -> None:
    assert fleet.run(*arguments).code == 64
    assert fleet.texts() == {}


@pytest.mark.parametrize(
    "line",
    ["forks = true", 'forks = "5"', "serial = 1.5", "journal = 5", "max_fail_percentage = []"],
)
def test_wrong_configurations(fleet: Fleet, line: str) -> None:
    key = line.partition(" ")[0]
    others = "".join(each for each in CONFIG.splitlines(keepends=True) if not each.startswith(key))
    fleet.site.write({"passthru.toml": f"{others}{line}\n"})
    assert fleet.run("push", "--yes").code == 64
    assert fleet.texts() == {}


def test_the_summary_fits_a_terminal_of_80_columns(fleet: Fleet) -> None:
    names = {f"r{number}": "fail" for number in range(2, 9)}
    fleet.site.write({"hosts.yml": hosts(9, names)})
    ours, theirs = pty.openpty()
    with subprocess.Popen(["stty", "cols", "80"], stdin=theirs):
        pass
    process = fleet.start("push", "--yes", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = read_until(ours, None).decode()
    assert process.wait() == 4
    os.close(ours)
    plain = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", shown)
    table = plain[plain.rindex("state ") :].splitlines()
    assert max(len(line.rstrip()) for line in table) <= 80
    assert any("r2, r3, r4, r5 and 3 more" in line for line in table)
