"""ASUS: what each key does at each value, and what the rules add."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.errors import NativeError
from compiler.model.device import Device, Role, Zone
from compiler.model.effect import HelperState, Verdict
from compiler.model.intent import Action, Limits
from compiler.model.judge import compare, probes
from compiler.model.protocol import ByteMatch, Family, Signature
from compiler.toggles.family import ToggleSettings
from compiler.toggles.scripted import ScriptedSettings
from targets.asuswrt import TARGET
from targets.asuswrt.models import firmware_rules
from tests.toggles.intents import FLOWS, block, decision, device, intent, let, probe

ROUTER = device("asuswrt", {"ipv6": True, "kernel": "4.1.27", "sdn": True})
MERLIN = device("asuswrt", {"ipv6": True, "merlin": True, "sdn": True}, scripts=True)
OPEN = {"fw_pt_pptp": "1", "fw_pt_l2tp": "1", "fw_pt_ipsec": "1", "nf_pptp": "1"}

#: key: the flows that its "0" drops, in IPv4 only.
DROPS = {
    "fw_pt_pptp": {"pptp.control", "pptp.data"},
    "fw_pt_l2tp": {"l2tp.all"},
    "fw_pt_ipsec": {"ipsec.ike", "ipsec.natt", "ipsec.esp", "ipsec.ah"},
    "nf_pptp": set[str](),
}
#: What a router may hold: only the text 0 blocks or unloads.
TEXTS = {"0": "0", "1": "1", "": "1", "2": "1", "00": "1", " 0": "1", "off": "1", "0 ": "1"}


@pytest.mark.parametrize("key", DROPS)
@pytest.mark.parametrize("text", [*TEXTS, None])
def test_every_value_does_what_is_documented(key: str, text: str | None) -> None:
    listing = {**OPEN, key: text}
    native = "".join(f"{k}={v}\n" for k, v in listing.items() if v is not None)
    settings = TARGET.parse(f"{native}size: 60 bytes (65476 left)\n", ROUTER)
    blocks = text == "0"
    for flows in FLOWS.values():
        for flow in flows:
            four, six = TARGET.effects(settings, ROUTER, [probe(flow, f) for f in Family])
            dropped = blocks and flow.id in DROPS[key]
            assert four.verdict is (Verdict.DROP if dropped else Verdict.PASS), flow.id
            assert six.verdict is Verdict.PASS
            assert not four.cuts_running
            if flow.id == "pptp.data":
                unloaded = blocks and key == "nf_pptp"
                state = HelperState.ABSENT if unloaded else HelperState.ASSIGNED
                assert four.helper is state
            else:
                assert four.helper is HelperState.NOT_NEEDED


def codes(wanted: object, router: object) -> set[tuple[str, tuple[str, ...]]]:
    settings = TARGET.settings(wanted, router)  # type: ignore[arg-type]
    asked = probes(wanted, router)  # type: ignore[arg-type]
    effects = TARGET.effects(settings, router, asked)  # type: ignore[arg-type]
    found = compare(wanted, effects)  # type: ignore[arg-type]
    return {(deviation.code.name, deviation.families) for deviation in found}


def test_pptp_passes_only_with_its_helper() -> None:
    settings = TARGET.settings(let("pptp"), ROUTER)
    assert settings.toggles.as_dict() == {"fw_pt_pptp": "1", "nf_pptp": "1"}
    assert codes(let("pptp"), ROUTER) == set()
    unstated = replace(ROUTER, facts={"ipv6": True})
    assert codes(let("pptp"), unstated) == {("D504", ("ipv4",))}


def test_a_block_leaves_the_helper_alone() -> None:
    settings = TARGET.settings(block("pptp"), ROUTER)
    assert settings.toggles.as_dict() == {"fw_pt_pptp": "0"}


def test_switches_do_not_reach_ipv6_nor_running_tunnels() -> None:
    assert codes(block("ipsec"), ROUTER) == {("D501", ("ipv6",)), ("D505", ("ipv4",))}
    assert codes(block("wireguard"), ROUTER) == {("D501", ("ipv4", "ipv6"))}


def test_rules_reach_what_switches_leave() -> None:
    assert codes(block("pptp", "l2tp", "ipsec", "wireguard"), MERLIN) == set()
    settings = TARGET.settings(block("wireguard"), MERLIN)
    assert settings.toggles == ToggleSettings()
    assert [str(rule) for rule in settings.rules] == ["iptables udp/51820", "ip6tables udp/51820"]


def test_rules_never_take_what_passes_or_lies_outside_limits() -> None:
    both = intent(
        decision("ipsec", Action.PASS),
        decision("mine", Action.BLOCK, flows=(FLOWS["ipsec"][0], FLOWS["wireguard"][0])),
    )
    rules = TARGET.settings(both, MERLIN).rules
    assert {rule.ports.first for rule in rules if rule.ports} == {51820}
    limited = intent(decision("wireguard", Action.BLOCK, Limits(zones=("lan",))))
    assert TARGET.settings(limited, MERLIN).rules == ()
    six = intent(decision("wireguard", Action.BLOCK, Limits(families=frozenset({Family.IPV6}))))
    assert [str(rule) for rule in TARGET.settings(six, MERLIN).rules] == ["ip6tables udp/51820"]


def test_a_flow_known_by_its_signature_gets_no_rule() -> None:
    signature = Signature((ByteMatch(17, b"\x10", b"\xf0"),))
    ikev1 = tuple(replace(flow, signature=signature) for flow in FLOWS["ipsec"][:1])
    wanted = intent(decision("ikev1", Action.BLOCK, flows=ikev1))
    assert TARGET.settings(wanted, MERLIN).rules == ()
    notes = [note.message for note in TARGET.notes(wanted, MERLIN)]
    assert any("fw_pt_ipsec=0 also drops udp/500" in note for note in notes)
    # Both versions blocked: nothing is left on the port.
    other = replace(signature, matches=(ByteMatch(17, b"\x20", b"\xf0"),))
    ikev2 = tuple(replace(flow, id="ikev2.ike", signature=other) for flow in ikev1)
    both = intent(*wanted.decisions, decision("ikev2", Action.BLOCK, flows=ikev2))
    rules = [str(rule) for rule in TARGET.settings(both, MERLIN).rules]
    assert rules == ["iptables udp/500", "ip6tables udp/500"]
    (note,) = TARGET.notes(both, MERLIN)
    assert "fw_pt_ipsec=0 also drops udp/4500, esp, ah of other protocols" in note.message


def test_scripts_need_merlin_and_permission() -> None:
    stock = device("asuswrt", {"ipv6": True}, scripts=True)
    (finding,) = TARGET.check(stock)
    assert (finding.code.name, "stock firmware" in finding.message) == ("T404", True)
    assert TARGET.settings(block("ipsec"), stock).rules == ()
    (finding,) = TARGET.check(device("asuswrt", {"merlin": True}, scripts="yes"))
    assert finding.code.name == "T404"
    (finding,) = TARGET.check(device("asuswrt", {"merlin": "yes"}))
    assert "true or false" in finding.message
    assert TARGET.settings(block("ipsec"), replace(MERLIN, options={})).rules == ()
    assert TARGET.check(MERLIN) == []


def test_rules_count_only_where_scripts_run() -> None:
    settings = TARGET.settings(block("wireguard"), MERLIN)
    native = "fw_pt_pptp=1\njffs2_scripts=1\n"
    merged = TARGET.merge(settings, native, MERLIN)
    assert TARGET.parse(merged, MERLIN).rules == settings.rules
    off = merged.replace("jffs2_scripts=1", "jffs2_scripts=0")
    assert TARGET.parse(off, MERLIN).rules == ()
    with pytest.raises(NativeError, match="does not hold jffs2_scripts"):
        TARGET.parse(merged.replace("jffs2_scripts=1\n", ""), MERLIN)


def test_router_mode_is_noted_where_it_is_known() -> None:
    bridge = device("asuswrt", {"sw_mode": 3})
    assert any("sw_mode=3" in note.message for note in TARGET.notes(block("pptp"), bridge))
    assert TARGET.notes(block("pptp"), device("asuswrt", {"sw_mode": 1})) == []


def test_an_observed_listing_speaks_for_unmanaged_switches() -> None:
    text = "fw_pt_l2tp=0\njffs2_scripts=0\n@/jffs/scripts/firewall-start\n#!/bin/sh\n"
    router = device("asuswrt", {"merlin": True}, observed=text)
    assert TARGET.check(router) == []
    (effect,) = TARGET.effects(ScriptedSettings(), router, [probe(FLOWS["l2tp"][0])])
    assert (effect.verdict, effect.because) == (Verdict.DROP, "fw_pt_l2tp=0")
    (effect,) = TARGET.effects(ScriptedSettings(), MERLIN, [probe(FLOWS["l2tp"][0])])
    assert effect.verdict is Verdict.UNKNOWN


def test_options_name_what_is_read() -> None:
    assert {"observed", "scripts", "facts.merlin", "facts.kernel"} <= TARGET.options().keys()


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [({"sdn": True}, Verdict.DROP), ({"sdn": False}, Verdict.PASS), ({}, Verdict.UNKNOWN)],
)
def test_guest_bridges_are_reached_by_sdn_firmware(
    facts: dict[str, bool], verdict: Verdict
) -> None:
    router = device("asuswrt", {**facts})
    settings = TARGET.settings(block("l2tp"), router)
    asked = probes(block("l2tp"), router)
    found = {e.probe.source: e.verdict for e in TARGET.effects(settings, router, asked)}
    assert found == {"lan": Verdict.DROP, "guest": verdict}


def test_another_store_is_refused() -> None:
    assert TARGET.check(device("asuswrt", {"store": "nvram"})) == []
    (finding,) = TARGET.check(device("asuswrt", {"store": "tclinux"}))
    assert (finding.code.name, "TCLinux" in finding.hint) == ("T404", True)


def two_wans(**facts: str | bool) -> Device:
    second = Zone("wan2", Role.WAN, ("usb0",))
    router = device("asuswrt", {"merlin": True, "sdn": True, **facts})
    return replace(router, zones=(*router.zones, second))


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [
        ({"wans_mode": "lb"}, Verdict.DROP),
        ({"wans_mode": "fo"}, Verdict.UNKNOWN),
        ({"wans_mode": "fb"}, Verdict.UNKNOWN),
        ({}, Verdict.UNKNOWN),
    ],
)
def test_the_second_wan_is_reached_in_load_balance(mode: dict[str, str], verdict: Verdict) -> None:
    router = two_wans(**mode)
    settings = TARGET.settings(block("l2tp"), router)
    effects = TARGET.effects(settings, router, probes(block("l2tp"), router))
    assert {e.probe.destination: e.verdict for e in effects} == {
        "wan": Verdict.DROP,
        "wan2": verdict,
    }
    drops = firmware_rules(settings, router).count("-o usb0 -p udp -m udp --dport 1701 -j DROP")
    assert drops == (2 if verdict is Verdict.DROP else 0)  # once for each bridge
    # A pass is a pass everywhere, whatever the mode.
    passed = TARGET.settings(let("l2tp"), router)
    found = TARGET.effects(passed, router, probes(let("l2tp"), router))
    assert {e.verdict for e in found} == {Verdict.PASS}


def test_rules_of_firewall_start_hold_for_every_wan() -> None:
    router = replace(two_wans(), options={"scripts": True})
    assert codes(block("wireguard"), router) == set()
    assert codes(block("l2tp"), router) == set()
    assert codes(block("l2tp"), two_wans()) == {
        ("D504", ("ipv4",)),
        ("D505", ("ipv4",)),
    }


def test_the_mode_of_two_wans_is_checked() -> None:
    (finding,) = TARGET.check(two_wans(wans_mode="balance"))
    assert (finding.code.name, "'lb' or 'fo' or 'fb'" in finding.message) == ("T404", True)


@pytest.mark.parametrize("line", [" fw_pt_pptp=0", "admin@rt:/# fw_pt_pptp=0", "x\bfw_pt_pptp=0"])
def test_a_key_in_an_unclear_line_is_not_unset(line: str) -> None:
    with pytest.raises(NativeError, match="does not begin with a key"):
        TARGET.parse(f"{line}\nfw_pt_l2tp=0\nsize: 60 bytes (65476 left)\n", ROUTER)


def test_what_grep_leaves_is_not_whole() -> None:
    """The size line belongs to standard error, so it stands below a filtered listing too."""
    text = "fw_pt_ipsec=0\nsize: 65214 bytes (65858 left)\n"
    assert TARGET.parse(text, ROUTER).toggles.as_dict() == {"fw_pt_ipsec": "0"}
    assert TARGET.merge(TARGET.settings(block("pptp"), ROUTER), text, ROUTER) == (
        "fw_pt_ipsec=0\nfw_pt_pptp=0\nsize: 65214 bytes (65858 left)\n"
    )
