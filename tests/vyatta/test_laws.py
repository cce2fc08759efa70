"""Solving, printing, reading back and merging, on every kind of Vyatta router."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.effect import HelperState, Verdict
from compiler.model.finding import Code
from compiler.model.intent import Action, Decision, Intent, Limits
from compiler.model.judge import compare, probes
from compiler.model.protocol import UDP
from compiler.vyatta.settings import VyattaSettings
from compiler.vyatta.target import VyattaTarget
from targets.vyos import TARGET as VYOS
from tests.model.flows import ORIGIN, flow
from tests.targets.openwrt.support import decision, intent, intents
from tests.vyatta.support import KINDS, configs, vyos

kinds = pytest.mark.parametrize(("target", "device"), KINDS, ids=["1.4", "1.3", "edge", "attach"])
LAWS = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BLOCK = intent(decision("l2tp", Action.BLOCK))


@kinds
@LAWS
@given(wanted=intents())
def test_print_and_read_back(target: VyattaTarget, device: Device, wanted: Intent) -> None:
    """1. printing reads back the same; 2. twice the same bytes; 3. what deviates is unknown."""
    ours = target.settings(wanted, device)
    bundle = target.render(ours, device)
    assert target.parse(bundle.native_text, device) == ours
    assert target.render(ours, device) == bundle
    found = target.effects(ours, device, probes(wanted, device))
    codes = {deviation.code for deviation in compare(wanted, found)}
    assert codes <= (
        set() if ("forward", "filter") in _places(ours) else {Code.D501, Code.D504, Code.D502}
    )


def _places(ours: VyattaSettings) -> set[tuple[str, ...]]:
    return {path[2:4] for path in ours.paths}


@LAWS
@given(wanted=intents())
def test_a_forward_filter_says_all_that_an_intent_wants(wanted: Intent) -> None:
    ours = VYOS.settings(wanted, vyos())
    assert compare(wanted, VYOS.effects(ours, vyos(), probes(wanted, vyos()))) == ()


@kinds
@LAWS
@given(config=configs(), wanted=intents())
def test_merge(
    target: VyattaTarget, device: Device, config: tuple[str, str], wanted: Intent
) -> None:
    """1. ours come back; 2. again changes nothing; 3. all else is there, byte for byte."""
    text, foreign = config
    ours = target.settings(wanted, device)
    try:
        merged = target.merge(ours, text, device)
    except NativeError as error:
        assert "passthru_" in error.findings[0].hint  # noqa: PT017 - the text may hold our number
        return
    assert target.parse(merged, device).paths == ours.paths
    assert target.merge(ours, merged, device) == merged
    assert merged.startswith(foreign)
    assert target.merge(VyattaSettings(), merged, device) == foreign
    assert target.merge(VyattaSettings(), text, device) == foreign


def test_refuses_to_overwrite_rules_of_others() -> None:
    ours = VYOS.settings(BLOCK, vyos())
    text = "set firewall ipv4 forward filter rule 1 action accept\n"
    with pytest.raises(NativeError, match="taken and not ours"):
        VYOS.merge(ours, text, vyos())
    assert VYOS.merge(ours, text.replace("rule 1 ", "rule 2 "), vyos())


def test_refuses_another_ruleset_in_the_place_of_ours() -> None:
    target, device = KINDS[3]
    text = "set interfaces ethernet eth1 firewall out name WAN_OUT\n"
    with pytest.raises(NativeError) as caught:
        target.merge(target.settings(BLOCK, device), text, device)
    assert caught.value.findings[0].hint == "passthru_ruleset: WAN_OUT"


def test_a_config_tree_is_read_and_not_written() -> None:
    with pytest.raises(NativeError):
        VYOS.merge(VyattaSettings(), "system {\n}\n", vyos())


@kinds
def test_the_helper_is_turned_where_it_stands(target: VyattaTarget, device: Device) -> None:
    """1. a pass turns it on; 2. its line changes in place; 3. the former state comes back."""
    ours = target.settings(intent(decision("pptp", Action.PASS)), device)
    assert ours.helper == "on"
    text = "set system host-name x\n  set system conntrack modules pptp disable\r\nset a b\n"
    former = target.parse(text, device)
    assert former.helper == "off"
    merged = target.merge(ours, text, device)
    assert merged.startswith(text.replace("  set", "  delete"))
    assert target.parse(merged, device) == ours
    assert target.merge(former, merged, device) == text
    assert target.merge(VyattaSettings(), text, device) == text


@kinds
def test_the_helper_is_needed_only_for_what_passes(target: VyattaTarget, device: Device) -> None:
    wanted = intent(decision("pptp", Action.BLOCK))
    ours = target.settings(wanted, device)
    assert ours.helper == ""
    asked = probes(intent(decision("pptp", Action.PASS)), device)
    states = {found.helper for found in target.effects(ours, device, asked)}
    assert HelperState.UNKNOWN in states


@kinds
def test_ike_versions_named_differently_deviate(target: VyattaTarget, device: Device) -> None:
    wanted = intent(
        Decision("ikev1", Action.BLOCK, (flow("ikev1.ike", UDP, 500),), ORIGIN),
        Decision("ikev2", Action.PASS, (flow("ikev2.ike", UDP, 500),), ORIGIN),
    )
    found = target.effects(target.settings(wanted, device), device, probes(wanted, device))
    assert [(d.code, d.protocol) for d in compare(wanted, found)] == [(Code.D501, "ikev1")]


def test_rules_without_interfaces_take_a_zone_for_its_networks() -> None:
    target, device = KINDS[2]
    wanted = intent(decision("l2tp", Action.BLOCK, Limits(zones=("guest",))))
    ours = target.settings(wanted, device)
    members = ours.under(("firewall", "group", "network-group", "PASSTHRU_FROM_l2tp", "network"))
    assert members == (("192.168.3.0/24",),)
    verdicts = {
        found.probe.source: found.verdict
        for found in target.effects(ours, device, probes(wanted, device))
        if found.probe.family == "ipv4"
    }
    assert verdicts == {"lan": Verdict.UNKNOWN, "guest": Verdict.DROP}
