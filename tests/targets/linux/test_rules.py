"""The table itself: how many rules a packet meets, what it may be called, that it reads back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.model.device import Device, Role, Zone
from compiler.model.finding import Code, Place
from compiler.model.intent import Action, Decision, Limits, Origin
from compiler.model.protocol import UDP, ByteMatch, Flow, PortRange, Signature
from compiler.prove.lab.network import Lab
from targets.linux import TARGET, nft
from targets.linux.canonical import canonical_list, canonical_value
from targets.linux.effects import sample_payload
from targets.linux.walk import Packet, Walker
from tests.targets.linux.support import apply, device, intent, load, table

EVERYTHING = {"default": "block"}
TO = {"action": "pass", "to": ["192.0.2.0/24", "2001:db8:99::/48"]}


def met(
    protocols: dict[str, Any],
    layer4: int,
    port: int,
    version: int = 4,
    *,
    to: str = "",
    own_port: int = 40000,
    expose: list[dict[str, Any]] | None = None,
) -> tuple[int, int]:
    """Count the rules that an established connection's packets meet, out and back."""
    walker = Walker(table(intent(protocols, expose=expose)))
    client = ip_address("192.168.1.11" if version == 4 else "2001:db8:1::11")
    far = ip_address(to or ("192.0.2.10" if version == 4 else "2001:db8:99::10"))
    out = Packet(
        "br-lan", "wan", f"ipv{version}", layer4, client, far, own_port, port, b"\xff" * 40,
        state="established", first_from=client, first_to=far, answered_by=far,
    )  # fmt: skip
    back = replace(
        out, incoming="wan", outgoing="br-lan", source=far, destination=client,
        source_port=port, destination_port=own_port, direction="reply",
    )  # fmt: skip
    outcomes = walker.forward(out), walker.forward(back)
    assert {outcome.verdict for outcome in outcomes} == {"accept"}
    return outcomes[0].met, outcomes[1].met


@pytest.mark.parametrize("version", [4, 6])
def test_traffic_that_no_decision_divides_leaves_after_three_rules(version: int) -> None:
    """README.md states these counts."""
    assert met({}, 6, 443, version) == (1, 1)
    assert met({"pptp": "block", "wireguard": "pass"}, 6, 443, version) == (2, 2)
    assert met({"ipsec": "block"}, 6, 443, version) == (2, 2)
    assert met({**EVERYTHING, "wireguard": TO}, 6, 443, version) == (2, 2)
    many = {f"198.51.{n}.0/25" for n in range(100)}
    server = [{"protocol": "openvpn", "to": "192.168.1.20"}]
    assert met({**EVERYTHING, "wireguard": {"action": "pass", "to": sorted(many)}}, 6, 443,
               version, expose=server) == (2, 2)  # fmt: skip


@pytest.mark.parametrize("version", [4, 6])
def test_a_vpns_port_at_the_clients_end_costs_rules_and_no_more(version: int) -> None:
    assert met({"wireguard": "block"}, UDP, 443, version, own_port=51820) == (3, 3)
    assert met({"ipsec": "block"}, UDP, 443, version, own_port=4500) == (3, 3)


@pytest.mark.parametrize("version", [4, 6])
def test_versions_apart_leave_no_rule_to_spare(version: int) -> None:
    apart = {"ikev1": "block", "ikev2": "pass"}
    assert met(apart, 6, 443, version) == (2, 2)
    assert met({**EVERYTHING, **apart}, 6, 443, version) == (3, 3), "a rule for AH over IPv6"


@pytest.mark.parametrize("version", [4, 6])
def test_passed_tunnels_leave_early(version: int) -> None:
    assert met({"wireguard": "pass", "pptp": "block"}, UDP, 51820, version) == (2, 2)
    assert met({"wireguard": TO}, UDP, 51820, version) == (3, 3)
    logged = {**TO, "log": True}
    assert met({"wireguard": logged}, UDP, 51820, version) == (3, 3)
    assert met({"ipsec": TO}, 50, 0, version) == (3, 3)
    two = {**TO, "from": ["guest", "192.168.1.0/25", "2001:db8:1::/65"]}
    assert met({"wireguard": two}, UDP, 51820, version) == (3, 3)


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_blocked_for_others_costs_three_rules_at_most(version: int) -> None:
    """test_shortcut.py holds three as the limit of all policies."""
    block = {"action": "block", "from": ["guest"]}
    assert met({"wireguard": block}, UDP, 51820, version) == (3, 3)
    guest_and_to = {"action": "block", "from": ["guest"], "to": TO["to"]}
    assert met({"wireguard": guest_and_to}, UDP, 51820, version) == (3, 3)
    assert met({**EVERYTHING, "wireguard": block}, UDP, 51820, version) == (3, 3)
    apart = {"ipsec": "pass", "ikev1": "block"}
    assert met(apart, UDP, 4500, version) == (3, 3)
    assert met({**EVERYTHING, "ikev2": TO}, UDP, 4500, version) == (3, 3)


