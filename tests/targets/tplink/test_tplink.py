"""TP-Link: the ALG page behind two kinds of firmware."""

from __future__ import annotations

import json

import pytest

from compiler.errors import NativeError
from compiler.model.effect import HelperState, Verdict
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from compiler.toggles.family import ToggleSettings
from targets.tplink import TARGET
from tests.toggles.intents import FLOWS, block, device, let, probe

LUCI = device("tplink", {"ipv6": True})
CGI = device("tplink", {"flavour": "cgi", "ipv6": True, "kernel": "2.6.36"})
PASS, DROP, UNKNOWN = Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN
LUCI_DATA = dict.fromkeys(("ftp", "tftp", "h323", "rtsp", "sip", "pptp", "l2tp", "ipsec"), "on")
LUCI_ANSWER = json.dumps({"success": True, "data": LUCI_DATA})
CGI_DATA = dict.fromkeys(
    ("pptpAlg", "l2tpAlg", "ipSecAlg", "ftpAlg", "tftpAlg", "h323Alg", "rtspAlg", "sipAlg"), "1"
)
CGI_ANSWER = json.dumps(
    {"data": CGI_DATA, "operation": "go", "oid": "DEV2_ALG_CFG", "success": True}
)

Effects = dict[str, tuple[Verdict, Verdict]]
#: (flavour, key, value): the documented effect on each flow it names, IPv4 and IPv6.
TABLE: dict[tuple[str, str, str], Effects] = {
    **{("luci", key, "on"): {} for key in ("pptp", "l2tp", "ipsec")},
    **{("cgi", key, "1"): {} for key in ("pptpAlg", "l2tpAlg", "ipSecAlg")},
    ("luci", "pptp", "off"): {flow.id: (UNKNOWN, UNKNOWN) for flow in FLOWS["pptp"]},
    ("luci", "l2tp", "off"): {flow.id: (UNKNOWN, UNKNOWN) for flow in FLOWS["l2tp"]},
    ("luci", "ipsec", "off"): {flow.id: (UNKNOWN, UNKNOWN) for flow in FLOWS["ipsec"]},
    ("cgi", "pptpAlg", "0"): {"pptp.control": (DROP, PASS), "pptp.data": (UNKNOWN, PASS)},
    ("cgi", "l2tpAlg", "0"): {"l2tp.all": (DROP, PASS)},
    ("cgi", "ipSecAlg", "0"): {
        "ipsec.ike": (DROP, PASS),
        "ipsec.natt": (UNKNOWN, PASS),
        "ipsec.esp": (UNKNOWN, PASS),
        "ipsec.ah": (UNKNOWN, PASS),
    },
}
OPEN = {
    "luci": {"pptp": "on", "l2tp": "on", "ipsec": "on"},
    "cgi": {"pptpAlg": "1", "l2tpAlg": "1", "ipSecAlg": "1"},
}


@pytest.mark.parametrize(("flavour", "key", "value"), TABLE)
def test_every_value_does_what_is_documented(flavour: str, key: str, value: str) -> None:
    router = CGI if flavour == "cgi" else LUCI
    settings = ToggleSettings.of({**OPEN[flavour], key: value})
    for flows in FLOWS.values():
        for flow in flows:
            expected = TABLE[(flavour, key, value)].get(flow.id, (PASS, PASS))
            effects = TARGET.effects(settings, router, [probe(flow, f) for f in Family])
            assert tuple(effect.verdict for effect in effects) == expected, flow.id


def test_the_helper_follows_the_switch_and_the_kernel() -> None:
    wanted = let("pptp")
    for router, state in ((CGI, HelperState.ASSIGNED), (LUCI, HelperState.UNKNOWN)):
        settings = TARGET.settings(wanted, router)
        (effect,) = TARGET.effects(settings, router, [probe(FLOWS["pptp"][1])])
        assert (effect.verdict, effect.helper) == (PASS, state)
    assert (
        compare(wanted, TARGET.effects(TARGET.settings(wanted, CGI), CGI, probes(wanted, CGI)))[:1]
        == ()
    )


def test_a_block_on_luci_firmware_promises_nothing() -> None:
    wanted = block("pptp", "ipsec")
    settings = TARGET.settings(wanted, LUCI)
    assert settings.as_dict() == {"ipsec": "off", "pptp": "off"}
    deviations = compare(wanted, TARGET.effects(settings, LUCI, probes(wanted, LUCI)))
    assert {d.code.name for d in deviations} == {"D504"}
    assert all("no public source" in because for d in deviations for because in d.because)


