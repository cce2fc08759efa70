"""Probes on both sides of every limit, what is wanted of each, and what deviates."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

from ipaddress import IPv4Network, collapse_addresses, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.device import Device, Network, Role, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Place, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent, Limits, Origin
from compiler.model.judge import compare, difference, inside, plain_probes, probes, wanted_by, wants
from compiler.model.protocol import ESP, GRE, UDP, Family, Flow, PortRange

ORIGIN = Origin(Place("p.yml", 3, 5), "play")
V4, V6 = Family.IPV4, Family.IPV6
ESP_FLOW = Flow("ipsec.esp", "ipsec", ESP, serves=("ikev1", "ikev2"))
UDP_FLOW = Flow("wg.data", "wg", UDP, (PortRange(500, 510),))
OLD_FLOW = Flow("pptp.gre", "pptp", GRE, families=frozenset({V4}))


def _device(*, ipv6: bool = True) -> Device:
    networks: list[Network] = [ip_network("192.168.1.0/24")]
    if ipv6:
        networks.append(ip_network("2001:db8:1::/64"))
    return Device(
        "r1",
        "linux",
        (
            Zone("lan", Role.LAN, ("br0",), tuple(networks)),
            Zone("guest", Role.LAN, ("br1",), (ip_network("192.168.2.0/24"),)),
            Zone("wan", Role.WAN, ("eth0",)),
        ),
    )


def _decision(
    action: Action, flow: Flow = UDP_FLOW, limits: Limits | None = None, protocol: str = ""
) -> Decision:
    limited = limits is not None and action is Action.PASS
    otherwise = Action.BLOCK if limited else Action.KEEP
    return Decision(
        protocol or flow.protocol, action, (flow,), ORIGIN, limits or Limits(), otherwise
    )


def _asked(decision: Decision, *, ipv6: bool = True) -> tuple[Probe, ...]:
    return probes(Intent("r1", (decision,)), _device(ipv6=ipv6))


def test_both_ends_of_every_port_range_from_every_lan_zone_in_every_family() -> None:
    asked = _asked(_decision(Action.PASS))
    assert {(p.family, p.source, p.port) for p in asked} == {
        (family, zone, port)
        for family in (V4, V6)
        for zone in ("lan", "guest")
        for port in (500, 510)
    }
    assert {p.family for p in _asked(_decision(Action.PASS), ipv6=False)} == {V4}


def test_a_family_that_a_limit_speaks_of_is_asked_about() -> None:
    limits = Limits(destinations=(ip_network("2001:db8::/32"),))
    assert V6 in {p.family for p in _asked(_decision(Action.PASS, limits=limits), ipv6=False)}


def test_destinations_are_asked_on_both_sides_of_their_borders() -> None:
    limits = Limits(destinations=(ip_network("10.0.0.0/24"), ip_network("10.0.1.0/24")))
    asked = {
        p.destination_address for p in _asked(_decision(Action.PASS, limits=limits), ipv6=False)
    }
    inner = {"10.0.0.0", "10.0.0.255", "10.0.1.0", "10.0.1.255"}
    outer = {"9.255.255.255", "10.0.2.0", "192.0.2.77"}
    assert {str(address) for address in asked} == inner | outer


@given(st.lists(st.ip_addresses(v=4).flatmap(
    lambda a: st.integers(1, 32).map(lambda n: ip_network((a, n), strict=False))), min_size=1, max_size=4))  # fmt: skip
def test_each_listed_network_has_a_probe_inside_and_one_outside(nets: list[IPv4Network]) -> None:
    limits = Limits(destinations=tuple(nets))
    asked = _asked(_decision(Action.PASS, limits=limits), ipv6=False)
    addresses = {p.destination_address for p in asked}
    for net in nets:
        assert {net.network_address, net.broadcast_address} <= addresses
    wanted = {wanted_by(_decision(Action.PASS, limits=limits), probe) for probe in asked}
    everything = list(collapse_addresses(nets)) == [ip_network("0.0.0.0/0")]
    assert wanted >= ({Action.PASS} if everything else {Action.PASS, Action.BLOCK})


def test_sources_are_asked_within_the_zone_only() -> None:
    limits = Limits(sources=(ip_network("192.168.1.0/25"),))
    asked = _asked(_decision(Action.PASS, limits=limits), ipv6=False)
    by_zone = {
        zone: {str(p.source_address) for p in asked if p.source == zone}
        for zone in ("lan", "guest")
    }
    assert {"192.168.1.0", "192.168.1.127", "192.168.1.128"} <= by_zone["lan"]
    assert all(address.startswith("192.168.2.") for address in by_zone["guest"])


def test_probes_are_stable_and_asked_once() -> None:
    decision = _decision(Action.PASS)
    twice = Intent("r1", (decision, _decision(Action.BLOCK, protocol="other")))
    assert probes(twice, _device()) == probes(Intent("r1", (decision,)), _device())
    assert len(set(probes(twice, _device()))) == len(probes(twice, _device()))


def test_plain_probes_need_no_policy() -> None:
    found = plain_probes((OLD_FLOW, UDP_FLOW), _device())
    assert {(p.flow.id, p.family) for p in found} == {
        ("pptp.gre", V4), ("wg.data", V4), ("wg.data", V6),
    }  # fmt: skip


def _probe(flow: Flow = UDP_FLOW, family: Family = V4, source: str = "lan", to: str = "") -> Probe:
    address = ip_address(to) if to else None
    return Probe(flow, family, source, "wan", 500, None, address)


@pytest.mark.parametrize(
    ("limits", "probe", "expected"),
    [
        (Limits(), _probe(), True),
        (Limits(zones=("lan",)), _probe(), True),
        (Limits(zones=("guest",)), _probe(), False),
        (Limits(families=frozenset({V6})), _probe(), False),
        (Limits(destinations=(ip_network("10.0.0.0/8"),)), _probe(), False),
        (Limits(destinations=(ip_network("10.0.0.0/8"),)), _probe(to="10.1.1.1"), True),
        (Limits(destinations=(ip_network("::/0"),)), _probe(to="10.1.1.1"), False),
        (Limits(zones=("guest",), sources=(ip_network("0.0.0.0/0"),)), _probe(source="guest"), True),
    ],
)  # fmt: skip
def test_inside_and_outside_of_limits(limits: Limits, probe: Probe, expected: bool) -> None:  # noqa: FBT001
    assert inside(limits, probe) is expected


def test_a_limited_pass_blocks_outside_and_a_limited_block_leaves_the_rest() -> None:
    limits = Limits(zones=("guest",))
    assert wanted_by(_decision(Action.PASS, limits=limits), _probe()) is Action.BLOCK
    assert wanted_by(_decision(Action.BLOCK, limits=limits), _probe()) is Action.KEEP
    assert wanted_by(_decision(Action.BLOCK, limits=limits), _probe(source="guest")) is Action.BLOCK


def test_no_pass_is_wanted_where_a_flow_does_not_exist() -> None:
    assert wanted_by(_decision(Action.PASS, OLD_FLOW), _probe(OLD_FLOW, V6)) is Action.KEEP
    assert wanted_by(_decision(Action.BLOCK, OLD_FLOW), _probe(OLD_FLOW, V6)) is Action.BLOCK


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (Action.PASS, Action.BLOCK, Action.PASS),
        (Action.BLOCK, Action.PASS, Action.PASS),
        (Action.BLOCK, Action.BLOCK, Action.BLOCK),
        (Action.PASS, Action.PASS, Action.PASS),
    ],
)
def test_a_flow_of_a_tree_passes_where_one_of_its_protocols_passes(
    one: Action, other: Action, wanted: Action
) -> None:
    intent = Intent(
        "r1",
        (_decision(one, ESP_FLOW, protocol="ikev1"), _decision(other, ESP_FLOW, protocol="ikev2")),
    )
    action, decision = wants(intent, _probe(ESP_FLOW))
    assert action is wanted
    assert isinstance(decision, Decision)
    assert decision.action is wanted


def test_nothing_is_wanted_of_what_nobody_claims() -> None:
    assert wants(Intent("r1", (_decision(Action.PASS),)), _probe(ESP_FLOW)) == (Action.KEEP, None)


def test_exposures_are_asked_from_outside() -> None:
    exposure = Exposure(
        "wg",
        ip_address("192.168.1.20"),
        (UDP_FLOW,),
        ORIGIN,
        sources=(ip_network("203.0.113.0/24"),),
    )
    intent = Intent("r1", exposures=(exposure,))
    asked = probes(intent, _device())
    assert {(p.direction, p.source, p.destination) for p in asked} == {(Direction.IN, "wan", "lan")}
    wanted = {str(p.source_address): wants(intent, p)[0] for p in asked}
    assert wanted["203.0.113.255"] is Action.PASS
    assert wanted["203.0.114.0"] is Action.KEEP


@pytest.mark.parametrize(
    ("wanted", "verdict", "helper", "cuts", "code"),
    [
        (Action.KEEP, Verdict.PASS, HelperState.IDLE, True, None),
        (Action.PASS, Verdict.PASS, HelperState.ASSIGNED, True, None),
        (Action.PASS, Verdict.PASS, HelperState.NOT_NEEDED, True, None),
        (Action.PASS, Verdict.PASS, HelperState.IDLE, True, Code.D503),
        (Action.PASS, Verdict.PASS, HelperState.ABSENT, True, Code.D503),
        (Action.PASS, Verdict.PASS, HelperState.UNKNOWN, True, Code.D504),
        (Action.PASS, Verdict.DROP, HelperState.ASSIGNED, True, Code.D502),
        (Action.PASS, Verdict.REJECT, HelperState.ASSIGNED, True, Code.D502),
        (Action.PASS, Verdict.UNKNOWN, HelperState.IDLE, True, Code.D504),
        (Action.BLOCK, Verdict.PASS, HelperState.IDLE, True, Code.D501),
        (Action.BLOCK, Verdict.DROP, HelperState.IDLE, True, None),
        (Action.BLOCK, Verdict.REJECT, HelperState.IDLE, False, Code.D505),
        (Action.BLOCK, Verdict.UNKNOWN, HelperState.IDLE, True, Code.D504),
    ],
)
def test_how_an_effect_differs(
    wanted: Action, verdict: Verdict, helper: HelperState, cuts: bool, code: Code | None  # noqa: FBT001
) -> None:  # fmt: skip
    assert difference(wanted, Effect(_probe(), verdict, "rule", helper, cuts)) is code


def test_deviations_are_grouped_and_the_worst_come_first() -> None:
    intent = Intent("r1", (_decision(Action.BLOCK), _decision(Action.PASS, ESP_FLOW)))
    effects = [
        Effect(_probe(ESP_FLOW), Verdict.UNKNOWN, "somebody else's table"),
        Effect(_probe(), Verdict.PASS, "b"),
        Effect(_probe(family=V6), Verdict.PASS, "a"),
        Effect(_probe(source="guest"), Verdict.DROP, "c"),
    ]
    first, second = compare(intent, effects)
    assert (first.code, first.severity, first.protocol) == (Code.D501, Severity.ERROR, "wg")
    assert (first.families, first.because, first.flows) == (
        ("ipv4", "ipv6"),
        ("a", "b"),
        ("wg.data",),
    )
    assert (second.code, second.severity) == (Code.D504, Severity.WARNING)


@given(
    st.sampled_from([Action.PASS, Action.BLOCK]),
    st.sampled_from([Limits(), Limits(zones=("lan",))]),
)
def test_effects_as_wanted_deviate_in_nothing(action: Action, limits: Limits) -> None:
    intent = Intent("r1", (_decision(action, limits=limits),))
    made = {Action.PASS: Verdict.PASS, Action.BLOCK: Verdict.DROP, Action.KEEP: Verdict.PASS}
    asked = probes(intent, _device())
    effects = [Effect(probe, made[wants(intent, probe)[0]], "rule") for probe in asked]
    assert compare(intent, effects) == ()
