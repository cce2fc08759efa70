"""What the README and docs/policy.md show works as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from compiler.cli.main import main
from compiler.source import schema
from compiler.source.yaml import loads

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
POLICY_PAGE = (ROOT / "docs" / "policy.md").read_text()


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _commands() -> list[str]:
    lines = "\n".join(_blocks(README, "sh")).splitlines()
    found = [line.split("#")[0].split(">")[0].strip() for line in lines]
    return [line for line in found if line.startswith("passthru ")]


def test_the_commands_of_the_readme_work_in_the_example_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "inventories" / "office", tmp_path / "office")
    monkeypatch.chdir(tmp_path / "office")
    commands = _commands()
    assert len(commands) >= 6
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command


@pytest.mark.parametrize("page", [README, POLICY_PAGE], ids=["README.md", "docs/policy.md"])
def test_policies_that_are_shown_follow_the_schema(page: str) -> None:
    shown = [text for text in _blocks(page, "yaml") if "hosts:" in text]
    assert shown
    for text in shown:
        assert schema.check(loads(text, "shown.yml"), "policy") == []


def test_the_mistake_that_is_shown_looks_like_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shown,) = [text for text in _blocks(README, "text") if "wiregaurd" in text]
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    lines = ["- hosts: all", "  passthrough:", "    default: block", "    ipsec: pass", "    # x"]
    text = "\n".join([*lines, "    wiregaurd: pass", ""])
    Path("policies/branches.yml").write_text(text)
    Path("hosts.yml").write_text("all: {hosts: {r1: {passthru_target: linux}}}\n")
    assert main(["validate", "-i", "hosts.yml", "-p", "policies/branches.yml"]) == 3
    assert shown.strip() in capsys.readouterr().err
