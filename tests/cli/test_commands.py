"""The command line: exit codes, configuration, output folder, and manners in a pipe."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.cli.main import COMMANDS, cli
from tests.cli.support import HOSTS, POLICY, ZONES, Site

TWO_HOSTS = HOSTS.replace("r1:", f"r2: {{passthru_target: linux, passthru_zones: {ZONES}}}, r1:")


def test_no_argument_is_help(site: Site) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        result = site.run(*arguments)
        assert result.code == 0
        assert all(name in result.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(site: Site, name: str) -> None:
    result = site.run(name, "--help")
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compil"], "Did you mean 'compile'?"),
        (["validate", "--nosuch"], "No such option"),
        (["validate", "--output", "xml"], "xml"),
        (["schema", "nosuch"], "there is no schema"),
        (["inventory"], "give one of"),
        (["compile", "--check", "--prune"], "--prune means nothing"),
        (["compile", "--stdout", "r1", "--check"], "--stdout goes with neither"),
        (["validate", "-e", "novalue"], "k=v"),
        (["validate", "-e", "'"], "--extra-vars"),
    ],
)
def test_wrong_usage_is_exit_64(site: Site, arguments: list[str], said: str) -> None:
    result = site.run(*arguments)
    assert result.code == 64
    assert said in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("inventry = 'x'", "unknown key 'inventry'"),
        ("inventory = 5", "must be text"),
        ("out = ['a']", "must be text"),
        ("= broken", "passthru.toml"),
    ],
)
def test_a_wrong_configuration_is_wrong_usage(site: Site, text: str, said: str) -> None:
    site.write({"passthru.toml": text})
    result = site.run("compile")
    assert result.code == 64
    assert said in result.err


@pytest.mark.parametrize("order", [1, -1])
def test_how_much_to_say_goes_before_the_command_or_behind_it(site: Site, order: int) -> None:
    site.write({"policy.yml": POLICY.replace("pptp: block", "pptp: blok")})
    said = "\x1b["
    assert said in site.run(*["validate", "--color=always"][::order]).err
    assert said not in site.run(*["validate", "--color=never"][::order]).err
    site.write({"policy.yml": POLICY})
    assert site.run(*["compile", "-v"][::order]).err == "out: 1 new\n"
    assert site.run(*["compile", "-q"][::order]).err == ""


def test_the_last_word_on_colour_holds_and_quiet_is_quiet(site: Site) -> None:
    assert site.run("-q", "compile", "-v").err == ""
    assert site.run("-v", "compile", "-q").err == ""
    site.write({"policy.yml": POLICY.replace("pptp: block", "pptp: blok")})
    assert "\x1b[" in site.run("--color", "never", "validate", "--color", "always").err
    assert site.run("probe", "run", "-qv", "--help").code == 0
    assert "k=v" in site.run("validate", "-e", "-v").err


def test_no_policy_named(site: Site) -> None:
    site.write({"passthru.toml": ""})
    result = site.run("validate", "-i", "hosts.yml")
    assert result.code == 64
    assert "-p/--policy" in result.err


def test_the_configuration_is_found_above_and_flags_win(site: Site) -> None:
    site.write({"deep/er/other.yml": "- hosts: nobody\n  passthrough: {pptp: block}\n"})
    os.chdir(site.folder / "deep" / "er")
    assert site.run("compile").code == 0
    assert (site.folder / "out" / "r1").is_dir()
    assert site.run("compile", "-p", "other.yml").code == 3


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (["a=pass"], 0),
        (["a=pass b=c"], 0),
        (['{"a": "pass"}'], 0),
        (["{a: pass}"], 0),
        (["@vars.yml"], 0),
        (["a=blok", "a=pass"], 0),
        (["a=blok"], 3),
        (["@missing.yml"], 3),
        (["@list.yml"], 3),
        (["[1]"], 3),
        (["{a: "], 3),
    ],
)
def test_forms_of_extra_vars(site: Site, extra: list[str], code: int) -> None:
    site.write(
        {
            "policy.yml": "- hosts: all\n  vars: {a: blok}\n  passthrough: {openvpn: '{{ a }}'}\n",
            "vars.yml": "a: pass\n",
            "list.yml": "- a\n",
        }
    )
    options = [part for item in extra for part in ("-e", item)]
    assert site.run("validate", *options).code == code


def test_compile_check_says_what_is_stale(site: Site) -> None:
    assert site.run("compile", "--check").code == 2
    assert not (site.folder / "out").exists()
    assert site.run("compile").code == 0
    current = site.run("compile", "--check")
    assert (current.code, current.err) == (0, "out: up to date\n")
    ruleset = next(path for path in (site.folder / "out" / "r1").rglob("*.nft"))
    ruleset.write_text("# mine\n", encoding="utf-8")
    (site.folder / "out" / "r1" / "extra").write_text("", encoding="utf-8")
    stale = site.run("compile", "--check")
    assert stale.code == 2
    assert f"r1: {ruleset.relative_to(site.folder / 'out' / 'r1')} differs" in stale.err
    assert "r1: extra does not belong here" in stale.err
    assert ruleset.read_text(encoding="utf-8") == "# mine\n"


def test_compile_twice_changes_nothing(site: Site) -> None:
    assert site.run("compile").err == "out: 1 new\n"
    assert site.run("compile").err == "out: 1 unchanged\n"


def test_prune_removes_what_is_gone_and_only_that(site: Site) -> None:
    site.write({"hosts.yml": TWO_HOSTS})
    assert site.run("compile").code == 0
    site.write({"hosts.yml": HOSTS, "out/mine.txt": "keep", "out/own/readme": "keep"})
    left = site.run("compile")
    assert "left in place: r2 (--prune)" in left.err
    assert site.run("compile", "--check").code == 2
    assert "1 pruned" in site.run("compile", "--prune").err
    assert sorted(path.name for path in (site.folder / "out").iterdir()) == [
        "manifest.json",
        "mine.txt",
        "own",
        "r1",
    ]


def test_a_limit_touches_no_other_host(site: Site) -> None:
    site.write({"hosts.yml": TWO_HOSTS})
    assert site.run("compile").code == 0
    site.write({"policy.yml": POLICY.replace("pptp", "l2tp")})
    before = {
        path: path.read_bytes() for path in (site.folder / "out/r2").rglob("*") if path.is_file()
    }
    assert site.run("compile", "--limit", "r1").code == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert site.run("compile", "--limit", "nobody").code == 3


def test_a_foreign_folder_is_never_replaced(site: Site) -> None:
    site.write({"out/r1/precious": "mine"})
    result = site.run("compile")
    assert (result.code, result.codes) == (3, ["B703"])
    assert site.names().count("out/r1/precious") == 1
    site.write({"blocked": "a file"})
    assert site.run("compile", "-o", "blocked").codes == ["B701"]


def test_stdout_is_one_hosts_native_text_and_nothing_else(site: Site) -> None:
    site.write({"hosts.yml": TWO_HOSTS})
    result = site.run("compile", "--stdout", "r1")
    assert result.code == 0
    assert "table inet" in result.out
    assert not (site.folder / "out").exists()
    several = site.run("compile", "--stdout", "all")
    assert (several.code, several.out) == (64, "")


def _environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2])} | more


PROGRAM = [sys.executable, "-m", "compiler"]


def _in_terminal(site: Site, arguments: list[str], **environment: str) -> str:
    """Run with a terminal on all three streams; give what a person would see."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=site.folder,
        env=_environment(TERM="xterm", **environment),
    ):  # fmt: skip
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(ours)
    return seen.decode()


