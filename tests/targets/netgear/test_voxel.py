"""Voxel's builds: what each key and the script do, and what stays unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import NativeError, PassthruError
from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.effect import HelperState, Verdict
from compiler.model.intent import Action, Intent, Limits
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from compiler.model.step import StepName
from compiler.toggles.script import BEGIN, END
from compiler.toggles.scripted import ScriptedSettings
from targets.netgear import TARGET
from targets.netgear.advice import Advice
from targets.netgear.family import START
from targets.netgear.models import firmware_rules
from tests.toggles.intents import FLOWS, block, decision, device, intent, let, probe

FACTS: dict[str, Fact] = {"firmware": "voxel", "kernel": "3.4.103", "vpn_passthrough": True}
KEYS = device("netgear", FACTS)
SCRIPT = device("netgear", FACTS, scripts=True)
DROPS = {
    "wan_enable_ipsec": {"ipsec.ike"},
    "wan_enable_l2tp": {"l2tp.all"},
    "wan_enable_pptp": {"pptp.control"},
}
VERDICTS: dict[Fact | None, Verdict] = {
    True: Verdict.DROP,
    False: Verdict.PASS,
    None: Verdict.UNKNOWN,
}


def solved(wanted: Intent, router: Device) -> ScriptedSettings:
    """Solve for Voxel's firmware."""
    found = TARGET.settings(wanted, router)
    assert isinstance(found, ScriptedSettings)
    return found


def read(text: str, router: Device) -> ScriptedSettings:
    """Parse what Voxel's firmware prints."""
    found = TARGET.parse(text, router)
    assert isinstance(found, ScriptedSettings)
    return found


def inner(router: Device) -> Device:
    """Give the router with its main LAN alone."""
    return replace(router, zones=tuple(zone for zone in router.zones if zone.name != "guest"))


@pytest.mark.parametrize("key", DROPS)
@pytest.mark.parametrize("heeds", VERDICTS)
@pytest.mark.parametrize("text", ["0", "1", "", "00", "off"])
def test_only_the_text_0_drops_and_only_where_it_is_heeded(
    key: str, heeds: Fact | None, text: str
) -> None:
    facts = {k: v for k, v in {**FACTS, "vpn_passthrough": heeds}.items() if v is not None}
    router = device("netgear", facts)
    listing = "".join(f"{each}={text if each == key else '1'}\n" for each in DROPS)
    found = read(listing, router)
    for flows in FLOWS.values():
        for flow in flows:
            four, six = TARGET.effects(found, router, [probe(flow, f) for f in Family])
            dropped = text == "0" and flow.id in DROPS[key]
            assert four.verdict is (VERDICTS[heeds] if dropped else Verdict.PASS), flow.id
            assert six.verdict is Verdict.UNKNOWN
            assert not four.cuts_running


@pytest.mark.parametrize(
    ("kernel", "state"),
    [("3.4.103", HelperState.ASSIGNED), ("5.4.1", HelperState.UNKNOWN)],
)
def test_the_helper_is_loaded_and_the_kernel_decides(kernel: str, state: HelperState) -> None:
    router = device("netgear", {**FACTS, "kernel": kernel})
    (effect,) = TARGET.effects(solved(let("pptp"), router), router, [DATA])
    assert effect.helper is state


DATA = probe(FLOWS["pptp"][1])


def told(wanted: Intent, router: Device) -> dict[str, set[str]]:
    effects = TARGET.effects(solved(wanted, router), router, probes(wanted, router))
    found: dict[str, set[str]] = {}
    for deviation in compare(wanted, effects):
        found.setdefault(deviation.code.name, set()).update(deviation.flows)
    return found


def test_the_keys_leave_what_they_do_not_name() -> None:
    rest = {"ipsec.natt", "ipsec.esp", "ipsec.ah"}
    assert told(block("ipsec"), inner(KEYS)) == {"D501": rest, "D505": {"ipsec.ike"}}
    assert told(block("wireguard"), inner(KEYS)) == {"D501": {"wireguard.all"}}


def test_the_script_blocks_everything_of_ipv4_but_running_tunnels() -> None:
    wanted = block("pptp", "l2tp", "ipsec", "wireguard")
    assert set(told(wanted, inner(SCRIPT))) == {"D505"}
    six = replace(inner(SCRIPT), facts={**SCRIPT.facts, "ipv6": True})
    assert set(told(wanted, six)) == {"D504", "D505"}
    assert all(r.family is Family.IPV4 for r in solved(wanted, six).rules)


def test_the_wan_is_a_bridge_too_so_no_pattern_names_the_lan() -> None:
    text = START.script(solved(block("wireguard"), SCRIPT).rules)
    assert "br+" not in text
    assert "-i br0 ! -o br0 -j PASSTHRU" in text
    assert "ip6tables" not in text


@pytest.mark.parametrize("router", [KEYS, SCRIPT])
def test_a_second_lan_is_not_known_to_be_reached(router: Device) -> None:
    wanted = block("l2tp")
    effects = TARGET.effects(solved(wanted, router), router, probes(wanted, router))
    assert {e.probe.source: e.verdict for e in effects} == {
        "lan": Verdict.DROP,
        "guest": Verdict.UNKNOWN,
    }
    passed = TARGET.effects(solved(let("l2tp"), router), router, probes(wanted, router))
    assert {e.verdict for e in passed} == {Verdict.PASS}


