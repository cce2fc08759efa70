"""Linksys: nine booleans, inverted, written whole."""

from __future__ import annotations

import json

import pytest

from compiler.errors import NativeError
from compiler.model.effect import HelperState, Verdict
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from compiler.toggles.family import ToggleSettings
from targets.linksys import TARGET
from tests.targets.linksys.fields import FIELDS
from tests.toggles.intents import FLOWS, block, device, let, probe

ANSWER = json.dumps({"result": "OK", "output": dict(FIELDS)})
ROUTER = device("linksys", {"flavour": "jnap", "ipv6": True})
PASS, DROP, UNKNOWN = Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN

#: (key, value): the documented effect on each flow it names, IPv4 and IPv6.
TABLE: dict[tuple[str, bool], dict[str, tuple[Verdict, Verdict]]] = {
    ("blockPPTP", False): {"pptp.control": (PASS, PASS), "pptp.data": (PASS, PASS)},
    ("blockPPTP", True): {"pptp.control": (DROP, UNKNOWN), "pptp.data": (UNKNOWN, UNKNOWN)},
    ("blockL2TP", False): {"l2tp.all": (PASS, PASS)},
    ("blockL2TP", True): {"l2tp.all": (DROP, UNKNOWN)},
    ("blockIPSec", False): {"ipsec.ike": (PASS, PASS), "ipsec.esp": (PASS, PASS)},
    ("blockIPSec", True): {
        "ipsec.ike": (DROP, UNKNOWN),
        "ipsec.natt": (DROP, UNKNOWN),
        "ipsec.esp": (UNKNOWN, UNKNOWN),
        "ipsec.ah": (UNKNOWN, UNKNOWN),
    },
}


@pytest.mark.parametrize(("key", "value"), TABLE)
def test_every_value_does_what_is_documented(key: str, value: bool) -> None:  # noqa: FBT001
    settings = ToggleSettings.of({name: False for name in FIELDS if name in NAMES} | {key: value})
    for flows in FLOWS.values():
        for flow in flows:
            expected = TABLE[(key, value)].get(flow.id, (PASS, PASS))
            asked = [probe(flow, family) for family in Family]
            effects = TARGET.effects(settings, ROUTER, asked)
            assert tuple(effect.verdict for effect in effects) == expected, flow.id


NAMES = ("blockIPSec", "blockPPTP", "blockL2TP")


def test_polarity_is_inverted() -> None:
    assert TARGET.settings(block("pptp"), ROUTER).as_dict() == {"blockPPTP": True}
    assert TARGET.settings(let("ipsec"), ROUTER).as_dict() == {"blockIPSec": False}


def test_the_helper_has_no_switch_so_pptp_is_not_promised() -> None:
    settings = TARGET.settings(let("pptp"), ROUTER)
    effects = TARGET.effects(settings, ROUTER, probes(let("pptp"), ROUTER))
    assert {e.helper for e in effects} == {HelperState.UNKNOWN, HelperState.NOT_NEEDED}
    assert {d.code.name for d in compare(let("pptp"), effects)} == {"D504"}


def test_without_an_answer_the_document_says_what_is_missing() -> None:
    bundle = TARGET.render(TARGET.settings(block("pptp"), ROUTER), ROUTER)
    write = json.loads(bundle.native_text)
    assert write["complete"] is False
    assert write["fill"] == sorted(set(FIELDS) - {"blockPPTP"})
    assert write["body"]["blockPPTP"] is True
    assert write["body"]["blockIDENT"] == {"from": "read"}
    assert write["headers"] == {
        "X-JNAP-Action": "http://linksys.com/jnap/firewall/SetFirewallSettings"
    }
    read = json.loads(next(f for f in bundle.files if f.path == "read.json").content)
    assert read["body"] == {}
    assert read["headers"]["X-JNAP-Action"].endswith("/GetFirewallSettings")


def test_with_an_answer_the_document_is_complete() -> None:
    router = device("linksys", observed=ANSWER)
    assert TARGET.check(router) == []
    write = json.loads(TARGET.render(TARGET.settings(block("pptp"), router), router).native_text)
    assert write["complete"] is True
    assert write["fill"] == []
    assert write["body"] == {**FIELDS, "blockPPTP": True}


def test_fields_that_nobody_has_listed_are_written_as_they_were_read() -> None:
    answer = ANSWER.replace('"blockPPTP"', '"blockSSL": {"a": 1}, "blockPPTP"')
    router = device("linksys", observed=answer)
    bundle = TARGET.render(TARGET.settings(block("pptp"), router), router)
    body = json.loads(bundle.native_text)["body"]
    assert body == {**FIELDS, "blockPPTP": True, "blockSSL": {"a": 1}}


def test_merge_changes_one_word() -> None:
    settings = TARGET.settings(block("pptp"), ROUTER)
    merged = TARGET.merge(settings, ANSWER, ROUTER)
    assert merged == ANSWER.replace('"blockPPTP": false', '"blockPPTP": true')


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"result":"_ErrorUnauthorized"}', "_ErrorUnauthorized"),
        ('{"result":"_ErrorNotReady","output":{}}', "_ErrorNotReady"),
        ('{"result":"OK"}', "no object 'output'"),
        ('{"result":"OK","output":[]}', "no object 'output'"),
        ('{"result":"OK","output":{"blockPPTP":true}}', "missing: blockIPSec"),
        (ANSWER.replace('"blockPPTP": false', '"blockPPTP": 0'), "blockPPTP is 0"),
        (ANSWER.replace('"blockPPTP": false', '"blockPPTP": "false"'), 'blockPPTP is "false"'),
        (ANSWER.replace('"blockIDENT": true', '"blockIDENT": null'), "blockIDENT is null"),
        (ANSWER[:-9], "not JSON"),
        ("<html>login</html>", "not JSON"),
        ('{"body":{"blockPPTP":true},"managed":["fw_pt_pptp"]}', "not one of this target"),
        ('{"body":[],"managed":["blockPPTP"]}', "not one of this target"),
        ('{"body":{"blockPPTP":{"from":"read"}},"managed":["blockPPTP"]}', "blockPPTP is"),
    ],
)
def test_answers_that_are_refused(answer: str, words: str) -> None:
    with pytest.raises(NativeError, match=words):
        TARGET.parse(answer, ROUTER)
    observed = TARGET.check(device("linksys", observed=answer))
    assert [finding.code.name for finding in observed] == ["T407"]
    assert observed[0].message.startswith("passthru_observed: ")


def test_an_unknown_flavour_is_found() -> None:
    (finding,) = TARGET.check(device("linksys", {"flavour": "velop"}))
    assert (finding.code.name, finding.hint) == (
        "T404",
        "which firmware: jnap or classic; default jnap",
    )
