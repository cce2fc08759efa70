"""All protocols, actions, limits, zones and families, mixed so that every pair meets."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from compiler.catalogue import builtin
from compiler.model.intent import Action
from compiler.prove.lab import missing
from compiler.prove.result import Check, Kind
from tests.prove.support import OFFICE, SMALL, proof, resolved, told

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
#: What a policy can say of a protocol. ``collateral`` allows to block what the web needs too.
ENTRIES: tuple[dict[str, Any], ...] = (
    {"action": "pass"},
    {"action": "block"},
    {"action": "pass", "to": ["198.51.100.0/28", "2001:db8:98::/64"]},
    {"action": "block", "from": ["guest"]},
    {"action": "pass", "from": ["lan"]},
    {"action": "pass", "families": ["ipv4"]},
    {"action": "block", "families": ["ipv6"]},
    {"action": "pass", "to": ["198.51.100.7"], "from": ["guest"], "otherwise": "keep"},
)
#: Protocols that share flows must agree, so each group gets one entry.
GROUPS = (
    ("pptp",),
    ("l2tp",),
    ("l2tpv3",),
    ("ipsec",),
    ("ikev1", "ikev2"),
    ("openvpn",),
    ("wireguard",),
    ("sstp", "openconnect", "softether", "tailscale"),
    ("zerotier",),
    ("nebula",),
    ("ah",),
)
STRICT = {"forward": "drop"}


def policy(number: int) -> dict[str, Any]:
    """Give every group another entry than in every other policy of a full turn."""
    found: dict[str, Any] = {}
    for place, group in enumerate(GROUPS):
        entry = ENTRIES[(place + number) % len(ENTRIES)]
        if group == ("ipsec",) and number % 2:
            continue  # its children speak for themselves in these policies
        if group in (("ikev1", "ikev2"), ("ah",)) and not number % 2:
            continue
        if entry["action"] == "block":
            entry = {**entry, "collateral": "accept"}
        found.update(dict.fromkeys(group, entry))
    return found


@pytest.mark.parametrize("number", range(len(ENTRIES)))
def test_every_protocol_in_every_way(number: int) -> None:
    options = STRICT if number // 2 % 2 else {}
    found = proof(resolved(policy(number), OFFICE, options=dict(options)))
    assert found.verdict == "proven", told(found.differences)
    assert {check.kind for check in found.checks} >= {Kind.EXCHANGE, Kind.RUNNING, Kind.UNASKED}
    assert {check.zone for check in found.checks} == {"lan", "guest"}
    assert {check.family.value for check in found.checks} == {"ipv4", "ipv6"}
    assert len({check.way for check in found.checks}) >= 6, "three interfaces, two WANs"
    assert len({check.client for check in found.checks}) == 6


def test_the_table_covers_every_pair_of_protocol_and_entry() -> None:
    seen = {
        (protocol, str({k: v for k, v in entry.items() if k != "collateral"}))
        for number in range(len(ENTRIES))
        for protocol, entry in policy(number).items()
    }
    independent = set(builtin().protocols) - {"ipsec", "ikev1", "ikev2", "ah"}
    assert {p for p, _ in seen} == set(builtin().protocols)
    assert {(p, str(e)) for p, e in product(independent, ENTRIES)} <= seen


def both_clients(checks: tuple[Check, ...], flow: str) -> set[tuple[str, str]]:
    return {
        (check.client, check.found.value)
        for check in checks
        if check.flow == flow and check.kind is Kind.EXCHANGE and check.family == "ipv4"
    }


def test_two_clients_of_one_pptp_server_with_one_call_id() -> None:
    found = proof(resolved({"pptp": {"action": "pass", "to": ["198.51.100.7"]}}))
    assert found.verdict == "proven", told(found.differences)
    assert both_clients(tuple(c for c in found.checks if c.wanted is Action.PASS), "pptp.data") == {
        ("c1", "passed"),
        ("c2", "passed"),
    }


def test_two_clients_of_l2tp_that_insist_on_their_port() -> None:
    found = proof(resolved({"l2tp": {"action": "pass", "to": ["198.51.100.7"]}}))
    assert found.verdict == "proven", told(found.differences)


def test_exposed_servers_in_both_families() -> None:
    served: list[dict[str, Any]] = [
        {"protocol": protocol, "to": to}
        for protocol, host in (("openvpn", 20), ("pptp", 21), ("ipsec", 22), ("wireguard", 23))
        for to in (f"192.168.1.{host}", f"2001:db8:1::{host}")
        if protocol != "pptp" or "." in to
    ]
    served[-2]["from"] = ["192.0.2.0/28"]
    found = proof(resolved({"wireguard": "block"}, OFFICE, expose=served))
    assert found.verdict == "proven", told(found.differences)
    inbound = [check for check in found.checks if check.kind is Kind.INBOUND]
    assert {check.protocol for check in inbound} == {"openvpn", "pptp", "ipsec", "wireguard"}
    assert {check.wanted for check in inbound} == {Action.PASS, Action.BLOCK}


OWN: dict[str, Any] = {
    "mine": {"title": "Mine", "flows": {"sctp": {"layer4": "sctp", "ports": [5000]}}},
    "etherip": {"title": "EtherIP", "flows": {"frames": {"layer4": "etherip"}}},
    "greened": {"title": "Plain GRE", "flows": {"data": {"layer4": 200}}},
    "wide": {"title": "Wide", "flows": {"udp": {"layer4": "udp", "ports": ["6000-6010", 6012]}}},
}


@pytest.mark.parametrize("action", ["pass", "block"])
def test_protocols_of_a_user_by_their_flows(action: str) -> None:
    found = proof(resolved(dict.fromkeys(OWN, action), own=OWN))
    assert found.verdict == "proven", told(found.differences)
    assert {check.protocol for check in found.checks} == set(OWN)


def test_odd_zones_and_networks_have_a_lab_too() -> None:
    """Networks of one address, several networks, none, the same ones twice, and documentation's."""
    zones: dict[str, Any] = {
        "one": {"devices": ["a"], "networks": ["10.0.0.1/32", "2001:db8:5::1/128"]},
        "two": {"devices": ["b", "b.2"], "networks": ["10.1.0.0/31", "10.2.0.0/24", "10.3.0.0/16"]},
        "none": {"devices": ["c_c", "@c", "c+c"]},
        "same": {"devices": ["d"], "networks": ["10.2.0.0/24", "203.0.113.0/24", "192.0.2.0/24"]},
        "wan": {"devices": ["ppp0", "w1"], "networks": ["203.0.113.0/29"]},
        "wan3": {"devices": ["port0"]},
    }
    entry = {"action": "pass", "to": ["198.51.100.0/24", "2001:db8:f000::/36"], "from": ["one"]}
    found = proof(resolved({"wireguard": entry, "pptp": "block", "ipsec": "pass"}, zones))
    assert found.verdict == "proven", told(found.differences)
    assert len({check.way for check in found.checks if "> ppp0" in check.way}) == 7


