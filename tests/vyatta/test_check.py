"""What must be known of a router before anything is solved; names that cannot be used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.errors import TargetError
from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.finding import Code, Severity
from compiler.model.intent import Action, Log
from compiler.model.protocol import Flow, PortRange
from compiler.vyatta.layout import node_of
from targets.edgeos import TARGET as EDGEOS
from targets.vyos import TARGET as VYOS
from tests.targets.openwrt.support import LAN, WAN, decision, intent
from tests.vyatta.support import RULESETS, edgeos, vyos


def codes(target: object, device: Device) -> set[Code]:
    checked = (EDGEOS if target == "edgeos" else VYOS).check(device)
    return {found.code for found in checked if found.severity is Severity.ERROR}


@pytest.mark.parametrize("release", ["1.4", "1.4.2", "1.5-rolling-202410", "rolling", "1.3.8"])
def test_knows_releases(release: str) -> None:
    device = replace(vyos(release), options=RULESETS if release.startswith("1.3") else {})
    assert codes("vyos", device) == set()
    paths = VYOS.settings(intent(decision("l2tp", Action.BLOCK)), device).paths
    assert any(path[2] == "forward" for path in paths) is not release.startswith("1.3")


@pytest.mark.parametrize("release", ["1.2.9", "", "sagitta", "1"])
def test_refuses_other_releases(release: str) -> None:
    assert Code.T404 in codes("vyos", vyos(release))
    assert Code.T404 in codes("vyos", Device("r1", "vyos", vyos().zones, {"release": 1.4}))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"rule_base": 3}, Code.T404),
        ({"ruleset": "WAN_OUT"}, Code.T404),
        ({"ruleset": "a b", "ruleset6": "X"}, Code.I206),
        ({"ruleset": "A", "attach": True}, Code.I206),
        ({"attach": "eth0"}, Code.I206),
        ({"attach": ["interfaces ethernet eth0; reboot"]}, Code.I206),
        ({**RULESETS, "rule_base": 0}, Code.I206),
        ({**RULESETS, "rule_base": 9_001}, Code.I206),
        ({**RULESETS, "rule_base": "1"}, Code.I206),
        ({**RULESETS, "nat_rule_base": True}, Code.I206),
    ],
)
def test_refuses_options(options: dict[str, Fact], code: Code) -> None:
    assert code in codes("edgeos", replace(edgeos(), options=options))


def test_refuses_facts_of_the_wrong_kind() -> None:
    for name in ("auto_helper", "offload", "other_rulesets"):
        assert codes("edgeos", edgeos({name: "no"})) == {Code.T404}


def test_says_where_an_interface_is_in_the_config() -> None:
    assert node_of("eth0") == ("interfaces", "ethernet", "eth0")
    assert node_of("switch0.10") == ("interfaces", "switch", "switch0", "vif", "10")
    assert node_of("pppoe0") == node_of("eth0;x") == ()
    pppoe = Zone("wan", Role.WAN, ("pppoe0",))
    assert codes("edgeos", edgeos(None, (LAN, pppoe), attach=True)) == {Code.T404}
    listed: list[Fact] = ["interfaces ethernet eth0 pppoe 0"]
    assert codes("edgeos", edgeos(None, (LAN, pppoe), attach=listed)) == set()


def test_hostile_names_are_refused_or_stay_harmless() -> None:
    evil = Zone("z'; reboot\n", Role.LAN, ("br0",), LAN.networks)
    text = VYOS.render(
        VYOS.settings(intent(decision("pptp", Action.BLOCK, log=Log())), vyos("1.4", (evil, WAN))),
        vyos(),
    ).native_text
    assert all(line.startswith(("set ", "#")) for line in text.splitlines())
    assert "reboot'" not in text.replace("passthru:", "")
    for name in ("eth0; reboot", "a'b", "", "e\nf", "x" * 40):
        zone = Zone("lan", Role.LAN, (name,), LAN.networks)
        assert Code.T408 in codes("vyos", vyos("1.4", (zone, WAN)))


def test_refuses_ports_that_rules_cannot_match() -> None:
    sctp = Flow("acme.main", "acme", 132, (PortRange(5, 5),))
    with pytest.raises(TargetError, match="TCP and UDP only"):
        VYOS.settings(intent(decision("acme", Action.BLOCK, flows=(sctp,))), vyos())


def test_notes() -> None:
    logged = decision("l2tp", Action.BLOCK, log=Log("10/minute"))
    told = VYOS.notes(intent(replace(logged)), vyos())
    assert [(note.code, note.severity) for note in told] == [(Code.T406, Severity.WARNING)]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, [(Code.D505, Severity.INFO)]),
        ({"offload": True}, [(Code.D505, Severity.WARNING)]),
        ({"offload": False}, []),
    ],
)
def test_hardware_that_may_carry_running_tunnels_is_named(
    facts: dict[str, Fact], told: list[tuple[Code, Severity]]
) -> None:
    found = EDGEOS.notes(intent(decision("pptp", Action.BLOCK)), edgeos(facts))
    assert [(note.code, note.severity) for note in found] == told
    assert not EDGEOS.notes(intent(decision("pptp", Action.PASS)), edgeos(facts))
