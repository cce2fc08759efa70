"""The laws of a target, over random intents, for every family of switches."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.intent import Intent
from compiler.model.judge import compare, probes
from compiler.toggles.family import Family, ToggleSettings
from compiler.toggles.scripted import ScriptedSettings
from compiler.toggles.solve import with_gates
from targets.asuswrt import TARGET as ASUS
from targets.ddwrt import TARGET as DDWRT
from targets.dlink import TARGET as DLINK
from targets.freshtomato import TARGET as TOMATO
from targets.linksys import TARGET as LINKSYS
from targets.tplink import TARGET as TPLINK
from tests.conformance.passthru_conformance import foreign
from tests.toggles.intents import device, intents

JNAP = """{"result":"OK","output":{"isIPv4FirewallEnabled":true, "isIPv6FirewallEnabled":true,
"blockMulticast":false,"blockNATRedirection":false,"blockIDENT":true,\t"blockAnonymousRequests":true,
"blockIPSec" : true,"blockPPTP":false,"blockL2TP":false, "new\\u00e9": {"blockPPTP": 7}}}
"""
LUCI = json.dumps(
    {
        "success": True,
        "data": dict.fromkeys(
            ("ftp", "tftp", "h323", "rtsp", "sip", "pptp", "l2tp", "ipsec"), "on"
        ),
    }
)
CGI = json.dumps(
    {
        "data": {
            **dict.fromkeys(
                ("pptpAlg", "l2tpAlg", "ipSecAlg", "ftpAlg", "tftpAlg", "h323Alg"), "1"
            ),
            "rtspAlg": "0",
            "sipAlg": 0,
            "stack": "0,0,0,0,0,0",
        },
        "operation": "go",
        "oid": "DEV2_ALG_CFG",
        "success": True,
    },
    indent=1,
)
NVRAM = (
    "wan_desc=two\nlines\nfw_pt_pptp=0\nfw_pt_l2tp=1\nfw_pt_ipsec=1\nx=<a>b>\n"
    "size: 60 bytes (65476 left)\n"
)
START = "#!/bin/sh\nlogger hello\n# no newline at the end\nexit 0"
#: Words of which a cut nvram-like text must hold one to be read at all.
KEYS = ("fw_pt_", "nf_pptp", "_pass=", "filter=", "/passthrough/")
MERLIN = device("asuswrt", {"merlin": True, "ipv6": True}, scripts=True)

CASES: list[tuple[Any, Device, str]] = [
    (LINKSYS, device("linksys"), JNAP),
    (LINKSYS, device("linksys", observed=JNAP), JNAP),
    (LINKSYS, device("linksys", {"ipv6": True}), JNAP),
    (TPLINK, device("tplink"), LUCI),
    (TPLINK, device("tplink", {"flavour": "cgi", "kernel": "2.6.36"}), CGI),
    (TPLINK, device("tplink", {"flavour": "cgi"}, observed=CGI), CGI),
    (ASUS, device("asuswrt"), NVRAM),
    (ASUS, device("asuswrt", {"ipv6": True, "kernel": "4.1.27"}, observed=NVRAM), NVRAM),
    (DDWRT, device("ddwrt", {"ipv6": True}), foreign.DDWRT),
    (DDWRT, device("ddwrt", {"ipv6": True}, scripts=True), foreign.DDWRT),
    (TOMATO, device("freshtomato", scripts=True), foreign.TOMATO),
    (DLINK, device("dlink"), foreign.HNAP),
    (DLINK, device("dlink", observed=foreign.HNAP), foreign.HNAP),
    (DLINK, device("dlink", {"flavour": "rgdb"}), foreign.RGDB),
    (DLINK, device("dlink", {"flavour": "xmldb"}), foreign.XMLDB),
    (LINKSYS, device("linksys", {"flavour": "classic"}), foreign.CLASSIC),
    (TPLINK, device("tplink", {"flavour": "omada"}), foreign.OMADA),
    (TPLINK, device("tplink", {"flavour": "omada"}, observed=foreign.OMADA), foreign.OMADA),
    (ASUS, MERLIN, NVRAM),
    (ASUS, MERLIN, f"{NVRAM}@/jffs/scripts/firewall-start\n{START}"),
]


def family_of(target: Any, router: Device) -> Family:
    switches = target.switches(router) if hasattr(target, "switches") else target
    found: Family = switches.family(router)
    return found


def values(found: ToggleSettings | ScriptedSettings) -> dict[str, str | bool]:
    return (found.toggles if isinstance(found, ScriptedSettings) else found).as_dict()


@pytest.mark.parametrize(("target", "router", "native"), CASES)
@given(wanted=intents(), other=intents())
@settings(max_examples=25, deadline=None)
def test_laws(target: Any, router: Device, native: str, wanted: Intent, other: Intent) -> None:
    found = target.settings(wanted, router)
    bundle = target.render(found, router)
    assert target.parse(bundle.native_text, router) == found
    assert target.render(found, router) == bundle
    assert [file.path for file in bundle.files] == sorted(file.path for file in bundle.files)

    # A router's own text: the managed switches change, the other ones stay what they were.
    merged = target.merge(found, native, router)
    before = values(target.parse(native, router))
    after = target.parse(merged, router)
    assert values(after) == {**before, **values(found)}
    assert getattr(after, "rules", ()) == getattr(found, "rules", ())
    assert target.merge(found, merged, router) == merged

    # Our own text is written anew, so nothing of a former policy is left in it.
    former = target.render(target.settings(other, router), router).native_text
    assert target.merge(found, former, router) == bundle.native_text
    assert target.parse(target.merge(found, former, router), router) == found


@pytest.mark.parametrize(("target", "router", "native"), CASES)
@given(wanted=intents())
@settings(max_examples=25, deadline=None)
def test_no_other_value_deviates_less(
    target: Any, router: Device, native: str, wanted: Intent
) -> None:
    found = target.settings(wanted, router)
    asked = probes(wanted, router)

    def errors(choice: Any) -> int:
        deviations = compare(wanted, target.effects(choice, router, asked))
        return sum(len(d.effects) for d in deviations if d.severity.word == "error")

    least = errors(found)
    inner = values(found)
    for key, value in inner.items():
        if key == "filter":
            continue  # a gate, not a choice
        flipped = with_gates(family_of(target, router), {**inner, key: FLIP[value]})
        choice = ToggleSettings.of(flipped)
        if isinstance(found, ScriptedSettings):
            assert errors(ScriptedSettings(choice, found.rules)) >= least
        else:
            assert errors(choice) >= least


FLIP: dict[str | bool, str | bool] = {
    "1": "0",
    "0": "1",
    "on": "off",
    "off": "on",
    "true": "false",
    "false": "true",
    True: False,
    False: True,
}


@pytest.mark.parametrize(("target", "router", "native"), CASES)
def test_foreign_bytes_stay(target: Any, router: Device, native: str) -> None:
    empty = target.settings(Intent("r1"), router)
    assert values(empty) == {}
    assert target.merge(empty, native, router) == native


@pytest.mark.parametrize(("target", "router", "native"), CASES)
@given(cut=st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_a_cut_text_is_refused_or_says_the_same(
    target: Any, router: Device, native: str, cut: int
) -> None:
    text = native[: len(native) * cut // 200]
    if complete(text, native):
        assert values(target.parse(text, router)) == values(target.parse(native, router))
    elif text.endswith("\n") and any(key in text for key in KEYS):
        read = values(target.parse(text, router))  # whole lines; those that are missing, no matter
        assert read.items() <= values(target.parse(native, router)).items()
    else:
        with pytest.raises(NativeError) as caught:
            target.parse(text, router)
        assert [finding.code.name for finding in caught.value.findings] == ["T407"]


def complete(text: str, native: str) -> bool:
    mark = re.search(r"^@.*\n", native, re.MULTILINE)
    if mark:
        return mark[0] in text
    return text.rstrip() == native.rstrip() and (text.endswith("\n") or native.rstrip()[-1] in "}>")


@pytest.mark.parametrize(("target", "router", "native"), CASES)
@given(text=st.text(max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_text_is_read_or_refused(target: Any, router: Device, native: str, text: str) -> None:
    with pytest.raises(NativeError):
        target.parse(text, router)