@pytest.mark.parametrize(("router", "second"), [(KEYS, Verdict.UNKNOWN), (SCRIPT, Verdict.DROP)])
def test_a_second_wan_is_reached_by_the_script_alone(router: Device, second: Verdict) -> None:
    two = replace(inner(router), zones=(*inner(router).zones, Zone("wan2", Role.WAN, ("ppp1",))))
    wanted = block("l2tp")
    effects = TARGET.effects(solved(wanted, two), two, probes(wanted, two))
    assert {e.probe.destination: e.verdict for e in effects} == {
        "wan": Verdict.DROP,
        "wan2": second,
    }


def test_rules_never_take_what_passes_or_lies_outside_limits() -> None:
    both = intent(
        decision("ipsec", Action.PASS),
        decision("mine", Action.BLOCK, flows=(FLOWS["ipsec"][0], FLOWS["wireguard"][0])),
    )
    rules = solved(both, SCRIPT).rules
    assert [str(rule) for rule in rules] == ["iptables udp/51820"]
    for limits in (Limits(zones=("lan",)), Limits(families=frozenset({Family.IPV6}))):
        limited = intent(decision("wireguard", Action.BLOCK, limits))
        assert solved(limited, SCRIPT).rules == ()


def test_stock_firmware_stays_advice() -> None:
    for facts in ({}, {"firmware": "stock"}):
        router = device("netgear", facts)
        assert TARGET.check(router) == []
        assert TARGET.settings(block("ipsec"), router) == Advice()
    (finding,) = TARGET.check(device("netgear", {"firmware": "ddwrt"}))
    assert (finding.code.name, "'stock' or 'voxel'" in finding.message) == ("T404", True)


def test_a_whole_listing_without_the_keys_is_the_factory_state() -> None:
    """A router whose owner never touched the switches has no such keys."""
    whole = "GUI_Region=English\nwan_ifname=brwan\nsize: 60 bytes (65476 left)\n"
    assert read(whole, KEYS).toggles.as_dict() == dict.fromkeys(DROPS, "1")
    part = whole.partition("size")[0]
    assert read(part, KEYS).toggles.as_dict() == {}
    with pytest.raises(NativeError, match="none of the keys"):
        read("fw_pt_pptp=1\n", KEYS)


@pytest.mark.parametrize("text", ["", "\n", "wan_enable_pptp=0", "wan_enable_pptp=\x00\n"])
def test_what_is_cut_off_or_no_text_is_refused(text: str) -> None:
    with pytest.raises(NativeError):
        read(text, KEYS)
    with pytest.raises(NativeError):
        TARGET.survey(text, KEYS)


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x00\x1b"), max_size=30)
FOREIGN = st.lists(LINE.filter(lambda line: line not in (BEGIN, END, START.mark)), max_size=6)
CHOICES = st.sets(st.sampled_from(sorted(FLOWS)), min_size=1)


@given(FOREIGN, CHOICES, CHOICES)
@settings(max_examples=80, deadline=None)
def test_a_users_script_stays_byte_for_byte(
    foreign: list[str], one: set[str], two: set[str]
) -> None:
    theirs = "\n".join(["#!/bin/sh", *foreign, ""])
    listing = f"{''.join(f'{key}=1{chr(10)}' for key in DROPS)}{START.mark}\n{theirs}"
    merged = listing
    for names in (one, two):
        wanted = solved(block(*names), SCRIPT)
        merged = TARGET.merge(wanted, merged, SCRIPT)
        assert read(merged, SCRIPT).rules == wanted.rules
        assert TARGET.merge(wanted, merged, SCRIPT) == merged
    nothing = solved(let(*two), SCRIPT)
    text = TARGET.merge(nothing, merged, SCRIPT)
    assert text.partition(f"{START.mark}\n")[2] == theirs


def test_what_the_read_step_prints_is_read_back_through_a_terminal() -> None:
    wanted = solved(block("pptp"), SCRIPT)
    native = TARGET.render(wanted, SCRIPT).native_text
    assert read(native.replace("\n", "\r\n"), SCRIPT) == wanted
    assert read(native.replace("# passthru", "\nBusyBox v1.4.2\n\n# x"), SCRIPT) == wanted


def test_the_model_is_ipv4_alone() -> None:
    router = replace(inner(KEYS), facts={**FACTS, "ipv6": False})
    found = solved(block("ipsec"), router)
    assert "-p udp -m udp --dport 500 -j DROP" in firmware_rules(found, router)
    assert "DROP" not in firmware_rules(found, router, Family.IPV6).replace(":FORWARD DROP", "")
    unheeded = replace(router, facts={**router.facts, "vpn_passthrough": False})
    assert "--dport" not in firmware_rules(found, unheeded)
    assert "--dport 500" in TARGET.data_path(found, router).iptables
    ruled = replace(router, options={"scripts": True})
    rules = TARGET.data_path(solved(block("wireguard"), ruled), ruled).iptables
    assert rules.index("ESTABLISHED -j ACCEPT") < rules.index("-j PASSTHRU")
    assert rules.count("ESTABLISHED") == 1
    for unread in (KEYS, device("netgear")):
        with pytest.raises(PassthruError):
            TARGET.data_path(TARGET.settings(block("ipsec"), unread), unread)


def test_the_check_is_about_the_script_only_where_it_is_used() -> None:
    def check(router: Device) -> str:
        step = TARGET.procedure(solved(block("l2tp"), router), router).step(StepName.CHECK)
        return step.script if step else ""

    assert "firewall-start.sh" in check(SCRIPT)
    assert "firewall-start.sh" not in check(KEYS)
