"""The line of a finding, with the spot marked."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from compiler.model.finding import Place
from compiler.source.excerpt import excerpt, printable


def test_the_spot_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text("a: 1\n    wiregaurd: pass\n", encoding="utf-8")
    assert excerpt(Place(str(path), 2, 5, 9)) == ("    wiregaurd: pass", "    ^^^^^^^^^")
    assert excerpt(Place(str(path), 2, 16)) == ("    wiregaurd: pass", " " * 15 + "^^^^")


def test_there_is_none_where_the_file_cannot_tell(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text("a: 1\n", encoding="utf-8")
    for place in (
        Place(str(path)),
        Place(str(path), 9, 1),
        Place(str(tmp_path), 1),
        Place("a\0", 1),
    ):
        assert excerpt(place) is None


def test_a_long_line_is_cut_around_the_spot(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_text("x" * 500 + "HERE" + "y" * 500, encoding="utf-8")
    found = excerpt(Place(str(path), 1, 501, 4))
    assert found
    line, marker = found
    assert len(line) <= 100
    assert line[marker.index("^") :][:4] == "HERE"


def test_tabs_and_controls_keep_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.write_bytes(b"\t\x1b[31mred\xff here")
    found = excerpt(Place(str(path), 1, 12, 4))
    assert found
    assert found[0].endswith("here")
    assert found[1].index("^") == found[0].index("here")
    assert "\x1b" not in found[0]


@given(st.text())
def test_nothing_unprintable_is_shown(text: str) -> None:
    assert all(char.isprintable() for char in printable(text))
    assert len(printable(text)) == len(text)
