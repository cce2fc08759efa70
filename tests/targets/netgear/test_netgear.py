"""Netgear: nothing can be set; what the router does by itself is said, and the rest is advised."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network

import pytest

from compiler.errors import NativeError
from compiler.model.effect import Direction, HelperState, Verdict
from compiler.model.intent import Exposure, Intent
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from targets.netgear import TARGET
from targets.netgear.advice import Advice
from tests.model.flows import ORIGIN
from tests.toggles.intents import FLOWS, block, device, let, probe

ROUTER = device("netgear")
DUAL = device("netgear", {"ipv6": True})
HOST = ip_address("192.168.1.9")
SERVER = Intent("r1", exposures=(Exposure("ipsec", HOST, FLOWS["ipsec"], ORIGIN),))


def test_clients_get_out_and_the_helper_is_not_known() -> None:
    for flows in FLOWS.values():
        for flow in flows:
            four, six = TARGET.effects(Advice(), DUAL, [probe(flow, f) for f in Family])
            assert (four.verdict, six.verdict) == (Verdict.PASS, Verdict.UNKNOWN)
            carried = flow.id == "pptp.data"
            assert four.helper is (HelperState.UNKNOWN if carried else HelperState.NOT_NEEDED)


@pytest.mark.parametrize(("wanted", "code"), [(block("ipsec"), "D501"), (let("pptp"), "D504")])
def test_what_differs_is_told(wanted: Intent, code: str) -> None:
    settings = TARGET.settings(wanted, ROUTER)
    assert settings == Advice()
    found = compare(wanted, TARGET.effects(settings, ROUTER, probes(wanted, ROUTER)))
    assert {d.code.name for d in found} == {code}


def test_a_server_inside_needs_port_forwardings_by_hand() -> None:
    settings = TARGET.settings(SERVER, ROUTER)
    assert isinstance(settings, Advice)
    assert [str(f) for f in settings.forwards] == [
        "udp/500 to 192.168.1.9",
        "udp/4500 to 192.168.1.9",
    ]
    effects = TARGET.effects(settings, ROUTER, probes(SERVER, ROUTER))
    assert all(effect.probe.direction is Direction.IN for effect in effects)
    (lost,) = compare(SERVER, effects)
    assert (lost.code.name, lost.flows) == ("D502", ("ipsec.ah", "ipsec.esp"))
    bundle = TARGET.render(settings, ROUTER)
    words = next(f for f in bundle.files if f.path == "advice.txt").content.decode()
    assert "- udp/4500 to 192.168.1.9\n" in words
    assert "4500 (NAT traversal)" in words
    assert TARGET.parse(bundle.native_text, ROUTER) == settings


def test_everybody_may_come_in() -> None:
    only = (ip_network("203.0.113.0/28"),)
    limited = Intent(
        "r1", exposures=(Exposure("ipsec", HOST, FLOWS["ipsec"][:1], ORIGIN, sources=only),)
    )
    notes = [note.message for note in TARGET.notes(limited, ROUTER)]
    assert len(notes) == 2
    assert "everybody may come in" in notes[1]


def test_a_host_behind_ipv6_has_no_advice() -> None:
    six = Exposure("ipsec", ip_address("2001:db8:1::9"), FLOWS["ipsec"], ORIGIN)
    wanted = Intent("r1", exposures=(six,))
    settings = TARGET.settings(wanted, DUAL)
    assert settings == Advice()
    effects = TARGET.effects(settings, DUAL, probes(wanted, DUAL))
    assert {effect.verdict for effect in effects} == {Verdict.UNKNOWN}


GOOD = json.loads(TARGET.render(TARGET.settings(SERVER, ROUTER), ROUTER).native_text)
ROW = GOOD["forwards"][0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wan_ipaddr=1\n",
        "{}",
        json.dumps({**GOOD, "schema": "x"}),
        json.dumps(GOOD)[:-5],
        *(
            json.dumps({**GOOD, "forwards": [row]})
            for row in (
                "x",
                {},
                {**ROW, "protocol": "gre"},
                {**ROW, "first": "500"},
                {**ROW, "last": 70000},
                {**ROW, "to": "2001:db8::1"},
            )
        ),
    ],
)
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        TARGET.parse(text, ROUTER)
    assert {finding.code.name for finding in caught.value.findings} == {"T407"}


def test_observed_and_facts_are_judged() -> None:
    assert TARGET.check(ROUTER) == []
    (finding,) = TARGET.check(device("netgear", observed="x"))
    assert "could be observed" in finding.message
    (finding,) = TARGET.check(device("netgear", {"ipv6": "yes"}))
    assert finding.code.name == "T404"
