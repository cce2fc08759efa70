"""Shortcuts: established traffic leaves after three rules at most, and no verdict changes."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from compiler.model.device import Address
from compiler.model.finding import Code
from compiler.model.protocol import AH, ESP, GRE, PORTED, TCP, UDP, Signature
from targets.linux import TARGET, branches, nft
from targets.linux.branches import Branches
from targets.linux.effects import sample_payload
from targets.linux.walk import Packet, Walker
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import Situation, situation
from tests.conformance.passthru_conformance.strategies import data

MODES = [{}, {"forward": "drop"}, {"mode": "overlay"}]
CASES = [Case("linux", "linux", options=options) for options in MODES]
FOUR = ["192.168.1.20", "192.168.1.70", "192.168.1.200", "192.168.2.5", "192.168.2.20"]
FAR_FOUR = ["203.0.113.5", "203.0.113.7", "203.0.113.20", "198.51.100.9", "10.1.2.3", "9.9.9.9"]
SIX = ["2001:db8:1::20", "2001:db8:1:0:8000::1", "2001:db8:2::20"]
FAR_SIX = ["2001:db8:ffff::1", "2001:db8:ffff::9", "8000::7", "2620:fe::9"]


@st.composite
def routers(draw: st.DrawFn) -> Situation:
    found = situation(draw(st.sampled_from(CASES)), draw(data()))
    return found if found is not None and found.intent.decisions else reject()


def without_shortcuts(found: Situation, patch: pytest.MonkeyPatch) -> nft.Table:
    with patch.context() as patched:
        patched.setattr(Branches, "_bodies", lambda _self, _segment, rules, *_more: dict(rules))
        patched.setattr(branches, "bypass", lambda _branching: None)
        patched.setattr(branches, "exact", lambda _branching: False)
        return TARGET.settings(found.intent, found.device)


@st.composite
def connections(draw: st.DrawFn, found: Situation) -> Packet:
    """Give a packet of a connection that either side opened, with any signature or none."""
    flows = [flow for decision in found.intent.decisions for flow in decision.flows]
    version = draw(st.sampled_from([4, 6]))
    layer4 = draw(st.sampled_from([flow.layer4 for flow in flows] + [TCP, UDP, GRE, ESP, AH]))
    named = [
        port for f in flows if f.layer4 == layer4 for r in f.ports for port in (r.first, r.last)
    ]
    port = draw(st.sampled_from([*named[:50], 7]))
    signatures: list[Signature | None] = [None, *(flow.signature for flow in flows)]
    device = found.device
    near = draw(st.sampled_from([name for zone in device.lan_zones for name in zone.devices]))
    far = draw(st.sampled_from([name for zone in device.wan_zones for name in zone.devices]))
    inner: Address = ip_address(draw(st.sampled_from(FOUR if version == 4 else SIX)))
    outer: Address = ip_address(draw(st.sampled_from(FAR_FOUR if version == 4 else FAR_SIX)))
    opened_outside = draw(st.booleans())
    ends = (far, near, outer, inner) if opened_outside else (near, far, inner, outer)
    own = draw(st.sampled_from([40000, 40000, *named[:50]]))  # some use a VPN's port as their own
    ports = (own, port) if layer4 in PORTED else (0, 0)
    return Packet(
        ends[0], ends[1], f"ipv{version}", layer4, ends[2], ends[3], *ports,
        sample_payload(draw(st.sampled_from(signatures))),
        state=draw(st.sampled_from(["established", "established", "related", "new"])),
        first_from=ends[2],
        first_to=ip_address("203.0.113.2") if opened_outside and version == 4 else ends[3],
        answered_by=ends[3],
        dnat=opened_outside and version == 4,
    )  # fmt: skip


def answer(packet: Packet) -> Packet:
    return replace(
        packet, incoming=packet.outgoing, outgoing=packet.incoming, source=packet.destination,
        destination=packet.source, source_port=packet.destination_port,
        destination_port=packet.source_port, direction="reply", state="established",
    )  # fmt: skip


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_established_traffic_leaves_after_three_rules(data: st.DataObject) -> None:
    found = data.draw(routers())
    walker = Walker(TARGET.settings(found.intent, found.device))
    for packet in data.draw(st.lists(connections(found), min_size=20, max_size=40)):
        for one in (replace(packet, state="established"), answer(packet)):
            outcome = walker.forward(one)
            assert outcome.verdict == "drop" or outcome.met <= 3, (one, outcome)


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_a_shortcut_never_changes_a_verdict(data: st.DataObject) -> None:
    found = data.draw(routers())
    short = Walker(TARGET.settings(found.intent, found.device))
    with pytest.MonkeyPatch.context() as patch:
        long = Walker(without_shortcuts(found, patch))
    for packet in data.draw(st.lists(connections(found), min_size=20, max_size=40)):
        for one in (packet, answer(packet)):
            assert short.forward(one).verdict == long.forward(one).verdict, one


def test_shortcuts_are_at_work() -> None:
    """The comparison above would hold of no shortcuts too."""
    found: Any = situation(CASES[0], {
        "zones": {"lan": {"devices": ["br1"]}, "wan": {"devices": ["eth0"]}},
        "protocols": {},
        "policy": {"name": "a", "hosts": "all", "passthrough": {"ikev1": "block", "ipsec": "pass"}},
    })  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        long = without_shortcuts(found, patch)
    short = TARGET.settings(found.intent, found.device)
    rules = [sum(len(chain.rules) for chain in table.chains) for table in (long, short)]
    assert rules[0] < rules[1]


#: Signatures on one port: two that one byte tells apart, and others that overlap with them.
SIGNED: list[dict[str, Any]] = [
    {"bytes": [{"at": 0, "value": "01"}]},
    {"bytes": [{"at": 0, "value": "02"}]},
    {"bytes": [{"at": 4, "value": "0003", "mask": "00ff"}]},
    {"bytes": [{"at": 0, "value": "01"}], "payload_length": 40},
]
LIMITS: list[dict[str, Any]] = [
    {},
    {"to": ["203.0.113.0/28", "2001:db8:ffff::/64"]},
    {"from": ["lan", "192.168.2.5", "2001:db8:2::/65"]},
    {"from": ["192.168.1.64/26", "2001:db8:1::/64"], "to": ["10.0.0.0/8", "8000::/1"]},
]


@st.composite
def signed(draw: st.DrawFn) -> Situation:
    """Give a policy about users' protocols that share a port and have signatures."""
    chosen = draw(st.lists(st.sampled_from(range(4)), min_size=1, max_size=3, unique=True))
    own = {
        f"own-{n}": {
            "title": "A user's",
            "part_of": "own",
            "flows": {
                "main": {
                    "layer4": "udp",
                    "ports": [7777],
                    "signature": SIGNED[n],
                    "introduces": draw(st.booleans()),
                }
            },
        }
        for n in chosen
    }
    own["own"] = {
        "title": "A family of a user's",
        "flows": {"all": {"layer4": "udp", "ports": [7778]}},
    }
    said = {
        name: {
            "action": draw(st.sampled_from(["pass", "block"])),
            "collateral": "accept",
            **draw(st.sampled_from(LIMITS)),
        }
        for name in own
        if name != "own"
    }
    for entry in said.values():
        if entry["action"] == "pass":
            del entry["collateral"]
    zones = {
        "lan": {"devices": ["br1"], "networks": ["192.168.1.0/24", "2001:db8:1::/64"]},
        "guest": {"devices": ["br2"], "networks": ["192.168.2.0/24", "2001:db8:2::/64"]},
        "wan": {"devices": ["eth0"]},
    }
    policy = {"name": "a play", "hosts": "all", "passthrough": said}
    found = situation(
        draw(st.sampled_from(CASES)), {"zones": zones, "protocols": own, "policy": policy}
    )
    assert found is not None
    assert len(found.intent.decisions) == len(said)
    return found


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_signatures_of_users_keep_their_verdicts(data: st.DataObject) -> None:
    found = data.draw(signed())
    short = Walker(TARGET.settings(found.intent, found.device))
    with pytest.MonkeyPatch.context() as patch:
        long = Walker(without_shortcuts(found, patch))
    notes = [n.message for n in TARGET.notes(found.intent, found.device) if n.code is Code.T409]
    most = max([3, *(int(rules) for note in notes for rules in re.findall(r"up to (\d+)", note))])
    for packet in data.draw(st.lists(connections(found), min_size=20, max_size=40)):
        payload = data.draw(st.sampled_from([b"\x01", b"\x02" * 40, b"\x01\0\0\0\x07\x03", b""]))
        one = replace(packet, layer4=UDP, destination_port=7777, source_port=40000, payload=payload)
        for sent in (one, answer(one)):
            outcome = short.forward(sent)
            assert outcome.verdict == long.forward(sent).verdict, sent
            if sent.state == "established" and outcome.verdict != "drop":
                assert outcome.met <= most, sent


