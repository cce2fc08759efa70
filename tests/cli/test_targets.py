"""``passthru targets``: the overview fits a terminal, JSON and page say the same."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.build import matrix
from compiler.build.registry import installed
from compiler.cli.main import main
from compiler.cli.targets_page import page
from compiler.cli.targets_rows import MEANING, SHORT

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "targets.md"


def built_in() -> list[str]:
    """Names of what comes with this distribution, whatever else is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sorted(project["entry-points"]["passthru.targets"])


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["targets", *arguments]) == 0
    return capsys.readouterr().out


def test_the_page_is_what_the_command_would_write() -> None:
    targets = [installed().get(name) for name in built_in()]
    rows = [row for target in targets for row in matrix.rows(target)]
    assert PAGE.read_text() == page(targets, rows), "run `make matrix`"


def test_json_has_every_router_and_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(out(capsys, "--output", "json"))
    assert set(built_in()) <= {target["name"] for target in found["targets"]}
    ddwrt = next(target for target in found["targets"] if target["name"] == "ddwrt")
    plain = next(router for router in ddwrt["routers"] if router["name"] == "ddwrt")
    block = plain["protocols"]["pptp"]["ipv4"]["block"]
    assert block["standing"] == "deviates"
    assert {"code": "D501", "flows": ["pptp.data"]}.items() <= block["gaps"][0].items()
    assert {"summary", "distribution", "capabilities", "options"} <= ddwrt.keys()


def test_in_a_pipe_each_table_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys)
    assert "ddwrt\tDD-WRT" in text
    lines = text.splitlines()
    header = next(line for line in lines if line.startswith("router\tah\t")).split("\t")
    asus = next(line for line in lines if line.startswith("asuswrt\t") and "\tpart\t" in line)
    cells = dict(zip(header, asus.split("\t"), strict=True))
    assert (cells["pptp"], cells["others"], cells["IPv6"]) == ("part", "self", "self")
    assert "router\tread\twrite\tpush\trollback\thelper\tIPv6" in lines
    assert all(f"{word:6}{standing}: " in text for standing, word in SHORT.items())


def test_one_target_tells_what_deviates(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "ddwrt")
    assert "- block: pptp.data over ipv4: open (" in text
    assert "passthru_scripts\ttrue: put what the switches cannot block into rc_firewall" in text
    assert "pptp\tdeviates\timpossible" in text
    assert "\nddwrt-scripts (kernel 3.18.1, passthru_scripts yes)\n" in text


def test_an_unknown_target_is_refused_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "ddwrtt"]) == 3
    printed = capsys.readouterr()
    assert "did you mean 'ddwrt'?" in printed.err
    assert printed.out == ""


def test_every_standing_is_explained() -> None:
    assert set(MEANING) == set(SHORT) == set(matrix.Standing)
    assert len(set(SHORT.values())) == len(SHORT)


def test_a_terminal_of_80_columns_holds_it() -> None:
    """Drawn for a real terminal: no line is longer, no word of the matrix is folded."""
    control, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "compiler", "targets"]
    with subprocess.Popen(command, stdout=terminal, cwd=ROOT, env=environment) as process:
        os.close(terminal)
        text = b""
        while True:
            try:
                read = os.read(control, 65536)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            text += read
    os.close(control)
    assert process.returncode == 0
    lines = text.decode().replace("\r\n", "\n").splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    first = lines.index(next(line for line in lines if line.startswith("router ")))
    names = {row.name for name in built_in() for row in matrix.rows(installed().get(name))}
    drawn = {line.split()[0] for line in lines[first + 2 :] if line[:1].isalpha()}
    assert names <= drawn
