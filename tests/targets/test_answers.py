"""Every parser on what its router prints: whole, rough, cut, empty, and of another router."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.build.registry import installed
from compiler.errors import NativeError
from compiler.model.finding import Code
from tests.targets.answers import ANSWERS, Answer

ROUGH = [answer for answer in ANSWERS if answer.terminal]
DOCUMENTS = [answer for answer in ANSWERS if not answer.lines and not answer.terminal]
MOTD = """\

BusyBox v1.25.1 (2024-03-03 12:00:00 EST) built-in shell (ash)
Enter 'help' for a list of built-in commands.
  Welcome! This device belongs to somebody; $HOME is / "home"

"""
#: Families whose tests of their own hold their parsers: they read more than one of these texts.
ELSEWHERE = {"linux", "openwrt"}


def refused(answer: Answer, text: str) -> bool:
    try:
        answer.read(text)
    except NativeError as error:
        findings = error.findings
    else:
        return False
    assert {finding.code for finding in findings} == {Code.T407}
    assert all(len(finding.message) < 400 for finding in findings)
    return True


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_whole_answer_says_what_it_says(answer: Answer) -> None:
    assert answer.read(answer.text) == answer.says


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_line_ends_of_another_system(answer: Answer) -> None:
    assert answer.read(answer.text.replace("\n", "\r\n")) == answer.says


@pytest.mark.parametrize("answer", ROUGH, ids=str)
def test_what_a_terminal_adds(answer: Answer) -> None:
    lines = answer.text.splitlines()
    coloured = "".join(f"\x1b[0;32m{line}\x1b[0m\x1b[K\r\n" for line in lines)
    assert answer.read(coloured) == answer.says
    assert answer.read(MOTD + answer.text) == answer.says
    assert answer.read(MOTD.replace("\n", "\r\n") + coloured) == answer.says


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize("text", ["", "\n", " \r\n\t\n", "\x00", "\ufeff"])
def test_an_empty_answer_is_refused(answer: Answer, text: str) -> None:
    assert refused(answer, text)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_a_cut_answer_is_refused_or_says_less(answer: Answer) -> None:
    """Cut at every byte: what is read is never something that the whole answer does not say."""
    whole = answer.text.rstrip()
    for end in range(len(whole)):
        text = whole[:end]
        if refused(answer, text):
            continue
        assert answer.lines or answer.read(text) == answer.says, (end, text[-40:])
        assert answer.read(text).items() <= answer.says.items(), (end, text[-60:])


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a.lines], ids=str)
def test_a_line_that_is_cut_is_always_refused(answer: Answer) -> None:
    at = [n for n, char in enumerate(answer.text) if char != "\n"]
    inside = [n for n in at[len(at) // 2 :: 7] if answer.text[n - 1] != "\n"]
    cut = [answer.text[:n] for n in inside]
    read = [text for text in cut if not refused(answer, text)]
    # What follows the switches is somebody's script, which may end as it likes; so may a remark.
    remark = ("#", "//", "/*")
    ended = [text for text in read if "\n@" not in text]
    assert all(text.splitlines()[-1].lstrip().startswith(remark) for text in ended)


@pytest.mark.parametrize("answer", DOCUMENTS, ids=str)
@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html><html><head><title>Log in</title></head><body></body></html>",
        '{"success": false, "errorcode": "permission denied"}',
        '{"result": "_ErrorUnauthorized"}',
        '{"errorCode": -1200, "msg": "session timeout"}',
        '{"result": "OK", "success": true, "errorCode": 0}',
        '{"result": "OK", "output": {}}',
        '{"success": true, "data": {}}',
        '{"errorCode": 0, "result": {}}',
        "{}",
        "[]",
        "null",
        "true",
        '"OK"',
    ],
)
def test_another_answer_of_such_a_router_is_refused(answer: Answer, text: str) -> None:
    assert refused(answer, text)


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_answers_of_other_routers_are_refused_or_hold_none_of_ours(answer: Answer) -> None:
    for other in ANSWERS:
        if other.target == answer.target or refused(answer, other.text):
            continue
        if {answer.target, other.target} == {"edgeos", "vyos"}:
            continue  # one language; the facts say which system it is
        shared = ("ipsec_pass=", "pptp_pass=", "l2tp_pass=", "nf_pptp=")
        assert any(key in other.text for key in shared), other.name


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_nothing_to_set_changes_no_byte(answer: Answer) -> None:
    if answer.name.endswith("-tree"):
        with pytest.raises(NativeError):
            answer.merged(answer.text)
        return
    if answer.target in ("routeros", "edgeos", "vyos") or answer.name == "asuswrt-merlin":
        kept = answer.merged(answer.text)
        assert answer.merged(kept) == kept
        assert not [key for key in answer.read(kept) if key.startswith(("firewall", "/ip fire"))]
        return
    assert answer.merged(answer.text) == answer.text
    crlf = answer.text.replace("\n", "\r\n")
    assert answer.merged(crlf) == crlf


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@given(
    at=st.floats(0, 1),
    junk=st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    drop=st.integers(0, 30),
)
@settings(max_examples=40, deadline=None)
def test_a_garbled_answer_is_read_or_refused_and_nothing_else(
    answer: Answer, at: float, junk: str, drop: int
) -> None:
    start = int(at * len(answer.text))
    refused(answer, answer.text[:start] + junk + answer.text[start + drop :])


def test_every_family_has_an_answer() -> None:
    mine = {answer.target for answer in ANSWERS}
    shipped = {entry.parent.name for entry in Path("targets").glob("*/__init__.py")}
    assert mine | ELSEWHERE == shipped & set(installed().names)
    flavours = {json.dumps([a.target, dict(a.facts).get("flavour", "")]) for a in ANSWERS}
    assert len(flavours) > len(mine)
