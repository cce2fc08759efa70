"""Plays into an intent: order, the tree, the default, collateral, exposures, expiry."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.catalogue import builtin
from compiler.model.finding import Severity
from compiler.model.intent import Action, OnDeviation
from compiler.policy.names import check_names
from tests.policy.support import DEVICE, actions, entries, plays, resolved, told

IDS = list(builtin().protocols)


def test_later_plays_win_per_protocol_and_origins_name_the_line() -> None:
    text = (
        "- name: first\n  hosts: all\n  passthrough: {pptp: pass, openvpn: pass}\n"
        "- name: second\n  hosts: all\n  passthrough: {pptp: block}\n"
    )
    result = resolved(text)
    assert actions(result) == {"pptp": "block", "openvpn": "pass"}
    decision = result.intent.decision("pptp")
    assert decision
    assert (decision.origin.play, decision.origin.place.line) == ("second", 6)
    assert result.deciding == {0, 1}


def test_a_play_that_is_overruled_decides_nothing() -> None:
    text = entries("pptp: pass") + entries("pptp: keep")
    assert resolved(text).deciding == {1}


def test_keep_leaves_no_trace_and_is_the_default() -> None:
    assert actions(resolved(entries("default: block", "l2tp: keep"))).get("l2tp") is None
    assert actions(resolved(entries("pptp: keep"))) == {}
    assert set(actions(resolved(entries("pptp: block")))) == {"pptp"}


def test_the_default_holds_for_all_that_is_not_named() -> None:
    found = actions(resolved(entries("default: block", "openvpn: pass")))
    assert found.pop("openvpn") == "pass"
    assert set(found.values()) == {"block"}
    assert "sstp" not in found  # nothing of it is its own: tcp/443


def test_a_default_block_never_blocks_a_shared_flow() -> None:
    for decision in resolved(entries("default: block")).intent.decisions:
        assert not any(flow.shared for flow in decision.flows)


def test_a_default_pass_promises_nothing_impossible() -> None:
    found = actions(resolved(entries("default: pass")))
    assert "ah" not in found
    assert found["sstp"] == "pass"


def test_the_parts_of_ipsec_follow_it() -> None:
    assert actions(resolved(entries("ipsec: pass"))) == {
        "ipsec": "pass", "ikev1": "pass", "ikev2": "pass",
    }  # fmt: skip
    assert actions(resolved(entries("ipsec: block"))) == {
        "ipsec": "block", "ikev1": "block", "ikev2": "block", "ah": "block",
    }  # fmt: skip
    followed = resolved(entries("ipsec: pass")).intent.decision("ikev2")
    assert followed
    assert followed.origin.inherited_from == "ipsec"


def test_a_part_that_is_named_follows_no_more() -> None:
    found = actions(resolved(entries("ipsec: pass", "ikev1: block")))
    assert (found["ikev1"], found["ikev2"], found["ipsec"]) == ("block", "pass", "pass")
    found = actions(resolved(entries("ipsec: block", "ikev2: keep")))
    assert "ikev2" not in found


def test_a_part_follows_a_keep_and_not_the_default() -> None:
    found = actions(resolved(entries("default: block", "ipsec: keep")))
    assert not {"ipsec", "ikev1", "ikev2", "ah"} & set(found)


def test_ah_follows_only_a_block_and_takes_the_default_otherwise() -> None:
    assert actions(resolved(entries("default: block", "ipsec: pass")))["ah"] == "block"


def test_a_part_claims_the_flows_of_its_parent_that_serve_it() -> None:
    found = resolved(entries("ikev2: pass")).intent.decision("ikev2")
    assert found
    assert {"ipsec.esp", "ipsec.esp-udp"} < {flow.id for flow in found.flows}


def test_l2tp_does_not_follow_ipsec() -> None:
    assert "l2tp" not in actions(resolved(entries("ipsec: block")))


def test_only_a_pass_brings_the_helper() -> None:
    for action, wanted in (("pass", True), ("block", False)):
        found = resolved(entries(f"pptp: {action}")).intent.decision("pptp")
        assert found
        assert bool(found.helper) is wanted


@pytest.mark.parametrize("protocol", ["sstp", "openconnect", "softether", "tailscale"])
def test_blocking_a_shared_flow_must_be_written_out(protocol: str) -> None:
    (line,) = told(resolved(entries(f"{protocol}: block")))
    assert line.startswith("P113 3:5")
    found = resolved(entries(f"{protocol}: {{action: block, collateral: accept}}"))
    decision = found.intent.decision(protocol)
    assert decision
    assert any(flow.shared for flow in decision.flows)


def test_moving_onto_a_shared_port_makes_the_block_collateral() -> None:
    (line,) = told(resolved(entries("wireguard: {action: block, ports: [udp/53]}")))
    assert line.startswith("P113")


def test_detect_takes_the_signatures_of_the_catalogue() -> None:
    found = resolved(entries("wireguard: {action: block, detect: signature}"))
    decision = found.intent.decision("wireguard")
    assert decision
    assert decision.detect == builtin().protocols["wireguard"].signatures != ()
    (line,) = told(resolved(entries("pptp: {action: block, detect: signature}")))
    assert line.startswith("P118 3:5")


def test_an_alias_is_the_protocol() -> None:
    protocol = next(p for p in builtin().protocols.values() if p.aliases)
    alias = protocol.aliases[0]
    assert protocol.id in actions(resolved(entries(f"{alias}: pass")))
    findings = check_names(plays(entries(f"{alias}: pass", f"{protocol.id}: block")), builtin())
    assert [f.code.name for f in findings] == ["P103"]


@pytest.mark.parametrize("name", ["wiregaurd", "5", "null", "yes", "'a b'", "'x\\n'", "1.5", "''"])
def test_unknown_protocols_are_named_at_their_key(name: str) -> None:
    (found,) = check_names(plays(entries("pptp: pass", f"{name}: pass")), builtin())
    assert found.code.name == "P104"
    assert found.place
    assert (found.place.line, found.place.column) == (4, 5)
    assert found.message.isprintable()


def test_the_hint_names_the_protocol_that_was_meant() -> None:
    (found,) = check_names(plays(entries("wiregaurd: pass")), builtin())
    assert found.hint == "did you mean 'wireguard'?"


@pytest.mark.parametrize(
    ("until", "expired"), [("2026-05-31", True), ("2026-06-01", True), ("2026-06-02", False)]
)
def test_a_grant_ends_on_its_day(until: str, expired: bool) -> None:  # noqa: FBT001
    text = entries(f"pptp: {{action: pass, until: {until}}}")
    result = resolved(text)
    assert [line[:9] for line in told(result)] == (["P116 3:33"] if expired else [])
    assert (result.intent.decision("pptp") is None) is expired
    allowed = resolved(text, allow_expired=True)
    assert allowed.intent.decision("pptp")
    assert all(f.severity is Severity.WARNING for f in allowed.findings)


def test_variables_of_the_play_win_over_the_inventory_and_extra_ones_over_both() -> None:
    text = "- hosts: all\n  vars: {a: block}\n  passthrough: {pptp: '{{ a }}', l2tp: '{{ b }}'}\n"
    inventory = {"a": "pass", "b": "pass"}
    assert actions(resolved(text, inventory)) == {"pptp": "block", "l2tp": "pass"}
    found = resolved(text, inventory, extra_vars={"a": "keep", "b": "block"})
    assert actions(found) == {"l2tp": "block"}


def test_on_deviation_is_the_last_plays() -> None:
    text = entries("pptp: pass") + "  on_deviation: warn\n" + entries("l2tp: pass")
    assert resolved(text).intent.on_deviation is OnDeviation.WARN
    assert resolved(entries("pptp: pass")).intent.on_deviation is OnDeviation.FAIL


def _expose(*items: str) -> str:
    return "- hosts: all\n  expose:\n" + "".join(f"    - {{{item}}}\n" for item in items)


def test_an_exposure_brings_all_flows_of_its_server() -> None:
    result = resolved(_expose("protocol: ipsec, to: 192.168.1.20, from: 203.0.113.0/24"))
    (found,) = result.intent.exposures
    assert told(result) == []
    assert found.to == ip_address("192.168.1.20")
    assert {flow.protocol for flow in found.flows} == {"ipsec", "ikev1", "ikev2"}
    assert result.deciding == {0}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("protocol: openvpn, to: 192.168.9.1", "P119 3:31"),
        ("protocol: openvpn, to: 192.168.1.0/24", "P110 3:31"),
        ("protocol: openvpn, to: '{{ nothing }}'", "V301 3:7"),
        ("protocol: openvpn, to: 192.168.1.1, from: 1.2.3.4/8", "P110 3:50"),
        ("protocol: '{{ p }}', to: 192.168.1.1", "P104 3:7"),
    ],
)
def test_impossible_exposures(item: str, problem: str) -> None:
    (line,) = told(resolved(_expose(item), {"p": "nosuch"}))
    assert line.startswith(problem)


def test_two_servers_cannot_have_the_same_packets() -> None:
    (line,) = told(
        resolved(
            _expose("protocol: wireguard, to: 192.168.1.2", "protocol: wireguard, to: 192.168.1.3")
        )
    )
    assert line.startswith("P119 4:7")
    assert "p.yml:3:7" in line


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (", from: 10.0.0.0/8", ", from: 172.16.0.0/12"),
        (", ports: [udp/1]", ", ports: [udp/2]"),
    ],
)
def test_two_servers_that_are_told_apart(first: str, second: str) -> None:
    text = _expose(
        f"protocol: wireguard, to: 192.168.1.2{first}",
        f"protocol: wireguard, to: 192.168.1.3{second}",
    )
    assert told(resolved(text)) == []


_ACTIONS = st.sampled_from(["pass", "block", "keep"])


@given(
    st.dictionaries(st.sampled_from(["pptp", "l2tp", "ipsec", "ikev1", "ikev2", "openvpn"]), _ACTIONS),
    st.dictionaries(st.sampled_from(["pptp", "l2tp", "ipsec", "ikev1", "ikev2", "openvpn"]), _ACTIONS),
)  # fmt: skip
def test_two_plays_are_one_play_with_the_later_entries(
    first: dict[str, str], second: dict[str, str]
) -> None:
    def play(chosen: dict[str, str]) -> str:
        return entries("default: keep", *(f"{k}: {v}" for k, v in chosen.items()))

    assert actions(resolved(play(first) + play(second))) == actions(resolved(play(first | second)))


@given(st.dictionaries(st.sampled_from(IDS), _ACTIONS), _ACTIONS)
def test_an_intent_is_sorted_and_says_nothing_of_what_is_kept(
    chosen: dict[str, str], default: str
) -> None:
    lines = [f"{k}: {{action: {v}}}" for k, v in chosen.items()]
    result = resolved(entries(f"default: {default}", *lines))
    names = [decision.protocol for decision in result.intent.decisions]
    assert names == sorted(set(names))
    for decision in result.intent.decisions:
        assert decision.action is not Action.KEEP
        assert decision.flows
    for name in (k for k, v in chosen.items() if v == "keep"):
        assert result.intent.decision(name) is None
    assert result.intent.device == DEVICE.name


def test_a_default_says_what_it_leaves_out() -> None:
    blocked = resolved(entries("default: block")).findings
    assert {f.code.name for f in blocked} == {"L607"}
    assert any("sstp.tls (tcp/443)" in f.message for f in blocked)
    passed = resolved(entries("default: pass")).findings
    assert [f.message for f in passed] == ["the default does not pass 'ah': it cannot cross NAT"]
