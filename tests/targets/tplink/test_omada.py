"""Omada gateways: the whole ALG object of a site, and no L2TP in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compiler.errors import NativeError
from compiler.model.effect import HelperState, Verdict
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from compiler.toggles.family import ToggleSettings
from targets.tplink import TARGET
from tests.toggles.intents import FLOWS, block, device, let, probe

ROUTER = device("tplink", {"flavour": "omada", "ipv6": True})
FIELDS: dict[str, Any] = {
    "ftp": True,
    "ftpPorts": [21],
    "h323": True,
    "pptp": True,
    "ipSec": True,
    "sip": False,
    "sipPorts": [5060, 5061],
    "sipTimeout": False,
    "anotherSetting": {"a": [None, 1.5]},
}
OWNED = {"supportAlg": True, "existGateway": False, "osgSupportAlg": True, "resource": 0}
RESULT = {**FIELDS, **OWNED}
ANSWER = json.dumps({"errorCode": 0, "msg": "Success.", "result": RESULT}, indent=1)
PASS, UNKNOWN = Verdict.PASS, Verdict.UNKNOWN

#: (key, value): the documented effect on each flow it names.
TABLE: dict[tuple[str, bool], set[str]] = {
    ("pptp", True): set(),
    ("pptp", False): {flow.id for flow in FLOWS["pptp"]},
    ("ipSec", True): set(),
    ("ipSec", False): {flow.id for flow in FLOWS["ipsec"]},
}


@pytest.mark.parametrize(("key", "value"), TABLE)
def test_every_value_does_what_is_documented(key: str, value: bool) -> None:  # noqa: FBT001
    settings = ToggleSettings.of({"pptp": True, "ipSec": True, key: value})
    for flows in FLOWS.values():
        for flow in flows:
            effects = TARGET.effects(settings, ROUTER, [probe(flow, f) for f in Family])
            expected = UNKNOWN if flow.id in TABLE[key, value] else PASS
            assert {effect.verdict for effect in effects} == {expected}, flow.id
    (data,) = TARGET.effects(settings, ROUTER, [probe(FLOWS["pptp"][1])])
    absent = (key, value) == ("pptp", False)
    assert data.helper is (HelperState.ABSENT if absent else HelperState.UNKNOWN)


def test_there_is_no_l2tp_switch() -> None:
    settings = TARGET.settings(block("l2tp"), ROUTER)
    assert settings == ToggleSettings()
    found = compare(block("l2tp"), TARGET.effects(settings, ROUTER, probes(block("l2tp"), ROUTER)))
    assert {d.code.name for d in found} == {"D501"}


def test_the_object_is_put_whole_without_what_the_controller_owns() -> None:
    router = device("tplink", {"flavour": "omada"}, observed=ANSWER)
    assert TARGET.check(router) == []
    bundle = TARGET.render(TARGET.settings(block("pptp"), router), router)
    write = json.loads(bundle.native_text)
    assert (write["method"], write["encoding"]) == ("PUT", "json")
    assert write["path"].endswith("/sites/{site}/setting/transmission/alg")
    assert write["body"] == {**FIELDS, "pptp": False}
    assert (write["complete"], write["fill"], "fill_also" in write) == (True, [], False)
    read = json.loads(next(f for f in bundle.files if f.path == "read.json").content)
    assert (read["method"], read["body"]) == ("GET", {})


def test_without_an_answer_the_document_says_that_there_is_more() -> None:
    write = json.loads(TARGET.render(TARGET.settings(let("pptp"), ROUTER), ROUTER).native_text)
    assert write["complete"] is False
    assert "ipSec" in write["fill"]
    assert "every other field" in write["fill_also"]
    assert write["body"]["pptp"] is True


def test_merge_changes_one_word() -> None:
    merged = TARGET.merge(TARGET.settings(block("ipsec"), ROUTER), ANSWER, ROUTER)
    assert merged == ANSWER.replace('"ipSec": true', '"ipSec": false')


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "empty"),
        ('{"errorCode": -1600, "msg": "Unsupported request path."}', "errorCode -1600"),
        ('{"errorCode": false, "result": {}}', "errorCode false"),
        ('{"errorCode": 0, "result": []}', "no object 'result'"),
        ('{"errorCode": 0, "result": {"pptp": true}}', "missing: ipSec"),
        (ANSWER.replace('"pptp": true', '"pptp": 1'), "pptp is 1"),
        (ANSWER.replace('"pptp": true', '"pptp": "on"'), 'pptp is "on"'),
        (ANSWER[:-4], "not JSON"),
        ("<html>login</html>", "not JSON"),
    ],
)
def test_answers_that_are_refused(answer: str, words: str) -> None:
    with pytest.raises(NativeError, match=words):
        TARGET.parse(answer, ROUTER)
