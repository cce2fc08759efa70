"""What packets experience: over random intents, and under sections that people have edited."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.errors import TargetError
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code
from compiler.model.intent import Action, Decision, Intent
from compiler.model.judge import compare, probes
from compiler.model.protocol import UDP, Family
from targets.openwrt import TARGET
from targets.openwrt.settings import Settings
from tests.model.flows import ORIGIN, flow
from tests.targets.openwrt.support import (
    FLOWS,
    MODULES,
    decision,
    device,
    exposure,
    intent,
    intents,
)

DEVICE = device()
KNOWN = device(modules=MODULES)
IKE = FLOWS["ipsec"][0]
CONTROL, DATA = FLOWS["pptp"]


def probe(port: int = 500, family: Family = Family.IPV4, to: str = "", zone: str = "lan") -> Probe:
    return Probe(IKE, family, zone, "wan", port, destination_address=ip_address(to) if to else None)


def effect(text: str, asked: Probe) -> Effect:
    (found,) = TARGET.effects(TARGET.parse(text, DEVICE), DEVICE, [asked])
    return found


RULE = """
config rule 'passthru_x'
	option src 'lan'
	option dest 'wan'
	option proto 'udp'
	option dest_port '500'
	option target 'DROP'
"""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents())
def test_effects_are_what_the_intent_wants(wanted: Intent) -> None:
    """1. solve; 2. print and read back the same, twice; 3. no probe deviates."""
    ours = TARGET.settings(wanted, KNOWN)
    bundle = TARGET.render(ours, KNOWN)
    assert TARGET.parse(bundle.native_text, KNOWN) == ours
    assert TARGET.render(ours, KNOWN) == bundle
    found = TARGET.effects(ours, KNOWN, probes(wanted, KNOWN))
    assert compare(wanted, found) == ()


def test_ike_versions_named_differently_deviate() -> None:
    """Rules cannot tell IKEv1 from IKEv2 on udp/500: the blocked one stays open, and it shows."""
    wanted = intent(
        Decision("ikev1", Action.BLOCK, (flow("ikev1.ike", UDP, 500),), ORIGIN),
        Decision("ikev2", Action.PASS, (flow("ikev2.ike", UDP, 500),), ORIGIN),
    )
    found = TARGET.effects(TARGET.settings(wanted, DEVICE), DEVICE, probes(wanted, DEVICE))
    (deviation,) = compare(wanted, found)
    assert (deviation.code, deviation.protocol) == (Code.D501, "ikev1")


@pytest.mark.parametrize(
    ("change", "asked", "verdict"),
    [
        (("", ""), probe(), Verdict.DROP),
        (("", ""), probe(501), Verdict.UNKNOWN),
        (("", ""), probe(zone="guest"), Verdict.UNKNOWN),
        (("'DROP'", "'reject'"), probe(), Verdict.REJECT),
        (("'lan'", "'*'"), probe(zone="guest"), Verdict.DROP),
        (("'udp'", "'17'"), probe(), Verdict.DROP),
        (("\toption proto 'udp'\n", ""), probe(), Verdict.DROP),
        (("'udp'", "'tcp'"), probe(), Verdict.UNKNOWN),
        (("'udp'", "'all'"), probe(), Verdict.DROP),
        (("'500'", "'400-600'"), probe(), Verdict.DROP),
        (("'500'", "'80 500'"), probe(), Verdict.DROP),
        (("'500'", "'isakmp'"), probe(), Verdict.UNKNOWN),
        (("\toption target", "\toption enabled '0'\n\toption target"), probe(), Verdict.UNKNOWN),
        (("\toption target", "\toption limit '1/day'\n\toption target"), probe(), Verdict.UNKNOWN),
        (("\toption target 'DROP'\n", ""), probe(), Verdict.UNKNOWN),
        (("'DROP'", "'MARK'"), probe(), Verdict.UNKNOWN),
        (("\toption target", "\toption family 'ipv6'\n\toption target"), probe(), Verdict.UNKNOWN),
        (
            ("\toption target", "\toption dest_ip '192.0.2.0/24'\n\toption target"),
            probe(to="192.0.2.9"),
            Verdict.DROP,
        ),
        (
            ("\toption target", "\toption dest_ip '!192.0.2.0/24'\n\toption target"),
            probe(to="192.0.2.9"),
            Verdict.UNKNOWN,
        ),
    ],
)
def test_reads_edited_rules_as_the_firewall_does(
    change: tuple[str, str], asked: Probe, verdict: Verdict
) -> None:
    assert effect(RULE.replace(*change), asked).verdict is verdict


def test_a_rule_from_anywhere_comes_first_wherever_it_stands() -> None:
    anywhere = RULE.replace("'lan'", "'*'").replace("_x", "_y").replace("'DROP'", "'ACCEPT'")
    found = effect(RULE + anywhere, probe())
    assert (found.verdict, found.because) == (Verdict.PASS, "passthru_y (ACCEPT)")


def test_exposures_reach_one_host_and_nobody_else() -> None:
    wanted = intent(exposure("wireguard", "192.168.1.20"))
    ours = TARGET.settings(wanted, DEVICE)
    asked = [
        Probe(FLOWS["wireguard"][0], Family.IPV4, "wan", "lan", 51820, None, address, Direction.IN)
        for address in (ip_address("192.168.1.20"), ip_address("192.168.1.9"))
    ]
    verdicts = [found.verdict for found in TARGET.effects(ours, DEVICE, asked)]
    assert verdicts == [Verdict.PASS, Verdict.DROP]


def helper(ours: Settings, zone: str = "lan", **facts: list[str]) -> HelperState:
    router = device(**facts)  # type: ignore[arg-type]
    asked = Probe(CONTROL, Family.IPV4, zone, "wan", 1723)
    (found,) = TARGET.effects(ours, router, [asked])
    return found.helper


def test_the_helper_is_what_the_procedure_makes_sure_of() -> None:
    ours = TARGET.settings(intent(decision("pptp", Action.PASS)), DEVICE)
    assert helper(ours) is HelperState.ASSIGNED
    assert helper(ours, modules=["nf_conntrack_pptp"]) is HelperState.ASSIGNED
    assert helper(ours, modules=["nf_conntrack"]) is HelperState.ABSENT
    assert helper(ours, zone="other") is HelperState.UNKNOWN
    assert helper(Settings()) is HelperState.UNKNOWN


def test_gre_needs_the_helper_of_its_control_connection() -> None:
    ours = TARGET.settings(intent(decision("pptp", Action.PASS)), DEVICE)
    asked = [Probe(one, Family.IPV4, "lan", "wan", 0) for one in (DATA, FLOWS["ipsec"][2])]
    states = [found.helper for found in TARGET.effects(ours, DEVICE, asked)]
    assert states == [HelperState.ASSIGNED, HelperState.NOT_NEEDED]


def test_a_set_helper_without_its_module_voids_the_ruleset() -> None:
    wanted = intent(exposure("pptp", "192.168.1.21"), decision("l2tp", Action.BLOCK))
    ours = TARGET.settings(wanted, KNOWN)
    bare = device(modules=[])
    found = TARGET.effects(ours, bare, probes(wanted, bare))
    assert {each.verdict for each in found} == {Verdict.UNKNOWN}
    assert TARGET.effects(ours, KNOWN, probes(wanted, KNOWN)) != found
    with pytest.raises(TargetError):
        TARGET.settings(wanted, bare)
