"""From intents to sections: hand-made expectations, and what must be refused."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import TargetError
from compiler.model.device import Device, Role, Zone
from compiler.model.finding import Code, Severity
from compiler.model.intent import Action, Decision, Intent, Limits, Log
from compiler.model.protocol import UDP, Helper, Signature
from compiler.model.target import Target
from targets.openwrt import TARGET
from targets.openwrt.settings import Settings, section_name, title
from tests.model.flows import ORIGIN, V4, flow
from tests.targets.openwrt.support import (
    FLOWS,
    GUEST,
    LAN,
    MODULES,
    WAN,
    decision,
    device,
    exposure,
    intent,
)

GOLDEN = Path(__file__).with_name("golden")
ONE_LAN = device(zones=(LAN, WAN))


def test_is_a_target() -> None:
    target: Target[Settings] = TARGET
    assert target.name == "openwrt"
    assert set(target.options()) >= {"facts.release", "facts.modules"}


def native(wanted: Intent, router: Device) -> str:
    return TARGET.render(TARGET.settings(wanted, router), router).native_text


def titles(wanted: Intent, router: Device) -> list[str]:
    found = TARGET.settings(wanted, router).sections
    return [section.text("name").removeprefix("passthru ") for section in found]


# Worked out by hand:
# - limited-pptp: PPTP only from lan to two gateways (one inside the other's network), logged. The
#   helper needs no rule of ours: fw4 assigns it, the note says where that is relied on. guest
#   gets the DROP only, lan the DROP after its ACCEPT. The IPv6 destination opens nothing, PPTP is
#   IPv4 only.
# - exposures: DNAT per source and port range for IPv4, an ACCEPT rule for IPv6, and the helper set
#   on the WAN side, where a masquerading zone never gets it by itself.
CASES = {
    "limited-pptp": (
        intent(
            decision(
                "pptp",
                Action.PASS,
                Limits(
                    zones=("lan",),
                    destinations=(
                        ip_network("203.0.113.8/29"),
                        ip_network("203.0.113.0/28"),
                        ip_network("2001:db8::/32"),
                    ),
                ),
                log=Log("10/minute"),
            )
        ),
        device(),
    ),
    "exposures": (
        intent(
            exposure("pptp", "192.168.1.21"),
            exposure(
                "wireguard",
                "192.168.1.20",
                ip_network("203.0.113.0/24"),
                ip_network("2001:db8::/32"),
                flows=(flow("wireguard.tunnel", UDP, 51820, (51900, 51910)),),
            ),
            exposure("ipsec", "fd00:1::20"),
        ),
        device(modules=MODULES),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    wanted, router = CASES[case]
    assert native(wanted, router) == (GOLDEN / f"{case}.uci").read_text()


def test_block_is_one_rule_for_both_families() -> None:
    assert titles(intent(decision("ipsec", Action.BLOCK)), ONE_LAN) == [
        "ipsec ike block lan to wan any",
        "ipsec nat-t block lan to wan any",
        "ipsec esp block lan to wan any",
    ]


def test_every_pair_of_zones_gets_its_own_rule() -> None:
    wan6 = Zone("wan6", Role.WAN, ("eth2",))
    router = device(zones=(LAN, GUEST, WAN, wan6))
    assert titles(intent(decision("l2tp", Action.BLOCK)), router) == [
        f"l2tp tunnel block {source} to {to} any"
        for source in ("lan", "guest")
        for to in ("wan", "wan6")
    ]


def test_passes_stand_before_blocks_and_a_dead_rule_is_left_out() -> None:
    """IKEv1 and IKEv2 on udp/500 are one flow to a rule: the pass wins."""
    wanted = intent(
        Decision("ikev1", Action.BLOCK, (flow("ikev1.ike", UDP, 500),), ORIGIN),
        Decision("ikev2", Action.PASS, (flow("ikev2.ike", UDP, 500),), ORIGIN),
    )
    assert titles(wanted, ONE_LAN) == ["ikev2 ike pass lan to wan any"]


def test_a_limit_of_family_blocks_the_other_one_only() -> None:
    limited = decision("l2tp", Action.PASS, Limits(families=V4))
    assert titles(intent(limited), ONE_LAN) == [
        "l2tp tunnel pass lan to wan ipv4",
        "l2tp tunnel block lan to wan ipv6",
    ]


def test_otherwise_keep_blocks_nothing() -> None:
    limited = decision("l2tp", Action.PASS, Limits(zones=("lan",)), otherwise=Action.KEEP)
    assert titles(intent(limited), device()) == ["l2tp tunnel pass lan to wan any"]


def test_ports_are_sorted_and_never_overlap() -> None:
    (rule,) = TARGET.settings(intent(decision("wireguard", Action.BLOCK)), ONE_LAN).sections
    assert rule.get("dest_port") == ("51820-51830", "51900")


def test_keep_leaves_no_trace() -> None:
    wanted = intent(decision("pptp", Action.KEEP), decision("l2tp", Action.KEEP))
    assert TARGET.settings(wanted, device(modules=[])).sections == ()


@pytest.mark.parametrize(
    ("release", "manager", "command"),
    [
        ("19.07.10", None, "opkg update && opkg install kmod-nf-nathelper-extra"),
        ("24.10", None, "opkg update && opkg install kmod-nf-nathelper-extra"),
        ("25.12.0-rc1", None, "apk update && apk add kmod-nf-nathelper-extra"),
        ("SNAPSHOT", None, "apk update && apk add kmod-nf-nathelper-pptp"),
        ("24.10", "apk", "apk update && apk add kmod-nf-nathelper-extra"),
    ],
)
def test_missing_helper_names_the_command(release: str, manager: str | None, command: str) -> None:
    router = device(release, modules=["nf_conntrack"], package_manager=manager)
    with pytest.raises(TargetError) as caught:
        TARGET.settings(intent(decision("pptp", Action.PASS)), router)
    (finding,) = caught.value.findings
    assert finding.code is Code.T405
    assert command in finding.hint
    assert finding.place == ORIGIN.place


@pytest.mark.parametrize("module", MODULES)
def test_either_half_of_the_helper_may_be_missing(module: str) -> None:
    """One module tracks the control connection, the other translates call IDs."""
    with pytest.raises(TargetError) as caught:
        TARGET.settings(intent(decision("pptp", Action.PASS)), device(modules=[module]))
    (finding,) = caught.value.findings
    (other,) = set(map(str, MODULES)) - {module}
    assert finding.code is Code.T405
    assert other in finding.message
    assert module not in finding.message
    assert "kmod-nf-nathelper-extra" in finding.hint


def test_all_problems_at_once() -> None:
    """An exposed PPTP server needs a module that somebody has seen, and a known zone."""
    wanted = intent(
        decision("l2tp", Action.BLOCK, flows=(flow("l2tp.sctp", 132, 1701),)),
        exposure("pptp", "10.0.0.1"),
    )
    with pytest.raises(TargetError) as caught:
        TARGET.settings(wanted, device())
    assert sorted(f.code.name for f in caught.value.findings) == ["T404", "T405", "T406"]


def test_unknown_helper_is_refused() -> None:
    other = Decision(
        "vpn", Action.PASS, FLOWS["l2tp"], ORIGIN, helper=Helper("x", UDP, 1, ("nf_x",), V4)
    )
    with pytest.raises(TargetError) as caught:
        TARGET.settings(intent(other), device())
    assert caught.value.findings[0].code is Code.T406


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_section_names_are_valid_and_never_collide(one: list[str], other: list[str]) -> None:
    names = [section_name("x", *one, "y"), section_name("x", *other, "y")]
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)
    assert (names[0] == names[1]) == (one == other)


@settings(max_examples=50)
@given(st.text(max_size=300))
def test_titles_are_short_and_plain(word: str) -> None:
    found = title(word)
    assert len(found.encode()) <= 109
    assert not set(found) & set("'\"\\\n$`;")


@pytest.mark.parametrize(
    ("router", "codes"),
    [
        (device("24.10"), []),
        (device("snapshot"), []),
        (device("24.10", modules=["a"], firewall="fw3", package_manager="apk"), []),
        (device("17.01"), ["T404"]),
        (device("latest"), ["T404"]),
        (Device("r1", "openwrt", (LAN, WAN), {"release": 24.1}), ["T404"]),
        (Device("r1", "openwrt", (), {}), ["T404", "T404", "T404"]),
        (device(modules="pptp", firewall="nft", package_manager=1), ["T404", "T404", "T404"]),
        (device(modules=[1]), ["T404"]),
    ],
)
def test_check_judges_facts(router: Device, codes: list[str]) -> None:
    assert [finding.code.name for finding in TARGET.check(router)] == codes


HOSTILE = [
    "", "a b", "$(id)", "it's", 'a"b', "a\nconfig rule", "lan\n", "-x", "*", "1lan", "\u00e9",
    "\U0001f600", "a;b", "a" * 65, "!lan",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_zone_names_are_refused(name: str) -> None:
    (finding,) = TARGET.check(device(zones=(Zone(name, Role.LAN), WAN)))
    assert finding.code is Code.T408
    assert finding.severity is Severity.ERROR


def test_fw3_takes_eleven_characters() -> None:
    zones = (Zone("a" * 12, Role.LAN), WAN)
    assert [f.code.name for f in TARGET.check(device("21.02", zones=zones))] == ["T408"]
    assert not TARGET.check(device("22.03", zones=zones))


def test_notes_say_what_rules_cannot_do() -> None:
    logged = decision("l2tp", Action.BLOCK, log=Log("10/minute", 9))
    found = decision("openvpn", Action.BLOCK)
    anything = ((UDP, Signature(())),)
    seen = Decision("openvpn", Action.BLOCK, found.flows, ORIGIN, detect=anything)
    wanted = intent(logged, seen, exposure("pptp", "192.168.1.21"))
    messages = {
        release: [note.message for note in TARGET.notes(wanted, device(release, modules=MODULES))]
        for release in ("21.02", "23.05", "24.10")
    }
    assert [notes[0] for notes in messages.values()] == [
        "fw3 rules cannot log",
        "rules before 24.10 log without a rate limit",
        "the burst of a log is always 5 lines",
    ]
    told = "openvpn that already runs on another port is not found, only what begins"
    assert {notes[1] for notes in messages.values()} == {told}
    assert all("loads no rules at all" in notes[2] for notes in messages.values())
