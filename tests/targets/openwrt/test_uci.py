"""The UCI grammar. What libuci does was measured with its `uci` command."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.model.finding import Code
from targets.openwrt import uci
from targets.openwrt.uci import Section
from tests.targets.openwrt.support import configs

JUDGE = os.environ.get("PASSTHRU_FW4_JUDGE", "")

#: What only our reader refuses: two commands on a line and what can hide one, other packages,
#: and texts without any content.
STRICTER = ("not supported", "too many", "not the package", "is empty", "NUL byte")

ACCEPTED = {
    "config rule x\n\toption a b\n": [Section("rule", "x", (("a", "b"),))],
    "c rule x\no a b\nl e f\n": [Section("rule", "x", (("a", "b"), ("e", ("f",))))],
    "config rule ''\n\toption a b": [Section("rule", "", (("a", "b"),))],
    "config rule x\n\toption a b\n\toption a ''\n": [Section("rule", "x", (("a", "b"),))],
    "config rule x\n\toption a\n": [Section("rule", "x")],
    "config rule x\n\tlist a ''\n\tlist a b\n": [Section("rule", "x", (("a", ("", "b")),))],
    "config rule x\n\toption a b\n\tlist a c\n": [Section("rule", "x", (("a", ("b", "c")),))],
    "config rule x\n\tlist a b\n\toption a c\n": [Section("rule", "x", (("a", "c"),))],
    "config rule x\n\toption a 'b'c\"d\"\n": [Section("rule", "x", (("a", "bcd"),))],
    "config rule x # y 'z\n\toption a b#c\n": [Section("rule", "x", (("a", "b"),))],
    "config rule x\n\toption a 'b\nconfig rule y\n'\n": [
        Section("rule", "x", (("a", "b\nconfig rule y\n"),))
    ],
    'config rule x\n\toption a "b\\\nc\\"d"\n': [Section("rule", "x", (("a", 'bc"d'),))],
    "config rule x\n\toption a b\\\nc\n": [Section("rule", "x", (("a", "bc"),))],
    "config rule x\n\toption a b\nconfig rule x\n\toption c d\n": [
        Section("rule", "x", (("a", "b"), ("c", "d")))
    ],
    "config a-b.c x\r\n\toption a 'b'\r\n": [Section("a-b.c", "x", (("a", "b"),))],
    "\n\n  # hi\n config\trule\tx\n\x0coption  a  b": [Section("rule", "x", (("a", "b"),))],
    "package firewall\n\nconfig rule\nconfig rule\n": [Section("rule", ""), Section("rule", "")],
    "# nothing\n": [],
}
REFUSED = {
    "config rule x y\n": 1,
    "config rule x\n\toption a b c\n": 2,
    "config rule x\n\toption a b\\\n  c\n": 2,
    "config rule x\n\n\toption a 'b\n": 3,
    "config rule x-y\n": 1,
    "config rule x\n\toption a.b c\n": 2,
    "config rule x\nconfig zone x\n": 2,
    "option a b\n": 1,
    "config\n": 1,
    "config ''\n": 1,
    "foo\n": 1,
    "\ufeffconfig rule x\n": 1,
    "config rule x\n\toption \u00e9 b\n": 2,
    "config rule x\0\n": 1,
    "config rule x\n\toption a 'b'; option c d\n": 2,
    "package network\n": 1,
    " \n": 1,
    "firewall.x=rule\nfirewall.x.a=b\n": 2,
    "firewall.x.a='b'\n": 1,
    "firewall.x=rule\nfirewall.x.a='b\n": 2,
    "firewall.x=rule\nfirewall.x.a='b' c\n": 2,
    "firewall.x=rule\nrubbish\n": 2,
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_reads_what_libuci_reads(text: str) -> None:
    assert list(uci.read(text, "firewall")) == ACCEPTED[text]


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_with_code_and_line(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        uci.read(text, "firewall")
    (finding,) = caught.value.findings
    assert finding.code is Code.T407
    assert finding.place is not None
    assert finding.place.line == REFUSED[text]


def test_reads_what_uci_show_prints() -> None:
    shown = (
        "firewall.@zone[0]=zone\nfirewall.@zone[0].network='wan' 'wan6'\n"
        "firewall.passthru_x=rule\nfirewall.passthru_x.a='it'\\''s\ntwo lines'\n"
    )
    assert uci.read(shown, "firewall") == (
        Section("zone", "", (("network", ("wan", "wan6")),)),
        Section("rule", "passthru_x", (("a", "it's\ntwo lines"),)),
    )


@given(st.text(max_size=60))
def test_never_fails_with_anything_but_a_finding(text: str) -> None:
    with suppress(NativeError):
        uci.read(text, "firewall")


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_quoted_values_come_back(value: str) -> None:
    text = f"config rule x\n\toption a {uci.quote(value)}\n"
    assert uci.read(text, "firewall") == (Section("rule", "x", (("a", value),)),)


@pytest.mark.judge
@settings(max_examples=60, deadline=None)
@given(
    configs()
    | st.lists(st.sampled_from([*ACCEPTED, *REFUSED]), max_size=3).map("".join)
    | st.text(st.sampled_from("config rule option list x'\"\\\n\t# "), max_size=50)
)
def test_agrees_with_the_real_uci(text: str) -> None:
    """1. real uci prints the text; 2. what it prints reads back as the text itself reads.

    What only this module refuses (see its docstring) does not count.
    """
    folder = Path(os.environ.get("TMPDIR", "/tmp"), f"passthru-uci-{os.getpid()}")  # noqa: S108
    folder.mkdir(exist_ok=True)
    folder.joinpath("firewall").write_bytes(text.encode())
    program = Path(JUDGE).with_name("uci")
    done = subprocess.run(
        [program, "-c", folder, "export", "firewall"], capture_output=True, check=False
    )
    try:
        ours: tuple[Section, ...] | None = uci.read(text, "firewall")
    except NativeError as error:
        stricter = any(part in str(error) for part in STRICTER)
        ours = None
    else:
        stricter = False
    if ours is None:
        assert done.returncode or stricter
        return
    assert done.returncode == 0, done.stderr
    theirs = uci.read(done.stdout.decode(), "firewall")
    assert sorted(map(repr, theirs)) == sorted(map(repr, ours))
