"""What the manual says that RouterOS does, held against what effects say."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.errors import TargetError
from compiler.model.device import Device, Fact
from compiler.model.effect import Direction, Verdict
from compiler.model.finding import Code
from compiler.model.intent import Action, Intent
from compiler.model.judge import probes
from targets.routeros import TARGET
from targets.routeros.settings import FILTER, MEMBERS, entry, of
from tests.targets.modelled import catalogued, disagreements
from tests.targets.openwrt.support import GUEST, LAN, WAN, decision, exposure, intent, intents


def device(**facts: Fact) -> Device:
    return Device("r1", "routeros", (LAN, GUEST, WAN), facts)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wanted=intents().map(catalogued))
def test_effects_are_what_the_model_does(wanted: Intent) -> None:
    assert [*disagreements(TARGET, device(fasttrack=False), wanted)] == []


def test_a_block_leaves_the_answers_of_an_exposed_server() -> None:
    """GRE has no ports: without a rule for them, answers would fall to the block."""
    wanted = intent(decision("pptp", Action.BLOCK), exposure("pptp", "192.168.1.21"))
    ours = TARGET.settings(wanted, device())
    kept = [one for one in ours.entries if not one.get("comment").endswith("answers")]
    assert len(kept) == len(ours.entries) - 2
    for settled, verdict in ((ours, Verdict.PASS), (of(kept, ours.helper), Verdict.UNKNOWN)):
        found = TARGET.effects(settled, device(), probes(wanted, device()))
        assert {one.verdict for one in found if one.probe.direction is Direction.IN} == {verdict}


def test_what_stands_is_carried_past_our_rules_unless_nothing_is_fasttracked() -> None:
    ours = TARGET.settings(intent(decision("wireguard", Action.BLOCK)), device())
    fast, plain = (TARGET.data_path(ours, router) for router in (device(), device(fasttrack=False)))
    first = "meta l4proto { tcp, udp } ct state established,related accept"
    assert (fast.nft.count(first), plain.nft.count(first)) == (2, 0)
    assert ("-f", "ipv4", "-p", "udp", "--orig-port-dst", "51820") in fast.ends


def test_names_cannot_break_out_of_the_rules() -> None:
    listed = {"chain": "passthru", "comment": "passthru:x", "src-address-list": "}; flush ruleset"}
    nft = TARGET.data_path(of([entry(FILTER[4], listed)]), device()).nft
    assert "flush ruleset" not in nft
    linked = {"list": "a", "comment": "passthru:x", "interface": 'x" }'}
    with pytest.raises(TargetError) as caught:
        TARGET.data_path(of([entry(MEMBERS, linked)]), device())
    assert [finding.code for finding in caught.value.findings] == [Code.T408]


@pytest.mark.parametrize(
    "properties",
    [
        {"layer7-protocol": "x"},
        {"protocol": "!udp"},
        {"dst-port": "500"},
        {"action": "tarpit"},
        {"dst-address-type": "!local"},
        {"dst-address": "192.0.2.1 accept"},
    ],
)
def test_what_is_not_modelled_is_refused(properties: dict[str, str]) -> None:
    marked = {"chain": "passthru", "comment": "passthru:x", **properties}
    ours = of([entry(FILTER[4], marked)])
    with pytest.raises(TargetError) as caught:
        TARGET.data_path(ours, device())
    assert [finding.code for finding in caught.value.findings] == [Code.T406]
