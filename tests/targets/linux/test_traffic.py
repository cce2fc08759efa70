"""Real packets through compiled rules: what each kind of tunnel experiences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import SCTP, TCP, UDP
from targets.linux import TARGET, branches, flowmaps, nft
from tests.targets.linux.support import apply, device, intent, load, table
from tests.targets.linux.tunnels import (
    AH,
    CLIENT,
    ESP,
    ETHERIP,
    V1,
    V2,
    alive,
    ike,
    open_,
    out,
    passes,
)

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("version", [4, 6])
STRICT = {"forward": "drop"}


FLOWS = [
    ("wireguard", UDP, 51820),
    ("openvpn", UDP, 1194),
    ("openvpn", TCP, 1194),
    ("l2tp", UDP, 1701),
    ("ipsec", UDP, 500),
    ("ipsec", UDP, 4500),
    ("ipsec", ESP, 0),
    ("l2tpv3", 115, 0),
    ("zerotier", UDP, 9993),
    ("pptp", TCP, 1723),
]


@BOTH
@pytest.mark.parametrize(("protocol", "layer4", "port"), FLOWS)
@pytest.mark.parametrize("options", [{}, STRICT])
def test_flows_follow_the_policy(
    lab: Lab, protocol: str, layer4: int, port: int, version: int, options: dict[str, str]
) -> None:
    payload = ike(V2, marked=port == 4500) if port in (500, 4500) else b"\xff" * 40
    for action in ("pass", "block", "keep"):
        if (protocol, version, action) == ("pptp", 6, "pass"):
            continue  # PPTP has no IPv6 form
        lab.clear()
        apply(lab, {protocol: action}, options=options)
        undecided = action == "keep" and not options
        packet = out(lab, layer4, port, payload, version=version)
        assert passes(lab, packet) == (action == "pass" or undecided), action


@BOTH
def test_ah_over_both_families(lab: Lab, version: int) -> None:
    """In IPv6 AH is an extension header, and the last one for nft: `meta l4proto` shows it."""
    payload = b"\x63\x04\0\0" + b"\x01" * 20 + b"data"
    for action, options in (("keep", {}), ("block", {}), ("pass", STRICT), ("keep", STRICT)):
        lab.clear()
        apply(lab, {"ah": action}, options=options)
        seen = lab.reaches(out(lab, AH, payload=payload, version=version), "c1", "internet")
        assert (seen is not None) == (action == "pass" or (action == "keep" and not options))


@BOTH
@pytest.mark.parametrize(("layer4", "port"), [(UDP, 51820), (TCP, 1194), (ESP, 0), (115, 0)])
def test_a_block_cuts_what_is_up_both_ways(lab: Lab, layer4: int, port: int, version: int) -> None:
    apply(lab, {"wireguard": "pass"})
    packet = out(lab, layer4, port, version=version)
    answer = open_(lab, packet)
    assert alive(lab, packet, answer) == (True, True)
    apply(lab, dict.fromkeys(("wireguard", "openvpn", "ipsec", "l2tpv3"), "block"))
    assert alive(lab, packet, answer) == (False, False)


#: Protocol, the server's port, the client's own: in the map, at the wrong end of it, not in it.
RUNNING = [
    (UDP, 51820, 41000), (UDP, 443, 51820), (UDP, 4500, 4500), (UDP, 443, 41001),
    (TCP, 443, 41002), (TCP, 443, 1194), (TCP, 1194, 1723), (TCP, 51820, 41003),
    (UDP, 500, 500), (ESP, 0, 0), (AH, 0, 0), (115, 0, 0), (ETHERIP, 0, 0),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("options", [{}, STRICT, {"mode": "overlay"}])
@pytest.mark.parametrize(
    "policy",
    [
        {"default": "block"},
        {"wireguard": {"action": "pass", "to": ["203.0.113.77", "2001:db8:99::77"]}},
        {"ah": "block"},
        {"ah": {"action": "block", "families": ["ipv6"]}, "wireguard": "block"},
        {
            "wireguard": {"action": "block", "from": ["guest"], "families": ["ipv6"]},
            "ipsec": "pass",
        },
    ],
)
def test_the_bypass_is_not_taken_by_what_is_blocked(
    lab: Lab, policy: dict[str, Any], options: dict[str, str], version: int
) -> None:
    """Packets of running connections fare alike with the rule before the map and without it."""
    wanted = table(intent(policy), **options)
    forward = wanted.chain("forward")
    assert forward
    assert forward.rules[1] == (nft.Lookup(flowmaps.RANGES_KEY, flowmaps.FLOWS),), (
        "there is a rule before the map"
    )
    chains = tuple(
        replace(c, rules=c.rules[1:]) if c.name == "forward" else c for c in wanted.chains
    )
    known = tuple(s for s in wanted.sets if s.name != "ports_")
    without = replace(wanted, chains=chains, sets=known)
    assert _running(lab, wanted, version) == _running(lab, without, version)


@BOTH
@pytest.mark.parametrize("options", [{}, STRICT, {"mode": "overlay"}])
@pytest.mark.parametrize(
    "policy",
    [
        {"default": "block", "ipsec": "pass", "ikev1": "block"},
        {"ah": "block", "ikev2": "block", "wireguard": {"action": "block", "from": ["guest"]}},
    ],
)
def test_maps_of_exact_keys_hold_what_the_map_of_ranges_holds(
    lab: Lab, policy: dict[str, Any], options: dict[str, str], version: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    exact = table(intent(policy), **options)
    assert exact.map(flowmaps.PORTLESS)
    monkeypatch.setattr(branches, "exact", lambda _branching: False)
    ranges = table(intent(policy), **options)
    assert not ranges.map(flowmaps.PORTLESS)
    fared = _running(lab, exact, version)
    assert fared == _running(lab, ranges, version)
    assert {sent for sent, _ in fared} == {True, False}


def _running(lab: Lab, made: nft.Table, version: int) -> list[tuple[bool, bool]]:
    """Open connections, load a table, and tell which of them live on: out, and back."""
    lab.clear()
    apply(lab, {})
    payload = b"\x63\x04\0\0" + b"\x01" * 20 + b"data"  # AH's, and nothing to the others
    opened = [
        out(lab, layer4, port, payload, version=version, source_port=own)
        for layer4, port, own in RUNNING
    ]
    answers = [open_(lab, packet) for packet in opened]
    load(lab, made)
    return [alive(lab, *each) for each in zip(opened, answers, strict=True)]


@BOTH
@pytest.mark.parametrize("port", [500, 4500])
def test_ike_versions_are_told_apart(lab: Lab, port: int, version: int) -> None:
    apply(lab, {"ipsec": "pass", "ikev1": "block"})
    marked = port == 4500
    new = out(lab, UDP, port, ike(V2, marked=marked), version=version)
    assert passes(lab, new)
    old = out(lab, UDP, port, ike(V1, marked=marked), version=version, source_port=41001)
    assert not passes(lab, old)


@BOTH
def test_the_verdict_about_ike_holds_for_the_connection(lab: Lab, version: int) -> None:
    """On udp/4500 only IKE shows its version; ESP of that connection must be dropped with it."""
    apply(lab, {"ipsec": "pass", "ikev1": "block"})
    esp = b"\x00\x00\x10\x01" + b"\x05" * 40
    before = out(lab, UDP, 4500, esp, version=version)
    answer = open_(lab, before)
    assert not passes(lab, before.again(lab.token(), payload=ike(V1, marked=True)))
    assert alive(lab, before, answer) == (False, False)
    other = out(lab, UDP, 4500, esp, version=version, host="c2")
    assert passes(lab, other, "c2")


@BOTH
def test_blocking_one_ike_version_leaves_the_other_unmanaged(lab: Lab, version: int) -> None:
    apply(lab, {"ikev1": "block"})
    assert passes(lab, out(lab, UDP, 500, ike(V2), version=version))
    assert not passes(lab, out(lab, UDP, 500, ike(V1), version=version, source_port=41001))


def test_limited_destinations(lab: Lab) -> None:
    near = ["10.1.0.0/16", "10.2.0.0/24", "10.2.1.0/25", "10.2.1.128/25", "2001:db8:98::/48"]
    apply(lab, {"wireguard": {"action": "pass", "to": near}})
    for to, wanted in (("10.1.255.255", True), ("10.2.1.200", True), ("10.2.2.0", False)):
        assert passes(lab, out(lab, UDP, 51820, to=to)) == wanted, to
    assert passes(lab, out(lab, UDP, 51820, to="2001:db8:98::1", version=6))
    assert not passes(lab, out(lab, UDP, 51820, version=6))
    assert passes(lab, out(lab, UDP, 53, version=6)), "another port"


def test_a_thousand_destinations(lab: Lab) -> None:
    many = [f"10.{n // 250}.{n % 250}.{(n * 7) % 250}" for n in range(1000)]
    apply(lab, {"ipsec": {"action": "pass", "to": many}})
    assert passes(lab, out(lab, ESP, to=many[777]))
    assert not passes(lab, out(lab, ESP))


@BOTH
def test_guests_and_the_lan_differ(lab: Lab, version: int) -> None:
    apply(lab, {"wireguard": {"action": "block", "from": ["guest"]}})
    assert passes(lab, out(lab, UDP, 51820, version=version))
    assert not passes(lab, out(lab, UDP, 51820, version=version, host="g1"), "g1")
    assert passes(lab, out(lab, UDP, 53, version=version, host="g1"), "g1")
    to_lan = out(lab, UDP, 53, version=version, host="g1", to=CLIENT["c1"][version])
    assert lab.reaches(to_lan, "g1", "c1") is None, "zones do not reach one another"


@BOTH
def test_signatures_are_found_on_any_port(lab: Lab, version: int) -> None:
    first = {
        "wireguard": b"\x01\0\0\0" + b"\x07" * 144,
        "openvpn": b"\x38" + b"\x07" * 8 + b"\0" * 5,
        "nebula": bytes.fromhex("10000000000000000000000000000001") + b"\x07" * 30,
        "tailscale": bytes.fromhex("5453f09f92ac") + b"\x07" * 50,
    }
    block: dict[str, Any] = {"action": "block", "detect": "signature"}
    shared = {**block, "collateral": "accept"}
    apply(lab, {name: shared if name == "tailscale" else block for name in first})
    for number, payload in enumerate(first.values()):
        packet = out(lab, UDP, 5353, payload, version=version, source_port=42000 + number)
        assert not passes(lab, packet)
        other = bytes([payload[0] ^ 0x40]) + payload[1:]
        packet = out(lab, UDP, 5353, other, version=version, source_port=43000 + number)
        assert passes(lab, packet)
    same_bytes = out(lab, TCP, 5353, first["nebula"], version=version)
    assert passes(lab, same_bytes), "TCP carries no such signature"


OWN = {
    "mine": {"title": "Mine", "flows": {"sctp": {"layer4": "sctp", "ports": [5000]}}},
    "etherip": {"title": "EtherIP", "flows": {"frames": {"layer4": "etherip"}}},
    "wide": {"title": "Wide", "flows": {"udp": {"layer4": "udp", "ports": ["6000-6010", 6011]}}},
}


@BOTH
def test_protocols_of_a_user(lab: Lab, version: int) -> None:
    packets = [(SCTP, 5000), (ETHERIP, 0), (UDP, 6000), (UDP, 6011)]
    for action in ("keep", "block"):
        lab.clear()
        apply(lab, dict.fromkeys(OWN, action), own=OWN)
        for layer4, port in packets:
            payload = b"" if layer4 == SCTP else b"\x30\0data"
            seen = lab.reaches(out(lab, layer4, port, payload, version=version), "c1", "internet")
            assert (seen is None) == (action == "block"), (layer4, port)
    assert passes(lab, out(lab, UDP, 6012, version=version))


@BOTH
def test_strict_forward_drops_what_nobody_passes(lab: Lab, version: int) -> None:
    apply(lab, {"wireguard": "pass", "ipsec": "block"}, options=STRICT)
    assert passes(lab, out(lab, UDP, 51820, version=version))
    assert not passes(lab, out(lab, UDP, 53, version=version))
    assert not passes(lab, out(lab, TCP, 443, version=version))


@BOTH
def test_overlay_drops_but_leaves_the_rest_to_others(lab: Lab, version: int) -> None:
    apply(lab, {"wireguard": "block", "openvpn": "pass"}, options={"mode": "overlay"})
    other = "table inet other {{ chain f {{ type filter hook forward priority 0; policy {}; }}; }}"
    lab.load(other.format("accept"))
    if version == 4:
        lab.load("table ip n { chain m { type nat hook postrouting priority 100; masquerade; }; }")
    assert not passes(lab, out(lab, UDP, 51820, version=version))
    assert passes(lab, out(lab, UDP, 1194, version=version))
    lab.load("delete table inet other\n" + other.format("drop"))
    assert not passes(lab, out(lab, UDP, 1194, source_port=41001, version=version))


def test_the_same_table_again_keeps_connections(lab: Lab) -> None:
    wanted = table(intent({"openvpn": "block"}))
    load(lab, wanted)
    packet = out(lab, UDP, 51820)
    answer = open_(lab, packet)
    load(lab, TARGET.parse(lab.listing(), device()))
    assert alive(lab, packet, answer) == (True, True)


def test_logs_do_not_change_verdicts(lab: Lab) -> None:
    entry = {"action": "pass", "to": ["192.0.2.0/28"], "log": {"rate": "1/minute", "burst": 1}}
    apply(lab, {"wireguard": entry, "openvpn": {"action": "block", "log": True}})
    for number in range(4):
        assert passes(lab, out(lab, UDP, 51820, source_port=42000 + number))
        far = out(lab, UDP, 51820, to="192.0.2.99", source_port=42000 + number)
        assert not passes(lab, far)
        assert not passes(lab, out(lab, TCP, 1194, source_port=42000 + number))
