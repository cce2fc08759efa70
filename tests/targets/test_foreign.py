"""Whatever else a router's text holds, hostile or odd, comes out of a merge byte for byte."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.build import matrix
from compiler.catalogue import builtin
from compiler.model.example import typical
from compiler.model.intent import Action, Intent
from compiler.toggles import script
from compiler.toggles.family import ToggleSettings
from compiler.toggles.scripted import ScriptedSettings
from tests.targets.answers import ANSWERS, Answer

#: Those with rules have tests of their own (and Merlin's holds a rule, which a merge takes out).
SWITCHES = [
    answer
    for answer in ANSWERS
    if answer.target not in ("routeros", "edgeos", "vyos") and answer.name != "asuswrt-merlin"
]
#: Where each document keeps its fields.
INSIDE = {"linksys-jnap": "output", "tplink-luci": "data", "tplink-cgi": "data"}
ODD = ["$(reboot)", "`id`", "'; rm -rf /", '"\\', "a=b", "<x>&amp;", "]]>", "é\u202e\u2028", "%s%n"]
#: Texts of others: a line that begins rules of ours among the keys is refused (T407).
TEXT = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
).filter(lambda text: script.BEGIN not in f"{text}\n{text[::-1]}")
POLICIES = st.lists(
    st.tuples(st.sampled_from(["pptp", "l2tp", "ipsec"]), st.sampled_from(["pass", "block"])),
    min_size=1,
    max_size=3,
)


def listing(answer: Answer, texts: list[str]) -> str:
    """Put keys with such values, and lines that belong to them, between those of the answer."""
    lines = answer.text.split("\n")
    more = [f"odd{n}={text}\n  {text[::-1]}" for n, text in enumerate(texts)]
    for n, line in enumerate(more):
        lines.insert((n * 3) % (lines.index(lines[0]) + 2), line)
    return "\n".join(lines)


def document(answer: Answer, texts: list[str], indent: int | None) -> str:
    data: dict[str, Any] = json.loads(answer.text)
    fields = data[INSIDE.get(answer.name, "result")]
    fields.update({f"odd {text}": [text, {"pptp": text, "blockPPTP": None}] for text in texts})
    data.update({f"beside {text}": {"pptp": True} for text in texts})
    return json.dumps(data, indent=indent, ensure_ascii=bool(len(texts) % 2))


def element(answer: Answer, texts: list[str]) -> str:
    more = "".join(f"<Odd{n}>{escape(t)}</Odd{n}>" for n, t in enumerate(texts))
    remarks = "".join(f"<!-- {re.sub('-', '~', t)} -->\t\r\n" for t in texts)
    end = "</GetFirewallSettingsResponse>"
    return answer.text.replace(end, f"{remarks}{more}{end}")


def hostile(answer: Answer, texts: list[str], indent: int | None) -> str:
    if answer.terminal:
        return listing(answer, texts)
    return (
        element(answer, texts) if answer.text.startswith("<") else document(answer, texts, indent)
    )


def wanted(answer: Answer, policies: list[tuple[str, str]]) -> Intent:
    device = typical(answer.name, answer.target, answer.facts)
    found = [matrix._intent(p, Action(a), device, builtin()) for p, a in dict(policies).items()]
    decisions = {d.protocol: d for each in found for d in each.decisions}
    return Intent(device.name, tuple(decisions[name] for name in sorted(decisions)))


@pytest.mark.parametrize("answer", SWITCHES, ids=str)
@given(texts=st.lists(TEXT, max_size=3), indent=st.sampled_from([None, 0, 2]), policies=POLICIES)
@settings(max_examples=30, deadline=None)
def test_a_policy_in_and_out_again_leaves_every_byte(
    answer: Answer, texts: list[str], indent: int | None, policies: list[tuple[str, str]]
) -> None:
    text = hostile(answer, texts, indent)
    target = answer.member
    device = typical(answer.name, answer.target, answer.facts)
    said = answer.read(text)
    assert {k: v for k, v in said.items() if k in answer.says} == answer.says
    ours = target.settings(wanted(answer, policies), device)
    toggles = getattr(ours, "toggles", ours).as_dict()
    merged = target.merge(ours, text, device)
    assert answer.read(merged) == {**said, **toggles}
    assert target.merge(ours, merged, device) == merged
    if all(key in answer.text for key in toggles):
        former = ToggleSettings.of({key: said[key] for key in toggles})
        back: Any = ScriptedSettings(former) if hasattr(ours, "rules") else former
        assert target.merge(back, merged, device) == text
