"""What routers and terminals do to an nvram listing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.toggles import nvram

KEYS = ("fw_pt_pptp", "fw_pt_l2tp")

READ = [
    ("fw_pt_pptp=0\n", {"fw_pt_pptp": "0"}),
    ("fw_pt_pptp=0\r\nx=1\r\n", {"fw_pt_pptp": "0", "x": "1"}),
    ("fw_pt_pptp=0\r\r\n", {"fw_pt_pptp": "0"}),
    ("\ufefffw_pt_pptp=0\n", {"fw_pt_pptp": "0"}),
    ("\x1b[1;32mfw_pt_pptp=0\x1b[0m\n", {"fw_pt_pptp": "0"}),
    ("\x1b]0;admin@rt\x07\x1b(B\x1b[mfw_pt_pptp=0\n", {"fw_pt_pptp": "0"}),
    ("ASUSWRT-Merlin RT-AC68U 386.3\n\nfw_pt_pptp=1\n", {"fw_pt_pptp": "1"}),
    ("fw_pt_pptp=1\nsize: 65214 bytes (65858 left)\n", {"fw_pt_pptp": "1"}),
    ("fw_pt_pptp=1\n\nsize: 65214 bytes (65858 left)\r\n\n", {"fw_pt_pptp": "1"}),
    ("note=a\nb c\n  d\nfw_pt_pptp=\n", {"note": "a\nb c\n  d", "fw_pt_pptp": ""}),
    ("list=<a>b=c>\nfw_pt_pptp=1\nfw_pt_pptp=1\n", {"list": "<a>b=c>", "fw_pt_pptp": "1"}),
    ("wl0.1_ssid=x=y\n", {"wl0.1_ssid": "x=y"}),
]

REFUSED = [
    ("", "empty"),
    (" \n\r\n", "empty"),
    ("fw_pt_pptp=0", "middle of a line"),
    ("x=1\nfw_pt_pp", "middle of a line"),
    ("fw_pt_pptp=0\x00\n", "NUL"),
    ("fw_pt_pptp=0\x0b\n", "no value"),
    ("fw_pt_pptp=0\xa0\n", "no value"),
    ("fw_pt_pptp=0\nadmin@RT-AC68U:~# \n", "is no key"),
    ("note=a\nfw_pt_pptp=0\nfw_pt_pptp=1\n", "second, other value"),
]


@pytest.mark.parametrize(("text", "found"), READ)
def test_what_is_read(text: str, found: dict[str, str]) -> None:
    assert nvram.read(text, KEYS) == found


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(NativeError, match=words) as caught:
        nvram.read(text, KEYS)
    assert [finding.code.name for finding in caught.value.findings] == ["T407"]


def test_put_leaves_all_other_bytes() -> None:
    text = "banner\r\n\x1b[0mfw_pt_pptp=0\r\nnote=a\r\n\x0bb\x85c\r\n"
    assert nvram.put(text, {"fw_pt_pptp": "1", "fw_pt_l2tp": "0"}) == (
        "banner\r\nfw_pt_pptp=1\r\nnote=a\r\n\x0bb\x85c\r\nfw_pt_l2tp=0\r\n"
    )
    assert nvram.put(text, {"fw_pt_pptp": "0"}) == text


LINES = st.lists(
    st.one_of(
        st.sampled_from(["fw_pt_pptp=0", "fw_pt_pptp=1", "fw_pt_l2tp=", "size: 1 bytes (2 left)"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12),
    ),
    max_size=8,
)


@given(lines=LINES, value=st.sampled_from("01"))
def test_put_is_read_back_or_the_text_is_refused(lines: list[str], value: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    try:
        before = nvram.read(text, KEYS)
    except NativeError:
        return
    merged = nvram.put(text, {"fw_pt_pptp": value})
    assert nvram.put(merged, {"fw_pt_pptp": value}) == merged
    assert nvram.read(merged, KEYS) == {**before, "fw_pt_pptp": value}