@pytest.mark.parametrize(("chosen", "rules"), [((0, 1), 3), ((0, 2), 7), ((0, 1, 2), 9)])
def test_signatures_that_cost_more_than_three_rules_are_named(
    chosen: tuple[int, ...], rules: int
) -> None:
    flows = {"layer4": "udp", "ports": [7777]}
    own = {
        f"own-{n}": {
            "title": "A user's",
            "part_of": "own",
            "flows": {"main": {**flows, "signature": SIGNED[n]}},
        }
        for n in chosen
    }
    found: Any = situation(CASES[0], {
        "zones": {"lan": {"devices": ["br1"]}, "wan": {"devices": ["eth0"]}},
        "protocols": {
            "own": {"title": "A family", "flows": {"all": {**flows, "ports": [7778]}}},
            **own,
        },
        "policy": {"name": "a", "hosts": "all", "passthrough": {
            name: {"action": "block", "collateral": "accept"} for name in own
        } | {"own-0": "pass"}},
    })  # fmt: skip
    told = [n for n in TARGET.notes(found.intent, found.device) if n.code is Code.T409]
    assert len(told) == (rules > 3)
    assert all(f"udp/7777 meet up to {rules} rules" in note.message for note in told)
    walker = Walker(TARGET.settings(found.intent, found.device))
    client, far = ip_address("192.168.1.20"), ip_address("9.9.9.9")
    packet = Packet("br1", "eth0", "ipv4", UDP, client, far, 40000, 7777, b"other" * 9,
                    first_from=client, first_to=far, answered_by=far)  # fmt: skip
    outcome = walker.forward(replace(packet, state="established"))
    assert outcome.verdict == "accept"
    assert 3 <= outcome.met <= rules
    assert (outcome.met > 3) == (rules > 3)