def test_limits_by_source_and_everything() -> None:
    entries = {
        "wireguard": {"action": "pass", "from": ["192.168.1.64/26", "10.9.0.0/24"]},
        "openvpn": {"action": "block", "to": ["0.0.0.0/0"]},
        "l2tp": {"action": "block", "from": ["192.168.1.11"]},
    }
    found = proof(resolved(entries))
    assert found.verdict == "proven", told(found.differences)
    assert {c.wanted for c in found.checks if c.protocol == "wireguard"} == {
        Action.PASS,
        Action.BLOCK,
    }


def test_an_overlay_is_proven_beside_a_plain_nat() -> None:
    found = proof(resolved({"wireguard": "block", "pptp": "pass"}, options={"mode": "overlay"}))
    assert found.verdict == "proven", told(found.differences)
    assert "beside a plain NAT" in found.basis
    assert Kind.UNASKED not in {check.kind for check in found.checks}


def test_a_policy_that_says_nothing_proves_nothing() -> None:
    found = proof(resolved({"wireguard": "keep"}))
    assert (found.verdict, found.checks) == ("nothing", ())


def test_a_router_without_ipv6_is_asked_about_ipv4_alone() -> None:
    zones = {"lan": {"devices": ["l"], "networks": ["10.0.0.0/24"]}, "wan": SMALL["wan"]}
    found = proof(resolved({"wireguard": "pass"}, zones))
    assert {check.family.value for check in found.checks} == {"ipv4"}


def test_of_a_thousand_borders_some_on_each_side_are_tried() -> None:
    """An even choice must not happen to meet one side of every border only."""
    many = [f"10.{n // 250}.{n % 250}.{(n * 7) % 250 // 2 * 2}/31" for n in range(1000)]
    found = proof(resolved({"wireguard": {"action": "pass", "to": many}}))
    assert found.verdict == "proven", told(found.differences)
    limits = [check.wanted for check in found.checks if check.kind is Kind.LIMIT]
    assert min(limits.count(Action.PASS), limits.count(Action.BLOCK)) > 10
    assert dict(found.left_out)["more borders of limits than are tried"] > 1000
