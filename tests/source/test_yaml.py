"""YAML as Ansible reads it, with places, and with every hostile file refused at its spot."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import SourceError
from compiler.source.yaml import MAX_BYTES, load, loads, read_text


def _told(text: str) -> list[str]:
    """Give the findings of a text as ``CODE line:column message``."""
    with pytest.raises(SourceError) as error:
        loads(text, "f.yml")
    return [
        f"{f.code.name} {f.place.line}:{f.place.column} {f.message}"
        for f in error.value.findings
        if f.place
    ]


def _value(text: str) -> Any:
    return loads(f"a: {text}\n", "f.yml").data["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("Off", False), ("on", True), ("y", "y"), ("N", "N"),
        ("0777", 511), ("08", "08"), ("0x1F", 31), ("-0x1f", -31), ("0b11", 3), ("0o17", "0o17"),
        ("1_000", 1000), ("1:30", 90), ("~", None), ("Null", None), ("", None),
        ("1e3", "1e3"), ("12e03", "12e03"), ("1.5e+3", 1500.0), ("1.5e3", "1.5e3"),
        ("+.5", "+.5"), (".5", 0.5), (".inf", float("inf")), ("2027-03-31", "2027-03-31"),
        ("'yes'", "yes"), ("!!str 5", "5"), ("192.168.1.1", "192.168.1.1"),
    ],
)  # fmt: skip
def test_scalars_are_read_as_ansible_reads_them(text: str, value: object) -> None:
    found = _value(text)
    assert found == value
    assert type(found) is type(value)


_SCALARS = st.text("0123456789+-._eExbo:~nulyYNOFTtrse", min_size=1, max_size=8)


@given(_SCALARS)
def test_scalars_agree_with_pyyaml(text: str) -> None:
    """The parser below Ansible is the oracle, where it is installed (dates stay text here)."""
    pyyaml = pytest.importorskip("yaml")
    try:
        expected = pyyaml.safe_load(f"a: {text}")["a"]
        found = _value(text)
    except (pyyaml.YAMLError, SourceError, ValueError, TypeError, KeyError):
        return
    seconds_with_fraction = isinstance(expected, float) and ":" in text
    if seconds_with_fraction or type(expected).__name__ in ("date", "datetime"):
        assert found == text
    else:
        assert repr(found) == repr(expected)


def test_merge_keys_give_way_to_own_keys_and_the_first_merged_wins() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n"
    document = loads(text, "f.yml")
    assert document.data["c"] == {"x": 1, "y": 3, "z": 2}
    assert str(document.place(("c", "x"))) == "f.yml:1:11"
    assert str(document.place(("c", "y"))) == "f.yml:3:22"


def test_every_key_and_value_has_a_place() -> None:
    document = loads("- hosts: é\n  null: {yes: 1, 0x10: [a, b]}\n", "f.yml")
    assert str(document.place((0, "hosts"))) == "f.yml:1:10"
    assert str(document.key_place((0, "hosts"))) == "f.yml:1:3"
    assert str(document.key_place((0, None, True))) == "f.yml:2:10"
    assert str(document.key_place((0, None, "yes"))) == "f.yml:2:10"
    assert str(document.place((0, None, 16, 1))) == "f.yml:2:28"
    assert document.place((0, "hosts")).length == 1


def test_what_is_not_there_has_the_place_of_its_nearest_ancestor() -> None:
    document = loads("a: {b: 1}\n", "f.yml")
    assert document.place(("a", "c", "d")) == document.place(("a",))
    assert str(loads("", "f.yml").place(("a",))) == "f.yml:1:1"


@given(st.dictionaries(st.from_regex(r"[a-z]{2,8}_", fullmatch=True), st.integers(), min_size=1))
def test_the_place_of_a_key_is_where_the_key_is_written(data: dict[str, int]) -> None:
    lines = [f"{key}: {value}" for key, value in data.items()]
    document = loads("top:\n  " + "\n  ".join(lines) + "\n", "f.yml")
    assert document.data["top"] == data
    for number, key in enumerate(data, start=2):
        place = document.key_place(("top", key))
        assert (place.line, place.column, place.length) == (number, 3, len(key))


def test_empty_texts_have_no_data() -> None:
    assert [loads(text, "f").data for text in ("", "# only words\n", "---\n")] == [None] * 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", ["P103 3:1 'a' is written twice (first on line 1)"]),
        ("a: {x: 1, x: 2}\nb: !no z\n", ["P103 1:11 'x'", "P101 2:4 unknown tag '!no'"]),
        (".nan: 1\n.NaN: 2\n", ["P103 2:1"]),
        ("a:\n\tb: 1\n", ["P101 2:1 found character that cannot start any token"]),
        ("a: b: c\n", ["P101 1:5 mapping values are not allowed"]),
        ("a: 1\n---\nb: 2\n", ["P101 2:1 but found another document"]),
        ("ééé: \x07", ["P101 1:6 character U+0007 is not allowed"]),
        ("é: 1\nb: é\x1b[31m", ["P101 2:5 character U+001B"]),
        ("a: \0", ["P101 1:4 character U+0000"]),
        ("a: *x\n", ["P101 1:4 found undefined alias"]),
        ("? [a]\n: b\n", ["P101 1:3 a key must be a plain value"]),
        ("a: {<<: 5}\n", ["P101 1:9 '<<' takes a mapping"]),
        ("a: !!python/object/apply:os.system [id]\n", ["P101 1:4 unknown tag"]),
        ("a: !what {b: 1}\n", ["P101 1:4 unknown tag '!what'"]),
        ("a: !!int x\n", ["P101 1:4 'x' is not a number"]),
        ("a: " + "1" * 5000, ["P101 1:4 '1111"]),
        ('a: "\\ud800"\n', ["P101 1:7"]),
        ("a: &a [*a]\n", ["P107 1:4 an alias refers to something that contains it"]),
        ("a: &a {<<: *a}\n", ["P107 1:4"]),
        ("a: " + "[" * 5000, ["P107 1:103 nested deeper than 100 levels"]),
        ("{a: " * 200 + "1" + "}" * 200, ["P107"]),
    ],
)
def test_problems_have_their_place(text: str, told: list[str]) -> None:
    found = _told(text)
    assert len(found) == len(told), found
    for line, beginning in zip(found, told, strict=True):
        assert line.startswith(beginning)


def test_tabs_and_colons_come_with_the_way_out() -> None:
    for text, hint in (("a:\n\tb: 1", "spaces"), ("a: b: c", "quotes"), ("a: 1\n--- b", "---")):
        with pytest.raises(SourceError) as error:
            loads(text, "f.yml")
        assert hint in error.value.findings[0].hint


def test_brackets_may_hold_ipv6_addresses_without_quotes() -> None:
    assert _value("[2001:db8::/32, 192.0.2.0/24]") == ["2001:db8::/32", "192.0.2.0/24"]


def test_an_alias_bomb_is_counted_not_built() -> None:
    """Nine lists of nine aliases each would be 387 million values."""
    names = "abcdefghi"
    lines = [f"a: &a [{','.join('x' * 9)}]"]
    lines += [
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]"
        for before, name in itertools.pairwise(names)
    ]
    assert "P107" in _told("\n".join(lines))[0]


def test_aliases_cannot_nest_deeper_than_brackets() -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 150))]
    assert "with its aliases written out" in _told("\n".join(lines))[0]


def test_a_modest_use_of_aliases_is_fine() -> None:
    text = "a: &a [1, 2]\n" + "".join(f"b{i}: *a\n" for i in range(500))
    assert len(loads(text, "f").data) == 501


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(path).data == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"a: \xff", "1:4"),
        (b"a: 1\n\xc3\xa9\xc3\xa9: \xff", "2:5"),
        (b"\xef\xbb\xbfab\xff", "1:3"),
        ("a: 1".encode("utf-16"), "1:1"),
        (b"a: caf\xe9\n", "1:7"),
    ],
)
def test_what_is_not_utf8_is_placed_by_character(tmp_path: Path, raw: bytes, place: str) -> None:
    path = tmp_path / "f.yml"
    path.write_bytes(raw)
    with pytest.raises(SourceError) as error:
        load(path)
    (found,) = error.value.findings
    assert found.code.name == "P108"
    assert str(found.place) == f"{path}:{place}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yml"
    with huge.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)
    for path, code in ((tmp_path, "P100"), (tmp_path / "none", "P100"), (huge, "P107")):
        with pytest.raises(SourceError) as error:
            load(path)
        assert [f.code.name for f in error.value.findings] == [code]
    with pytest.raises(SourceError, match="P100"):
        read_text(Path("a\0b"))
    assert huge.stat().st_size > MAX_BYTES


@given(
    st.text(
        st.characters(max_codepoint=0x2FF, codec="utf-8")
        | st.sampled_from("[]{}:,-&*!?|>'\"\t\n "),
        max_size=60,
    )
)
def test_any_text_gives_data_or_findings_with_a_place_in_the_text(text: str) -> None:
    try:
        loads(text, "f.yml")
    except SourceError as error:
        for found in error.findings:
            assert found.place
            assert 1 <= found.place.line <= len(text.splitlines()) + 2
