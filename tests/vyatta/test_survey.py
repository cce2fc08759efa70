"""Configs that somebody else made, of EdgeOS and VyOS."""

from __future__ import annotations

import pytest

from compiler.catalogue import builtin
from compiler.cli.effects import judge
from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.effect import Direction, Probe, Verdict
from compiler.model.protocol import Family
from compiler.model.survey import Survey, Surveys
from targets.edgeos import TARGET as EDGEOS
from targets.vyos import TARGET as VYOS

_EDGE = """set firewall name WAN_IN default-action drop
set firewall name WAN_IN rule 10 action accept
set firewall name WAN_IN rule 10 state established enable
set firewall name WAN_IN rule 10 state related enable
set firewall name LAN_IN default-action accept
{}set interfaces ethernet eth0 address dhcp
set interfaces ethernet eth0 firewall in name WAN_IN
set interfaces ethernet eth1 address 192.168.1.1/24
set interfaces ethernet eth1 firewall in name LAN_IN
set service nat rule 5010 outbound-interface eth0
set service nat rule 5010 type masquerade
"""
_VYOS = """set firewall ipv4 forward filter default-action drop
set firewall ipv4 forward filter rule 10 action accept
set firewall ipv4 forward filter rule 10 state established
set firewall ipv4 forward filter rule 10 state related
{}set interfaces ethernet eth0 address dhcp
set interfaces ethernet eth1 address 192.168.1.1/24
set nat source rule 100 outbound-interface name eth0
set nat source rule 100 translation address masquerade
"""


def verdict(found: Survey, protocol: str = "wireguard") -> str:
    return next(one.verdict for one in judge(found, builtin()) if one.protocol.id == protocol)


def edge(*rules: str) -> Survey:
    start = "set firewall name LAN_IN rule 5"
    return EDGEOS.survey(_EDGE.format("".join(f"{start} {rule}\n" for rule in rules)), None)


def vyos(*rules: str) -> Survey:
    start = "set firewall ipv4 forward filter rule 20"
    return VYOS.survey(_VYOS.format("".join(f"{start} {rule}\n" for rule in rules)), None)


def test_zones_come_from_addresses_and_nat() -> None:
    for found in (edge(), vyos()):
        assert [(z.name, z.devices, [str(n) for n in z.networks]) for z in found.device.zones] == [
            ("lan", ("eth1",), ["192.168.1.0/24"]),
            ("wan", ("eth0",), []),
        ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), "pass"),
        (("action drop", "protocol udp"), "drop"),
        (("action drop", "protocol udp", "disable"), "pass"),
        (("action drop", "protocol udp", "destination port 1-60000"), "drop"),
        (("action drop", "protocol !udp"), "pass"),
        (("action drop", "protocol tcp_udp"), "drop"),
        (("action drop", "source address 192.168.1.0/24"), "drop"),
        (("action drop", "source address !192.168.1.0/24"), "pass"),
        (("action drop", "p2p all"), "unknown"),
        (("action drop", "source group network-group GONE"), "unknown"),
        (("action drop", "state established enable"), "pass"),
        (("action modify",), "unknown"),
    ],
)
def test_rulesets_on_interfaces_decide(rules: tuple[str, ...], expected: str) -> None:
    assert verdict(edge(*rules)) == expected


def test_accepting_in_one_ruleset_does_not_end_the_other() -> None:
    out = (
        "set firewall name OUT default-action drop\n"
        "set interfaces ethernet eth0 firewall out name OUT\n"
    )
    assert verdict(EDGEOS.survey(_EDGE.format("") + out, None)) == "drop"


def test_a_ruleset_that_is_not_there_and_zones_are_unknown() -> None:
    gone = "set interfaces ethernet eth0 firewall out name GONE\n"
    assert verdict(EDGEOS.survey(_EDGE.format("") + gone, None)) == "unknown"
    zone = "set zone-policy zone LAN interface eth1\n"
    assert verdict(EDGEOS.survey(_EDGE.format("") + zone, None)) == "unknown"


def test_the_forward_chain_of_vyos_decides() -> None:
    assert verdict(vyos()) == "drop"
    lan = ("action accept", "inbound-interface name eth1")
    assert verdict(vyos(*lan)) == "pass"
    assert verdict(vyos("action accept", "inbound-interface name eth0")) == "drop"
    assert verdict(vyos("action accept", "inbound-interface group LAN")) == "unknown"


@pytest.mark.parametrize(
    ("facts", "helper"),
    [({}, "unknown"), ({"auto_helper": True}, "assigned"), ({"auto_helper": False}, "idle")],
)
def test_the_helper_of_edgeos_is_on_but_may_not_be_assigned(
    facts: dict[str, bool], helper: str
) -> None:
    found = EDGEOS.survey(_EDGE.format(""), Device("", "edgeos", (), facts))
    assert [one.state for one in found.helpers] == [helper]


@pytest.mark.parametrize(
    ("release", "line", "helper"),
    [
        ("1.4", "", "absent"),
        ("1.4", "set system conntrack modules pptp\n", "assigned"),
        ("1.3", "", "unknown"),
        ("1.3", "set system conntrack modules pptp\n", "assigned"),
    ],
)
def test_the_helper_of_vyos_is_in_the_config(release: str, line: str, helper: str) -> None:
    text = _VYOS if release == "1.4" else _EDGE.replace("service nat", "nat source")
    router = Device("", "vyos", (), {"release": release})
    found = VYOS.survey(text.format("") + line, router)
    assert [one.state for one in found.helpers] == [helper]


@pytest.mark.parametrize("text", ["", "{}", "<html>", "set system host-name x\n", "# x\n"])
def test_texts_that_are_no_whole_config_are_refused(text: str) -> None:
    for target in (EDGEOS, VYOS):
        with pytest.raises(NativeError):
            target.survey(text, None)


@pytest.mark.parametrize(
    ("target", "config"),
    [
        (EDGEOS, _EDGE.format("set port-forward rule 1 original-port 1723\n"
                              "set port-forward wan-interface eth0\n")),
        (EDGEOS, _EDGE.format("set service nat rule 1 type destination\n"
                              "set service nat rule 1 inbound-interface eth0\n")),
        (VYOS, _VYOS.format("set nat destination rule 1 inbound-interface name eth0\n")),
    ],
)  # fmt: skip
def test_what_comes_in_where_ports_are_forwarded_is_not_known(target: Surveys, config: str) -> None:
    """Nobody reads which; what goes out does not meet them."""
    found = target.survey(config, None)
    (lan,) = (zone for zone in found.device.zones if zone.name == "lan")
    flow = builtin().protocols["wireguard"].flows[0]
    port, host = flow.ports[0].first, lan.networks[0][20]
    probe = Probe(flow, Family.IPV4, "wan", "lan", port, None, host, Direction.IN)
    assert found.effects([probe])[0].verdict is Verdict.UNKNOWN
    out = Probe(flow, Family.IPV4, "lan", "wan", port)
    assert found.effects([out])[0].verdict is not Verdict.UNKNOWN