def test_keep_leaves_no_trace() -> None:
    assert table(intent({"pptp": "keep"})) == table(intent({}))


def test_a_family_that_a_decision_leaves_out_is_not_touched(lab: Lab) -> None:
    only = {"action": "block", "families": ["ipv6"]}
    found = table(intent({"wireguard": only}))
    assert all("ipv4" not in key for m in found.maps for key, _ in m.elements)
    load(lab, found)


#: Everything that has a form of its own in the table; each is loaded, listed and read back.
POLICIES: dict[str, dict[str, Any]] = {
    "all blocked": {**EVERYTHING},
    "all passed": {"default": "pass"},
    "touching networks": {
        "wireguard": {
            "action": "pass",
            "to": [
                "10.0.0.0/24", "10.0.1.0/25", "10.0.1.128", "10.0.1.129", "0.0.0.0/8",
                "2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:2::1",
            ],
        }
    },
    "everywhere": {"ipsec": {"action": "pass", "to": ["0.0.0.0/0", "::/0"]}},
    "halves": {"l2tp": {"action": "block", "to": ["0.0.0.0/1", "255.255.255.255", "8000::/1"]}},
    "ports that touch": {
        "openvpn": {"action": "block", "ports": ["udp/500-510", "udp/511", "udp/512-600"]},
        "wireguard": {"action": "pass", "ports": ["udp/601", "udp/602-700"], "log": True},
    },
    "signatures": {
        name: {"action": "block", "detect": "signature", "collateral": "accept"}
        for name in ("wireguard", "openvpn", "nebula", "tailscale")
    },
    "logs": {
        "pptp": {"action": "pass", "to": ["192.0.2.1"], "log": {"rate": "10/minute", "burst": 7}},
        "ah": {"action": "pass", "log": {"rate": "3/hour"}},
        "ipsec": {"action": "block", "log": True},
    },
    "IKE apart": {"ikev1": "block", "ikev2": {"action": "pass", "to": ["192.0.2.1"]}},
    "one IKE": {"ikev1": {"action": "block", "log": True}},
    "sources": {"pptp": {"action": "pass", "from": ["guest", "192.168.1.0/25", "10.0.0.0/8"]}},
}  # fmt: skip
OPTIONS: list[dict[str, Any]] = [{}, {"forward": "drop"}, {"mode": "overlay"}]


@pytest.mark.kernel
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", POLICIES)
def test_the_kernel_takes_it_and_its_listing_reads_back(
    lab: Lab, name: str, options: dict[str, Any]
) -> None:
    servers = [
        {"protocol": "openvpn", "to": "192.168.1.20", "log": True},
        {"protocol": "pptp", "to": "192.168.1.21", "from": ["192.0.2.0/24"]},
        {"protocol": "ipsec", "to": "2001:db8:1::20"},
    ]
    apply(lab, POLICIES[name], expose=servers, options=options)


@pytest.mark.kernel
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_any_signature_reads_back(built_lab: Lab, data: st.DataObject) -> None:
    """nft joins bytes that touch; the canonical form must not depend on how many it joins."""
    sizes = data.draw(st.lists(st.integers(1, 16), min_size=1, max_size=4))
    at, matches = 0, []
    for size in sizes:
        at += data.draw(st.sampled_from([0, 0, 1, 7]))
        mask = data.draw(st.sampled_from([b"\xff" * size, b"\xf0" + b"\xff" * (size - 1)]))
        matches.append(ByteMatch(at, data.draw(st.binary(min_size=size, max_size=size)), mask))
        at += size
    length = data.draw(st.sampled_from([None, at, 200]))
    signature = Signature(tuple(matches), length)
    flow = Flow("x.y", "x", UDP, (PortRange(7000, 7000),))
    origin = Origin(Place("policy.yml"), "a play")
    decision = Decision("x", Action.BLOCK, (flow,), origin, Limits(), detect=((UDP, signature),))
    found = table(replace(intent({}), decisions=(decision,)))
    built_lab.clear()
    load(built_lab, found)
    assert signature.holds(sample_payload(signature))


