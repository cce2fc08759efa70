"""Merging: in Python, and the awk program that does the same on the router."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

import targets.openwrt
from compiler.errors import NativeError
from compiler.model.intent import Intent
from targets.openwrt import TARGET, render, uci
from targets.openwrt.merge import merge
from tests.targets.openwrt.support import MODULES, configs, device, intents
from tests.toggles.intents import block

AWK = Path(targets.openwrt.__file__).with_name("templates") / "merge.awk"
BUSYBOX = shutil.which("busybox")
DEVICE = device(modules=MODULES)
L2TP = TARGET.settings(block("l2tp"), device(zones=DEVICE.zones[1:]))

DEFAULT = """\
config defaults
	option input REJECT

config forwarding
	option src lan

# Allow DHCP
config rule
	option name Allow-DHCP-Renew

# the end
"""


def other_lines(text: str) -> list[str]:
    """Every line that is neither in a section of ours nor an empty one before it."""
    return merge(text, "", "passthru_", "f").splitlines(keepends=True)


def test_goes_before_the_first_other_rule_and_its_comment() -> None:
    merged = TARGET.merge(L2TP, DEFAULT, DEVICE)
    head, tail = DEFAULT.split("\n# Allow", 1)
    assert merged == f"{head}{render.block(L2TP)}\n# Allow{tail}"
    assert render.block(L2TP) == (
        "\nconfig rule 'passthru_block__l2tp__all__guest__wan__any'\n"
        "\toption name 'passthru l2tp all block guest to wan any'\n"
        "\toption src 'guest'\n\toption dest 'wan'\n\toption family 'any'\n"
        "\toption proto 'udp'\n\toption dest_port '1701'\n\toption target 'DROP'\n"
    )


def test_goes_to_the_end_without_other_rules_and_ends_an_open_last_line() -> None:
    assert TARGET.merge(L2TP, "config zone", DEVICE) == f"config zone\n{render.block(L2TP)}"


def test_nothing_to_put_in_leaves_the_text_alone() -> None:
    empty = TARGET.settings(Intent("r1"), DEVICE)
    for text in (DEFAULT, DEFAULT.rstrip("\n"), "config zone"):
        assert TARGET.merge(empty, text, DEVICE) == text


@pytest.mark.parametrize("text", ["", "\n", "config rule 'x\n", "config rule x; option a b\n"])
def test_refuses_what_is_no_config(text: str) -> None:
    with pytest.raises(NativeError):
        TARGET.merge(L2TP, text, DEVICE)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs(), intents())
@example("config rule 'passthru_x'\n\toption a b\\\n\nconfig rule 'passthru_y'\n", block("l2tp"))
def test_laws(text: str, wanted: Intent) -> None:
    """1. ours come back; 2. again changes nothing; 3. all else is there, byte for byte."""
    ours = TARGET.settings(wanted, DEVICE)
    merged = TARGET.merge(ours, text, DEVICE)
    if merged.strip():
        assert TARGET.parse(merged, DEVICE) == ours
        assert TARGET.merge(ours, merged, DEVICE) == merged
        before, after = "".join(other_lines(text)), "".join(other_lines(merged))
        assert after in (before, f"{before}\n")
        foreign = [s for s in uci.read(text, "f") if not s.name.startswith("passthru_")]
        assert [s for s in uci.read(merged, "f") if not s.name.startswith("passthru_")] == foreign


@pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(configs(), intents())
@example("config rule 'passthru_x'\n\toption a b\\\n\nconfig rule 'passthru_y'\n", block("l2tp"))
@example("config zone\nconfig rule passthru_x\n\toption a b\\", block("l2tp"))
def test_awk_does_the_same(tmp_path: Path, text: str, wanted: Intent) -> None:
    ours = TARGET.settings(wanted, DEVICE)
    (tmp_path / "ours").write_bytes(render.native(ours).encode())
    (tmp_path / "config").write_bytes(text.encode())
    assert BUSYBOX is not None
    done = subprocess.run(
        [BUSYBOX, "awk", "-v", "base=read", "-f", str(AWK), "ours", r"RS=\001", "config"],
        cwd=tmp_path,
        env={"LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == TARGET.merge(ours, text, DEVICE)
    assert (tmp_path / "read").read_bytes() == text.encode()


@pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")
def test_awk_refuses_two_commands_on_a_line(tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("# ours\n")
    (tmp_path / "config").write_text("config rule x; option a b\n")
    assert BUSYBOX is not None
    command = [BUSYBOX, "awk", "-f", str(AWK), "ours", r"RS=\001", "config"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 3