def test_a_packet_with_two_signatures_is_dropped_if_one_of_them_is() -> None:
    """Its first signature sends it to a chain; the other must not be forgotten there."""
    flows = {"layer4": "udp", "ports": [7777]}
    found: Any = situation(CASES[0], {
        "zones": {"lan": {"devices": ["br1"]}, "wan": {"devices": ["eth0"]}},
        "protocols": {
            "own": {"title": "A family", "flows": {"all": {**flows, "ports": [7778]}}},
            **{
                f"own-{n}": {
                    "title": "A user's",
                    "part_of": "own",
                    "flows": {"main": {**flows, "signature": SIGNED[n]}},
                }
                for n in (0, 3)
            },
        },
        "policy": {"name": "a", "hosts": "all", "passthrough": {
            "own-0": {"action": "pass", "to": ["203.0.113.0/28"], "otherwise": "keep"},
            "own-3": {"action": "block", "collateral": "accept"},
        }},
    })  # fmt: skip
    walker = Walker(TARGET.settings(found.intent, found.device))
    client, far = ip_address("192.168.1.20"), ip_address("9.9.9.9")
    packet = Packet("br1", "eth0", "ipv4", UDP, client, far, 40000, 7777, b"\x01" * 40,
                    first_from=client, first_to=far, answered_by=far)  # fmt: skip
    assert walker.forward(packet).verdict == "drop"
    assert walker.forward(replace(packet, payload=b"\x01" * 39)).verdict == "accept"
