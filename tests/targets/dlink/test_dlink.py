"""D-Link: HNAP's object in XML, and the nodes of rgdb and xmldb."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compiler.errors import NativeError
from compiler.model.effect import HelperState, Verdict
from compiler.model.intent import Action
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from compiler.model.step import StepName
from compiler.toggles.family import ToggleSettings
from targets.dlink import TARGET
from tests.toggles.intents import FLOWS, block, decision, device, intent, let, probe

HNAP = device("dlink", {"ipv6": True})
RGDB = device("dlink", {"flavour": "rgdb", "drops_natt": True})
EARLY = device("dlink", {"flavour": "rgdb", "drops_natt": False})
UNSTATED = device("dlink", {"flavour": "rgdb"})
XMLDB = device("dlink", {"flavour": "xmldb"})
PASS, DROP, UNKNOWN = Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN

FIELDS = {
    "SPIIPv4": "true",
    "AntiSpoof": "false",
    "ALGPPTP": "true",
    "ALGIPSec": "true",
    "ALGRTSP": "true",
    "ALGSIP": "false",
}
ANSWER = (
    '<?xml version="1.0" encoding="utf-8"?>\r\n'
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" note="a > b">\r\n'
    '<soap:Body><GetFirewallSettingsResponse xmlns="http://purenetworks.com/HNAP1/">\r\n'
    "<GetFirewallSettingsResult>OK</GetFirewallSettingsResult>\r\n"
    + "".join(f"\t<{name}>{value}</{name}>\r\n" for name, value in FIELDS.items())
    + "</GetFirewallSettingsResponse></soap:Body></soap:Envelope>\r\n"
)
CONTROL = {"pptp.control": DROP}
IPSEC = dict.fromkeys(("ipsec.ike", "ipsec.natt", "ipsec.esp", "ipsec.ah"), DROP)
NAT = "/nat/passthrough/"
DEVICE = "/device/passthrough/"
L2TP = {"ipsec.ike": DROP, "l2tp.all": DROP}

#: (router, what is set besides the open values): the flows that do not pass, in IPv4.
TABLE: list[tuple[Any, dict[str, str], dict[str, Verdict]]] = [
    (HNAP, {"ALGPPTP": "true"}, {}),
    (HNAP, {"ALGPPTP": "false"}, CONTROL),
    (HNAP, {"ALGIPSec": "true"}, {}),
    (HNAP, {"ALGIPSec": "false"}, IPSEC),
    (XMLDB, {f"{DEVICE}pptp": "1"}, {}),
    (XMLDB, {f"{DEVICE}pptp": "0"}, CONTROL),
    (XMLDB, {f"{DEVICE}ipsec": "1"}, {}),
    (XMLDB, {f"{DEVICE}ipsec": "0"}, IPSEC),
    (RGDB, {f"{NAT}pptp": "1", f"{NAT}ipsec": "1", f"{NAT}l2tp": "1"}, {}),
    (RGDB, {f"{NAT}pptp": "0"}, CONTROL),
    (RGDB, {f"{NAT}ipsec": "0"}, IPSEC),
    (EARLY, {f"{NAT}ipsec": "0"}, {**IPSEC, "ipsec.natt": PASS}),
    (UNSTATED, {f"{NAT}ipsec": "0"}, {**IPSEC, "ipsec.natt": UNKNOWN}),
    # Alone, l2tp=0 has an effect on some builds only.
    (RGDB, {f"{NAT}l2tp": "0"}, dict.fromkeys(L2TP, UNKNOWN)),
    (RGDB, {f"{NAT}l2tp": "0", f"{NAT}pptp": "0"}, {**L2TP, **CONTROL}),
    (RGDB, {f"{NAT}l2tp": "0", f"{NAT}ipsec": "0"}, {**L2TP, **IPSEC}),
]


@pytest.mark.parametrize(("router", "values", "expected"), TABLE)
def test_every_value_does_what_is_documented(
    router: Any, values: dict[str, str], expected: dict[str, Verdict]
) -> None:
    family = TARGET.family(router)
    settings = ToggleSettings.of({t.key: t.default for t in family.toggles} | values)
    for flows in FLOWS.values():
        for flow in flows:
            four, six = TARGET.effects(settings, router, [probe(flow, f) for f in Family])
            assert four.verdict is expected.get(flow.id, PASS), flow.id
            assert six.verdict is PASS
            if flow.id == "pptp.data":
                assert four.helper is HelperState.UNKNOWN


def deviations(wanted: Any, router: Any) -> set[tuple[str, str, tuple[str, ...]]]:
    settings = TARGET.settings(wanted, router)
    effects = TARGET.effects(settings, router, probes(wanted, router))
    return {(d.code.name, d.protocol, d.flows) for d in compare(wanted, effects)}


def test_blocking_l2tp_and_pptp_on_rgdb_stops_ike_and_says_so() -> None:
    wanted = intent(
        decision("ipsec", Action.PASS),
        decision("l2tp", Action.BLOCK),
        decision("pptp", Action.BLOCK),
    )
    found = deviations(wanted, RGDB)
    lost = {("D502", "ipsec", ("ipsec.ike",)), ("D501", "l2tp", ("l2tp.all",))}
    assert len(found & lost) == 1
    assert ("D501", "pptp", ("pptp.data",)) in found


def test_there_is_no_l2tp_switch_in_hnap_and_xmldb() -> None:
    for router in (HNAP, XMLDB):
        assert TARGET.settings(block("l2tp"), router) == ToggleSettings()
        assert ("D501", "l2tp", ("l2tp.all",)) in deviations(block("l2tp"), router)


def test_a_field_that_nobody_has_listed_is_not_reset() -> None:
    answer = ANSWER.replace("<ALGSIP>", "<SPIIPv6>true</SPIIPv6><ALGSIP>")
    router = device("dlink", observed=answer)
    bundle = TARGET.render(TARGET.settings(block("pptp"), router), router)
    text = next(f for f in bundle.files if f.path == "write.xml").content.decode()
    assert "<SPIIPv6>true</SPIIPv6>" in text


def test_an_answer_makes_the_write_whole() -> None:
    router = device("dlink", observed=ANSWER)
    assert TARGET.check(router) == []
    bundle = TARGET.render(TARGET.settings(block("pptp"), router), router)
    assert [f.path for f in bundle.files] == ["read.json", "read.xml", "write.json", "write.xml"]
    write = json.loads(bundle.native_text)
    assert write["complete"] is True
    assert write["body"] == {"SetFirewallSettings": {**FIELDS, "ALGPPTP": "false"}}
    action = '"http://purenetworks.com/HNAP1/SetFirewallSettings"'
    assert write["headers"] == {"SOAPAction": action}
    text = next(f for f in bundle.files if f.path == "write.xml").content.decode()
    name = "{http://purenetworks.com/HNAP1/}SetFirewallSettings"
    inside = next(e for e in ET.fromstring(text).iter() if e.tag == name)  # noqa: S314
    sent = {child.tag.rpartition("}")[2]: child.text for child in inside}
    assert sent == {**FIELDS, "ALGPPTP": "false"}


def test_without_an_answer_nothing_is_there_to_be_sent() -> None:
    """A field that is left out would be stored as off."""
    bundle = TARGET.render(TARGET.settings(block("pptp"), HNAP), HNAP)
    assert "write.xml" not in [file.path for file in bundle.files]
    write = json.loads(bundle.native_text)
    assert write["complete"] is False
    assert write["fill"] == sorted(set(FIELDS) - {"ALGPPTP"})


def test_merge_changes_one_word() -> None:
    merged = TARGET.merge(TARGET.settings(block("pptp"), HNAP), ANSWER, HNAP)
    assert merged == ANSWER.replace("<ALGPPTP>true", "<ALGPPTP>false")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "empty"),
        ("<html><body>login</body></html>", "holds no <GetFirewallSettingsResponse>"),
        (ANSWER[:-40], "not XML"),
        (ANSWER.replace(">OK<", ">ERROR<"), 'GetFirewallSettingsResult "ERROR"'),
        (ANSWER.replace("<ALGSIP>false</ALGSIP>", ""), "missing: ALGSIP"),
        (ANSWER.replace("<ALGPPTP>true", "<ALGPPTP>1"), 'ALGPPTP is "1"'),
        (ANSWER.replace("<ALGPPTP>true</ALGPPTP>", "<ALGPPTP/>"), 'ALGPPTP is ""'),
        (ANSWER.replace("\t<ALGSIP>", "\t<ALGPPTP>false</ALGPPTP><ALGSIP>"), "twice"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ("{}", "not XML"),
        ('{"body":{},"managed":["ALGPPTP"]}', "not one of this target"),
    ],
)
def test_answers_that_are_refused(answer: str, words: str) -> None:
    with pytest.raises(NativeError, match=words):
        TARGET.parse(answer, HNAP)


def test_nodes_are_set_by_hand() -> None:
    settings = TARGET.settings(block("ipsec"), RGDB)
    bundle = TARGET.render(settings, RGDB)
    assert [file.path for file in bundle.files] == ["instructions.txt", "settings.txt"]
    words = bundle.files[0].content.decode()
    assert "IPsec passthrough: disabled   (/nat/passthrough/ipsec = 0)" in words
    procedure = TARGET.procedure(settings, RGDB)
    assert procedure.transport == "file"
    assert all(not step.script for step in procedure.steps)
    assert procedure.step(StepName.APPLY)


NODES = "D-Link\r\n\x1b[1m/nat/passthrough/pptp=1\r\n/nat/passthrough/ipsec\t0 \r\nother=x\r\n"


def test_a_listing_of_nodes_is_read_and_only_values_change() -> None:
    assert TARGET.parse(NODES, RGDB).as_dict() == {f"{NAT}pptp": "1", f"{NAT}ipsec": "0"}
    settings = TARGET.settings(let("ipsec"), RGDB)
    assert settings.as_dict() == {f"{NAT}ipsec": "1", f"{NAT}l2tp": "1"}
    merged = TARGET.merge(settings, NODES, RGDB)
    assert merged == NODES.replace("ipsec\t0 ", "ipsec\t1") + f"{NAT}l2tp=1\r\n"
    more = TARGET.merge(TARGET.settings(block("l2tp"), RGDB), NODES, RGDB)
    assert more == f"{NODES}{NAT}l2tp=0\r\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\r\n", "empty"),
        (f"{NAT}pptp=1", "middle of a line"),
        ("/device/passthrough/pptp=1\n", "none of the switches"),
        (f"{NAT}pptp=yes\n", "whose meaning is not known"),
        (f"{NAT}pptp=1\n{NAT}pptp 0\n", "second, other value"),
        (f"{NAT}pptpx=1\n", "none of the switches"),
    ],
)
def test_listings_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(NativeError, match=words):
        TARGET.parse(text, RGDB)


def test_unset_nodes_are_not_known() -> None:
    assert TARGET.parse(f"{NAT}pptp=1\n{NAT}ipsec=\n", RGDB).as_dict() == {f"{NAT}pptp": "1"}


def test_a_block_that_works_for_new_tunnels_is_better_than_one_that_may_do_nothing() -> None:
    """``l2tp=0`` drops IKE as well, on some builds; ``ipsec=0`` does on all."""
    ike = decision("ike", Action.BLOCK, flows=FLOWS["ipsec"][:1])
    found = TARGET.settings(intent(ike), EARLY).as_dict()
    assert found == {f"{NAT}ipsec": "0", f"{NAT}l2tp": "1"}
