"""Splicing changes the values it is asked to change, and no other byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.toggles.jsontext import load, splice

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    members=st.dictionaries(st.text(max_size=4), JSON, min_size=1, max_size=5),
    around=st.dictionaries(st.text(max_size=4), JSON, max_size=3),
    indent=st.sampled_from([None, 0, 3]),
    data=st.data(),
)
def test_only_the_value_changes(
    members: dict[str, object], around: dict[str, object], indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps({**around, "here": members}, indent=indent, ensure_ascii=False)
    key = data.draw(st.sampled_from(sorted(members)))
    changed = splice(text, ("here",), {key: "new"})
    assert json.loads(changed) == {**around, "here": {**members, key: "new"}}
    original = json.dumps(members[key], indent=indent, ensure_ascii=False)
    assert len(text) - len(changed) <= len(original) * 8 + 200
    assert splice(changed, ("here",), {key: "new"}) == changed


def test_odd_spacing_and_escapes_stay() -> None:
    text = '{ "a" :\t{"x\\u0041":1 ,"on" :  true,\r\n"s":"\\/\\u00e9"} }'
    assert splice(text, ("a",), {"on": False}) == text.replace("true", "false")


BROKEN = ["", "  ", "{", '{"a":1', "[]", "1", "<html>", '{"a":1,"a":2}', '{"a":NaN}', '{"a":1} x']
DEEP = ["[" * 100_000, '{"a":' * 100_000]


@pytest.mark.parametrize("text", [*BROKEN, *DEEP])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(NativeError):
        load(text, "the answer")