def test_luci_requests() -> None:
    router = device("tplink", observed=LUCI_ANSWER)
    bundle = TARGET.render(TARGET.settings(block("l2tp"), router), router)
    write = json.loads(bundle.native_text)
    assert write["encoding"] == "form"
    assert write["path"] == "/cgi-bin/luci/;stok={stok}/admin/nat?form=alg"
    assert write["body"] == {"operation": "write", **LUCI_DATA, "l2tp": "off"}
    assert write["complete"] is True
    read = json.loads(next(f for f in bundle.files if f.path == "read.json").content)
    assert read["body"] == {"operation": "read"}


def test_a_form_holds_text_and_no_more() -> None:
    answer = LUCI_ANSWER.replace('"pptp"', '"new": "on", "odd": {"a": 1}, "pptp"')
    router = device("tplink", observed=answer)
    bundle = TARGET.render(TARGET.settings(block("l2tp"), router), router)
    body = json.loads(bundle.native_text)["body"]
    assert body == {"operation": "write", **LUCI_DATA, "l2tp": "off", "new": "on"}


def test_cgi_requests() -> None:
    answer = CGI_ANSWER.replace('"l2tpAlg"', '"stack": "1,0,0,0,0,0", "l2tpAlg"')
    router = device("tplink", {"flavour": "cgi"}, observed=answer)
    bundle = TARGET.render(TARGET.settings(block("l2tp"), router), router)
    write = json.loads(bundle.native_text)
    stack = {"stack": "0,0,0,0,0,0", "pstack": "0,0,0,0,0,0"}
    assert write["body"] == {
        "data": {**stack, **CGI_DATA, "l2tpAlg": "0"},
        "operation": "so",
        "oid": "DEV2_ALG_CFG",
    }
    read = json.loads(next(f for f in bundle.files if f.path == "read.json").content)
    assert read["body"]["operation"] == "go"
    assert read["body"]["data"] == {**stack, **dict.fromkeys(CGI_DATA, "")}


def test_numbers_are_read_where_the_firmware_gives_them() -> None:
    answer = CGI_ANSWER.replace('"l2tpAlg": "1"', '"l2tpAlg": 0')
    assert TARGET.parse(answer, CGI).as_dict()["l2tpAlg"] == "0"
    settings = TARGET.settings(block("l2tp"), CGI)
    assert TARGET.merge(settings, answer, CGI) == answer


@pytest.mark.parametrize(
    ("router", "answer", "words"),
    [
        (LUCI, '{"success":false,"errorcode":"timeout"}', "success false"),
        (LUCI, LUCI_ANSWER.replace('"sip": "on"', '"sip": "ON"'), 'sip is "ON"'),
        (LUCI, LUCI_ANSWER.replace('"pptp": "on"', '"pptp": true'), "pptp is true"),
        (LUCI, LUCI_ANSWER.replace('"sip": "on", ', ""), "missing: sip"),
        (LUCI, CGI_ANSWER, "missing: pptp, l2tp, ipsec"),
        (CGI, LUCI_ANSWER, "missing: pptpAlg"),
        (CGI, CGI_ANSWER.replace('"l2tpAlg": "1"', '"l2tpAlg": true'), "l2tpAlg is true"),
        (CGI, CGI_ANSWER.replace('"l2tpAlg": "1"', '"l2tpAlg": 2'), "l2tpAlg is 2"),
        (CGI, '{"success":true,"data":[{}]}', "no object 'data'"),
    ],
)
def test_answers_that_are_refused(router: object, answer: str, words: str) -> None:
    with pytest.raises(NativeError, match=words):
        TARGET.parse(answer, router)  # type: ignore[arg-type]


def test_documents_of_the_other_flavour_are_refused() -> None:
    text = TARGET.render(TARGET.settings(block("l2tp"), LUCI), LUCI).native_text
    with pytest.raises(NativeError, match="not one of this target"):
        TARGET.parse(text, CGI)


@pytest.mark.parametrize("flavour", ["deco", "", 7, ["luci"]])
def test_other_flavours_are_found(flavour: object) -> None:
    (finding,) = TARGET.check(device("tplink", {"flavour": flavour}))  # type: ignore[dict-item]
    assert finding.code.name == "T404"
    assert "luci or cgi or omada" in finding.hint