def test_a_terminal_gets_colours_unless_no_color_is_set(site: Site) -> None:
    site.write({"policy.yml": "- hosts: all\n  passthrough: {pptp: blok}\n"})
    assert "\x1b[" in _in_terminal(site, ["compile"])
    assert "\x1b[" not in _in_terminal(site, ["compile"], NO_COLOR="1")


def test_tables_keep_to_the_columns_of_the_terminal(site: Site) -> None:
    seen = _in_terminal(site, ["protocols"], COLUMNS="80", NO_COLOR="1")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines()
    assert any("wireguard" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_in_a_pipe_there_is_only_data(site: Site) -> None:
    result = site.run("protocols")
    assert "\x1b" not in result.out
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert {len(row) for row in rows} == {5}
    assert site.run("protocols", "--output", "json").json["schema"] == "passthru/protocols-list/v1"


def test_a_reader_that_stops_reading_is_no_failure(site: Site) -> None:
    """``passthru protocols | head -1``, made certain: the pipe is closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PROGRAM, "protocols"], stdout=write, stderr=subprocess.PIPE, cwd=site.folder,
        env=_environment(), check=False, text=True,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_locale_without_unicode_is_no_failure(site: Site) -> None:
    site.write({"hosts.yml": HOSTS.replace("r1", "r\N{SNOWMAN}")})
    done = subprocess.run(
        [*PROGRAM, "inventory", "-i", "hosts.yml", "--graph"], capture_output=True,
        cwd=site.folder, env=_environment(PYTHONIOENCODING="latin-1"), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_ctrl_c_is_130(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(context: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cli, "invoke", interrupted)
    # A shell that runs the tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = site.run("protocols")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.code, result.err.strip()) == (130, "interrupted")


def test_a_bug_is_exit_1_and_says_how_to_report_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "invoke", lambda _context: 1 / 0)
    result = site.run("protocols")
    assert result.code == 1
    assert "X901" in result.err
    assert "report" in result.err


@pytest.mark.parametrize(("where", "code"), [(">/dev/full", 3), (">&-", 0)])
def test_an_output_that_takes_nothing_is_no_bug(where: str, code: int) -> None:
    command = f"exec {sys.executable} -m compiler schema policy {where}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "X901" in done.stderr) == (code, False)
    assert ("error[B701]: cannot write to standard output" in done.stderr) == bool(code)


@pytest.mark.parametrize(("more", "code", "word"), [("", 3, "error"), ("warn", 0, "warning")])
def test_signatures_that_slow_the_router_need_consent(
    site: Site, more: str, code: int, word: str
) -> None:
    flows = "flows: {main: {layer4: udp, ports: [7777], signature: {bytes: [%s]}}}"
    one, other = flows % '{at: 0, value: "01"}', flows % '{at: 4, value: "0003", mask: "00ff"}'
    site.write(
        {
            "protocols.yml": "protocols:\n"
            "  own: {title: Own, flows: {all: {layer4: udp, ports: [7778]}}}\n"
            f"  own-a: {{title: A, part_of: own, {one}}}\n"
            f"  own-b: {{title: B, part_of: own, {other}}}\n",
            "policy.yml": "- hosts: all\n  passthrough:\n    own-a: pass\n"
            "    own-b: {action: block, collateral: accept}\n",
        }
    )
    result = site.run("compile", "--out", "out", *(["--on-deviation", more] if more else []))
    assert result.code == code
    assert f"{word}[T409]" in result.err
    assert "udp/7777 meet up to 7 rules" in result.err
