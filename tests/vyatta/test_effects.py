"""What packets experience under rules that people have edited."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from compiler.model.device import Device, Fact
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.intent import Action
from compiler.model.protocol import Family
from targets.edgeos import TARGET as EDGEOS
from targets.vyos import TARGET as VYOS
from tests.targets.openwrt.support import FLOWS, decision, exposure, intent
from tests.vyatta.support import edgeos, vyos

IKE = FLOWS["ipsec"][0]
JUMP = """\
set firewall ipv4 forward filter rule 1 action jump
set firewall ipv4 forward filter rule 1 description passthru:jump
set firewall ipv4 forward filter rule 1 jump-target PASSTHRU
set firewall ipv4 name PASSTHRU default-action return
set firewall ipv4 name PASSTHRU description passthru:x
set firewall ipv4 name PASSTHRU rule 5 action drop
set firewall ipv4 name PASSTHRU rule 5 protocol udp
set firewall ipv4 name PASSTHRU rule 5 destination port 500
"""
SHARED = """\
set firewall name WAN_OUT rule 1 action drop
set firewall name WAN_OUT rule 1 description passthru:x
set firewall name WAN_OUT rule 1 protocol udp
set firewall name WAN_OUT rule 1 destination port 500
"""
RULE = "set firewall ipv4 name PASSTHRU rule 5"


def probe(port: int = 500, to: str = "", zone: str = "lan", family: Family = Family.IPV4) -> Probe:
    return Probe(IKE, family, zone, "wan", port, destination_address=ip_address(to) if to else None)


def effect(text: str, asked: Probe, device: Device | None = None) -> Effect:
    router = device or vyos()
    (found,) = VYOS.effects(VYOS.parse(text, router), router, [asked])
    return found


@pytest.mark.parametrize(
    ("change", "more", "asked", "verdict"),
    [
        (("", ""), "", probe(), Verdict.DROP),
        (("", ""), "", probe(501), Verdict.UNKNOWN),
        (("", ""), "", probe(family=Family.IPV6), Verdict.UNKNOWN),
        (("rule 5 action drop", "rule 5 action reject"), "", probe(), Verdict.REJECT),
        (("rule 5 action drop", "rule 5 action accept"), "", probe(), Verdict.PASS),
        (("rule 5 action drop", "rule 5 action queue"), "", probe(), Verdict.UNKNOWN),
        (("filter rule 1 ", "filter rule 2 "), "", probe(), Verdict.UNKNOWN),
        (("jump-target PASSTHRU", "jump-target OTHER"), "", probe(), Verdict.UNKNOWN),
        (("protocol udp", "protocol 17"), "", probe(), Verdict.DROP),
        (("protocol udp", "protocol tcp_udp"), "", probe(), Verdict.DROP),
        (("protocol udp", "protocol tcp"), "", probe(), Verdict.UNKNOWN),
        (("protocol udp", "protocol !udp"), "", probe(), Verdict.UNKNOWN),
        (("port 500", "port 80,400-600"), "", probe(), Verdict.DROP),
        (("port 500", "port isakmp"), "", probe(), Verdict.UNKNOWN),
        (("", ""), f"{RULE} disable\n", probe(), Verdict.UNKNOWN),
        (("", ""), f"{RULE} limit rate 1/minute\n", probe(), Verdict.UNKNOWN),
        (("", ""), f"{RULE} log\n", probe(), Verdict.DROP),
        (("", ""), f"{RULE} state new\n", probe(), Verdict.DROP),
        (("", ""), f"{RULE} state established\n", probe(), Verdict.UNKNOWN),
        (("", ""), f"{RULE} inbound-interface name br-lan\n", probe(), Verdict.DROP),
        (("", ""), f"{RULE} inbound-interface name br-lan\n", probe(zone="guest"), Verdict.UNKNOWN),
        (("", ""), f"{RULE} outbound-interface name eth1\n", probe(), Verdict.DROP),
        (("", ""), f"{RULE} source group network-group OTHERS\n", probe(), Verdict.UNKNOWN),
        (
            ("", ""),
            f"{RULE} destination address 192.0.2.0/24\n",
            probe(to="192.0.2.9"),
            Verdict.DROP,
        ),
        (("", ""), f"{RULE} destination address 192.0.2.0/24\n", probe(), Verdict.UNKNOWN),
        (
            ("", ""),
            f"{RULE} destination address !192.0.2.1\n",
            probe(to="192.0.2.9"),
            Verdict.UNKNOWN,
        ),
    ],
)
def test_reads_edited_rules(
    change: tuple[str, str], more: str, asked: Probe, verdict: Verdict
) -> None:
    assert effect(JUMP.replace(*change) + more, asked).verdict is verdict


def test_a_zone_firewall_decides_behind_ours() -> None:
    accepting = JUMP.replace("rule 5 action drop", "rule 5 action accept")
    facts: dict[str, Fact] = {"release": "1.4", "zone_firewall": True}
    zoned = Device("r1", "vyos", vyos().zones, facts)
    assert effect(accepting, probe(), zoned).verdict is Verdict.UNKNOWN
    assert effect(JUMP, probe(), zoned).verdict is Verdict.DROP


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (SHARED, Verdict.DROP),
        (SHARED.replace("drop", "accept"), Verdict.PASS),
        (SHARED.replace("rule 1 ", "rule 10 "), Verdict.UNKNOWN),
        (SHARED.replace("WAN_OUT", "LAN_IN"), Verdict.UNKNOWN),
    ],
)
def test_rules_among_those_of_others(text: str, verdict: Verdict) -> None:
    (found,) = EDGEOS.effects(EDGEOS.parse(text, edgeos()), edgeos(), [probe()])
    assert found.verdict is verdict


def test_an_accept_in_a_ruleset_is_final_only_where_nothing_else_filters() -> None:
    unknown = edgeos({})
    ours = EDGEOS.parse(SHARED.replace("drop", "accept"), unknown)
    (found,) = EDGEOS.effects(ours, unknown, [probe()])
    assert (found.verdict, "other_rulesets" in found.because) == (Verdict.UNKNOWN, True)


def test_a_ruleset_of_ours_holds_where_it_is_attached() -> None:
    device = edgeos(attach=True)
    ours = EDGEOS.settings(intent(decision("ipsec", Action.BLOCK)), device)
    (found,) = EDGEOS.effects(ours, device, [probe()])
    assert found.verdict is Verdict.DROP
    (found,) = EDGEOS.effects(ours, device, [probe(501)])
    assert (found.verdict, "default-action" in found.because) == (Verdict.PASS, True)
    loose = EDGEOS.parse(
        "\n".join(
            line
            for line in EDGEOS.render(ours, device).native_text.split("\n")
            if "eth1" not in line
        ),
        device,
    )
    (found,) = EDGEOS.effects(loose, device, [probe()])
    assert found.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("stated", "state"),
    [
        ({"auto_helper": True}, HelperState.ASSIGNED),
        ({"auto_helper": False}, HelperState.IDLE),
        ({}, HelperState.UNKNOWN),
    ],
)
def test_edgeos_helpers_depend_on_the_kernel(stated: dict[str, Fact], state: HelperState) -> None:
    device = edgeos(stated)
    ours = EDGEOS.settings(intent(decision("pptp", Action.PASS)), device)
    asked = Probe(FLOWS["pptp"][0], Family.IPV4, "lan", "wan", 1723)
    (found,) = EDGEOS.effects(ours, device, [asked])
    assert found.helper is state
    off = EDGEOS.parse("set system conntrack modules pptp disable\n", device)
    (found,) = EDGEOS.effects(off, device, [asked])
    assert found.helper is HelperState.ABSENT


def test_exposures_reach_one_host_and_nobody_else() -> None:
    wanted = intent(exposure("wireguard", "192.168.1.20"))
    asked = [
        Probe(
            FLOWS["wireguard"][0],
            Family.IPV4,
            "wan",
            "lan",
            port,
            None,
            ip_address(to),
            Direction.IN,
        )
        for port, to in ((51820, "192.168.1.20"), (51820, "192.168.1.9"), (443, "192.168.1.20"))
    ]
    for target, device in ((VYOS, vyos()), (EDGEOS, edgeos())):
        found = target.effects(target.settings(wanted, device), device, asked)
        assert [each.verdict for each in found] == [Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN]
    closed = edgeos(ruleset="WAN_OUT", ruleset6="WAN6_OUT")
    found = EDGEOS.effects(EDGEOS.settings(wanted, closed), closed, asked[:1])
    assert found[0].verdict is Verdict.UNKNOWN
    assert any("ruleset_in" in note.hint for note in EDGEOS.notes(wanted, closed))
