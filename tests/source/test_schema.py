"""Schema checks: the form that was meant, the exact spot, every problem in one run."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from compiler.source import schema
from compiler.source.yaml import loads


def _told(text: str, name: str = "policy") -> list[str]:
    return [
        f"{f.code.name} {f.place.line}:{f.place.column} {f.message} ({f.hint})"
        for f in schema.check(loads(text, "p.yml"), name)
        if f.place
    ]


def _entry(text: str) -> list[str]:
    """Check one entry; it stands on line 3, column 11."""
    return _told(f"- hosts: all\n  passthrough:\n    pptp: {text}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("blok", ["P102 3:11 'pptp' must be 'pass', 'block' or 'keep', not 'blok' (did you mean 'block'?)"]),
        ("yes", ["P102 3:11 'pptp': true has none of the allowed forms"]),
        ("[pass]", ["P102 3:11 'pptp': a list has none of the allowed forms"]),
        ("", ["P102 3:10 'pptp' is empty"]),
        ("5", ["P102 3:11 'pptp': 5 has none"]),
        ("{}", ["P102 3:11 'pptp' lacks 'action'"]),
        ("{action: blok}", ["P102 3:20 'action' must be 'pass', 'block' or 'keep'"]),
        ("{action: pass, too: x}", ["P105 3:26 unknown key 'too' (did you mean 'to'?)"]),
        ("{action: pass, zzz: x}", ["P105 3:26 unknown key 'zzz' (known keys: action, collateral"]),
        ("{action: pass, to: []}", ["P109 3:30 'to' is empty"]),
        ("{action: pass, to: ''}", ["P109 3:30 'to' is empty"]),
        ("{action: pass, to: ['']}", ["P109 3:31 'to' (item 1) is empty"]),
        ("{action: pass, to: }", ["P109 3:30 'to' is empty"]),
        ("{action: pass, from: []}", ["P109 3:32 'from' is empty"]),
        ("{action: pass, to: [5]}", ["P102 3:31 'to' (item 1) must be text, not 5"]),
        ("{action: pass, families: [ipv5]}", ["P102 3:37 'families' (item 1) must be 'ipv4' or 'ipv6'"]),
        ("{action: pass, log: {rate: often}}", ["P102 3:38 'rate': 'often' does not have the right form"]),
        ('{action: pass, log: {rate: "10/minute\\n"}}', ["P102 3:38 'rate'"]),
        ('{action: pass, until: "2027-03-31\\n"}', ["P102 3:33 'until'"]),
        ("{action: pass, until: 2027}", ["P102 3:33 'until'"]),
        ("{action: pass, to: 5, from: 6, zzz: 7, log: 8}", ["P102 3:30", "P102 3:39", "P105 3:42", "P102 3:55"]),
    ],
)  # fmt: skip
def test_each_problem_of_an_entry_at_its_spot(text: str, told: list[str]) -> None:
    found = sorted(_entry(text), key=lambda line: int(re.split("[: ]", line)[2]))
    assert len(found) == len(told), found
    for line, beginning in zip(found, told, strict=True):
        assert line.startswith(beginning)


@pytest.mark.parametrize(
    "text",
    [
        "pass",
        '"{{ action }}"',
        '{action: pass, to: "{{ gateways }}", until: "{{ end }}", families: "{{ f }}"}',
        "{action: pass, to: 192.0.2.0/24, families: ipv4, log: {rate: 10/minute, burst: 3}}",
        "{action: pass, until: 2027-03-31, otherwise: keep}",
    ],
)
def test_short_long_and_templated_forms(text: str) -> None:
    assert _entry(text) == []


def test_all_problems_of_a_file_in_one_run() -> None:
    text = "- host: all\n  passthrough: {pptp: blok}\n- hosts: []\n  expose: [{to: 5}]\n- 7\n"
    places = sorted({line.split()[1] for line in _told(text)})
    assert places == ["1:1", "1:3", "2:23", "3:10", "4:12", "4:17", "5:3"] or len(places) >= 6


def test_a_play_without_any_decision_is_refused() -> None:
    assert _told("- hosts: all\n") != []
    assert _told("- hosts: all\n  passthrough: {}\n") != []
    assert _told("[]") != []


def test_a_template_of_another_form_is_no_answer() -> None:
    """``families`` may be a template; a word that is none gets the enum's message."""
    (told,) = _entry("{action: pass, families: ipv7}")
    assert "'ipv4' or 'ipv6'" in told


_KEYS = st.text(max_size=10) | st.none() | st.booleans() | st.integers() | st.floats()
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["hosts", "passthrough", "expose", "to", "pptp"]) | _KEYS,
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["policy", "protocols", "variables"]), _DATA)
def test_any_data_gives_findings_or_none(name: str, data: Any) -> None:
    """Hostile keys included: numbers, nothing, truth values."""
    document = loads("a: 1\n", "p.yml")
    for found in schema.check_data(data, name, document.place, document.key_place):
        assert found.message
        assert found.place


def test_no_pattern_accepts_a_trailing_newline() -> None:
    """In Python ``$`` also matches before a final newline; a router's config must not get it."""
    for name in ("policy", "protocols", "variables"):
        for pattern in re.findall(r'"pattern": "(.*)"', schemas.text(name)):
            assert not re.search(r"(?<!\\)\$$", pattern), (name, pattern)