@pytest.mark.kernel
def test_zones_without_anything_in_common(lab: Lab) -> None:
    """Many zones, names that nft could not hold, and a zone with several networks."""
    names = ["drop", "fwd", "a b", "$(id)", '"', "x" * 300, "é", "lan_wan_", "clients"] * 3
    zones = tuple(
        Zone(f"{name}{number}" if number > 8 else name, Role.LAN, (f"l{number}", f"m{number}"))
        for number, name in enumerate(names)
    )
    router = replace(device(), zones=(*zones, Zone("wan", Role.WAN, ("wan",))))
    limited = Limits(zones=tuple(zone.name for zone in zones[:-1]))
    found = intent({"wireguard": "block", "pptp": "pass"})
    decisions = tuple(replace(d, limits=limited, otherwise=Action.BLOCK) for d in found.decisions)
    wanted = TARGET.settings(replace(found, decisions=decisions), router)
    load(lab, wanted)
    assert all(len(s.name) < 128 for s in wanted.sets)


def test_a_zone_that_is_no_lan_holds_nothing() -> None:
    found = intent({"wireguard": "block", "pptp": "pass"})
    nowhere = tuple(replace(d, limits=Limits(zones=("wan",))) for d in found.decisions)
    made = table(replace(found, decisions=nowhere))
    assert all(s.elements == () for s in made.sets if s.name.startswith("clients_"))
    assert not made.helpers


def test_peers_of_the_other_family_open_nothing() -> None:
    found = intent({}, expose=[{"protocol": "wireguard", "to": "192.168.1.20"}])
    six = Device("r", "linux", (Zone("lan", Role.LAN, ("l",)), Zone("wan", Role.WAN, ("w",))))
    sources = intent({"l2tp": {"action": "block", "to": ["2001:db8::/32"]}}).decisions[0].limits
    closed = tuple(replace(e, sources=sources.destinations) for e in found.exposures)
    made = TARGET.settings(replace(found, exposures=closed), six)
    assert made == TARGET.settings(intent({}), six)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no table"),
        ("table inet other {\n}\n", "holds no table"),
        ("table inet passthru {\n\tchain x {", "too early"),
        ("table inet passthru {\n\tquota q { 5 mbytes }\n}", "not something"),
        ("table inet passthru {\n\tchain x {\n\t\tmeta mark 5 accept\n\t}\n}", "not an expression"),
        ("table inet passthru {\n\tchain x {\n\t\t@nh,72,8 6 accept\n\t}\n}", "not an expression"),
        ("table inet passthru {\n\tchain x {\n\t\tlimit rate 1/second drop\n\t}\n}", "rate limit"),
        ("table inet passthru {\n\tchain x {\n\t\tmeta l4proto nosuch drop\n\t}\n}", "protocol"),
        ("table inet passthru {\n}\ntable inet passthru {\n}", "twice"),
        (
            "table inet passthru {\n\tset s {\n\t\ttypeof ip daddr\n\t\telements = { x }\n\t}\n}",
            "x",
        ),
        ("hello", "expected a table"),
    ],
)
def test_native_text_that_is_not_ours_is_refused(text: str, says: str) -> None:
    with pytest.raises(NativeError) as caught:
        TARGET.parse(text, device())
    assert caught.value.findings[0].code is Code.T407
    assert says in caught.value.findings[0].message


@given(st.text(alphabet='{}"@;, \n\taeinpst:.', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in (text, f"table inet passthru {{\n{text}\n}}\n"):
        with suppress(NativeError):
            assert isinstance(TARGET.parse(whole, device()), nft.Table)


def test_states_with_braces_and_without_are_one() -> None:
    """Tables of former releases have braces."""
    plain, braced = (
        TARGET.parse(f"table inet passthru {{\n\tchain x {{\n\t\t{rule}\n\t}}\n}}", device())
        for rule in (
            "ct state established,related accept",
            "ct state { related, established } accept",
        )
    )
    assert plain == braced


def test_spellings_of_other_releases_and_machines() -> None:
    assert canonical_value("meta l4proto", "ipip") == "94", "netbase's name, not the policy's"
    assert canonical_value("meta l4proto", "l2tp") == canonical_value("inet_proto", "115")
    assert canonical_list("udp dport", ["7-9", "1-5", "6"]) == ("1-9",)
    assert canonical_list("ip daddr", ["10.0.0.0-10.0.0.255", "10.0.1.0/24"]) == ("10.0.0.0/23",)
