"""Host names that can be folders, and names that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.inventory import check_host_name
from compiler.inventory.names import host_name_problem

BAD = [
    *("", ".", "..", "../../etc", "a/b", "a\\b", "/abs", ".hidden", "-rf", "--help"),
    *("a\0b", "two\nlines", "tab\tname", "esc\x1b[1m", "a\u2028b", "a\u202eb", "\udc80", "a\x85"),
    *(" a", "a ", "a\u00a0", "x" * 254, "ü" * 127, "manifest.json", "Manifest.JSON"),
]
GOOD = [
    *("web1", "web1.example.net", "10.0.0.1", "2001:db8::1", "$(id)", "`id`", "'; drop", "🦊", "ü"),
    *("a b", "a--b", "_x", "x" * 253, "manifest.json5", "con", "table", "*", "~root", "a;b|c&d"),
]


@pytest.mark.parametrize("name", BAD)
def test_bad_names(name: str) -> None:
    finding = check_host_name(name)
    assert finding is not None
    assert finding.code.name == "I207"
    assert finding.message.isprintable()
    assert len(finding.message) < 200


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    assert check_host_name(name) is None


@settings(max_examples=150)
@given(st.text(max_size=260))
def test_good_names_are_folders_inside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if host_name_problem(name):
        return
    out = tmp_path_factory.mktemp("out")
    (out / name).mkdir()
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).resolve().parent == Path(out).resolve()
