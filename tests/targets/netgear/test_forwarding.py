"""Port forwardings of DNI firmware: what a listing says of ways in."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.model.device import Device, Fact
from compiler.model.effect import Direction, Verdict
from compiler.model.intent import Exposure, Intent
from compiler.model.judge import probes
from compiler.model.protocol import TCP, UDP, Flow
from targets.netgear import TARGET
from targets.netgear.forwarding import ways
from tests.model.flows import ORIGIN
from tests.toggles.intents import FLOWS, device, let

HOST = "192.168.1.9"
FIRST = f"My&harr;VPN UDP 500 500 500 500 {HOST} 0"
SECOND = f"NAT-T TCP/UDP 4500 4510 4500 4510 {HOST} 0"
FACTS: dict[str, Fact] = {"firmware": "voxel", "vpn_passthrough": False, "ipv6": False}
KNOWN = "wan_enable_ipsec=1\nwan_enable_l2tp=1\nwan_enable_pptp=1\n"


def read(*values: str) -> list[str]:
    return [str(way) for way in ways({f"forwarding{n}": v for n, v in enumerate(values, 1)})]


def test_the_words_of_a_value() -> None:
    one, two = ways({"forwarding1": FIRST, "forwarding2": SECOND})
    assert (one.layer4, str(one.outside), one.to) == ((UDP,), "500", ip_address(HOST))
    assert (two.layer4, str(two.outside)) == ((TCP, UDP), "4500-4510")
    assert str(one) == f"forwarding1 (500 to {HOST})"
    (shifted,) = ways({"forwarding1": f"x TCP 1723 1723 11723 11723 {HOST}"})
    assert str(shifted) == f"forwarding1 (1723 to {HOST}:11723)"


@pytest.mark.parametrize(
    ("values", "left"),
    [
        (("", FIRST), 0),  # the list ends at the first key that is unset
        (("short TCP 1 1 1 1", FIRST), 1),  # too few words: skipped
        ((f"x TCP a 1 1 1 {HOST}", FIRST), 0),  # no port: the rest is not looked at
        ((f"x TCP 0 1 1 1 {HOST}", FIRST), 0),
        (("x TCP 1 1 1 1 nowhere", FIRST), 1),
        ((f"x TCP 9 1 1 1 {HOST}", FIRST), 1),  # matches nothing
        ((f"x TCP 70000 70000 1 1 {HOST}", FIRST), 1),
        ((f"\tx \t UDP\t1 1 1 1  {HOST}", FIRST), 2),
        (("x TCP 1 1 1 1 2001:db8::1", FIRST), 1),
    ],
)
def test_values_that_are_none(values: tuple[str, ...], left: int) -> None:
    assert len(read(*values)) == left


@given(st.dictionaries(st.sampled_from(["forwarding1", "forwarding2", "dmz_ipaddr"]), st.text()))
@settings(max_examples=150)
def test_nothing_that_a_key_holds_is_a_traceback(keys: dict[str, str]) -> None:
    ways({**keys, "wan_endis_dmz": "1"})


def verdicts(text: str, wanted: Intent) -> dict[str, Verdict]:
    known = device("netgear", FACTS)
    if "@/opt" not in text:  # `config show`: on stock firmware it tells everything
        known = device("netgear", {**FACTS, "firmware": "stock"})
    found = TARGET.survey(text, known)
    effects = found.effects(probes(wanted, known))
    return {e.probe.flow.id: e.verdict for e in effects if e.probe.direction is Direction.IN}


def exposing(to: str = HOST, flows: tuple[Flow, ...] = FLOWS["ipsec"]) -> Intent:
    return Intent("r1", exposures=(Exposure("ipsec", ip_address(to), flows, ORIGIN),))


def elsewhere() -> Intent:
    return exposing("192.168.1.10")


LISTING = f"{KNOWN}forwarding1={FIRST}\nforwarding2={SECOND}\n@/opt/scripts/firewall-start.sh\n"


@pytest.mark.parametrize(
    "text",
    [
        LISTING,
        LISTING.replace("\n", "\r\n"),
        f"\ufeff{LISTING}",
        f"\nBusyBox v1.4.2 built-in shell (ash)\n\n{LISTING}",
        LISTING.replace("@/opt/scripts/firewall-start.sh\n", "size: 60 bytes (65476 left)\n"),
    ],
)
def test_a_listing_says_who_gets_in(text: str) -> None:
    """1. to the host; 2. not to another; 3. ESP and AH have no ports."""
    found = verdicts(text, exposing())
    assert found == {
        "ipsec.ike": Verdict.PASS,
        "ipsec.natt": Verdict.PASS,
        "ipsec.esp": Verdict.DROP,
        "ipsec.ah": Verdict.DROP,
    }
    assert set(verdicts(text, exposing("192.168.1.10")).values()) == {Verdict.DROP}


def test_a_dmz_host_gets_what_no_forwarding_takes() -> None:
    text = f"{LISTING.partition('@')[0]}wan_endis_dmz=1\ndmz_ipaddr=192.168.1.10\n"
    assert set(verdicts(text, exposing()).values()) == {Verdict.PASS, Verdict.DROP}
    dmz = verdicts(text, exposing("192.168.1.10"))
    assert dmz["ipsec.ike"] is Verdict.DROP  # forwarding1 takes it
    assert dmz["ipsec.esp"] is Verdict.PASS
    off = text.replace("wan_endis_dmz=1", "wan_endis_dmz=0")
    assert set(verdicts(off, exposing("192.168.1.10")).values()) == {Verdict.DROP}


def outbound(text: str, router: Device | None) -> set[Verdict]:
    found = TARGET.survey(text, router)
    asked = probes(let("wireguard"), found.device)
    return {effect.verdict for effect in found.effects(asked)}


def test_a_listing_without_the_script_leaves_it_open_what_the_script_does() -> None:
    whole = f"{KNOWN}GUI_Region=English\nsize: 60 bytes (65476 left)\n"
    assert outbound(whole, device("netgear", FACTS)) == {Verdict.UNKNOWN}
    assert outbound(whole, None) == {Verdict.UNKNOWN}
    stock = {**FACTS, "firmware": "stock"}
    assert outbound(whole, device("netgear", stock)) == {Verdict.PASS}
    read_step = f"{KNOWN}@/opt/scripts/firewall-start.sh\n"
    assert outbound(read_step, device("netgear", FACTS)) == {Verdict.PASS}
    foreign = f"{read_step}#!/bin/sh\niptables -I FORWARD -p udp -j DROP\n"
    assert outbound(foreign, device("netgear", FACTS)) == {Verdict.UNKNOWN}


def test_every_way_in_is_told() -> None:
    found = TARGET.survey(LISTING, device("netgear", FACTS))
    told = [f.message for f in found.findings if f.code.name == "A805"]
    assert told == [
        f"the router lets everybody in by forwarding1 (500 to {HOST})",
        f"the router lets everybody in by forwarding2 (4500-4510 to {HOST})",
    ]


def test_an_observed_listing_tells_the_effects_of_ways_in() -> None:
    router = device("netgear", FACTS, observed=LISTING)
    assert TARGET.check(router) == []
    effects = TARGET.effects(
        TARGET.settings(exposing(), router), router, probes(exposing(), router)
    )
    assert {e.probe.flow.id for e in effects if e.verdict is Verdict.PASS} == {
        "ipsec.ike",
        "ipsec.natt",
    }
    because = {e.probe.flow.id: e.because for e in effects if e.probe.direction is Direction.IN}
    assert because["ipsec.ike"] == f"forwarding1 (500 to {HOST})"
    assert "DMZ host" in because["ipsec.esp"]
    closed = TARGET.effects(
        TARGET.settings(elsewhere(), router), router, probes(elsewhere(), router)
    )
    assert any("enter one on the router's page" in e.because for e in closed)
