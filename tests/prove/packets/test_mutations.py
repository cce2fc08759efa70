"""Break a compiled ruleset at one place: the proof must fail, and say why."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from compiler.errors import ProofError
from compiler.model.protocol import Family
from compiler.prove.lab import missing
from compiler.prove.result import Experience, Kind
from tests.prove.support import Edit, proof, reasons, resolved, told, without

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
PASSED: dict[str, Any] = {"pptp": "pass", "wireguard": "pass"}
BLOCKED: dict[str, Any] = {"pptp": "block", "wireguard": "block"}
FORWARD = "'inet passthru forward'"
DROPPED = "and its policy is drop [inet passthru forward: policy drop]"
SERVED = [{"protocol": "openvpn", "to": "192.168.1.20"}, {"protocol": "pptp", "to": "192.168.1.21"}]


def test_unbroken_rules_are_proven() -> None:
    for protocols in (PASSED, BLOCKED):
        found = proof(resolved(protocols, expose=SERVED))
        assert found.verdict == "proven", told(found.differences)


def test_without_the_helper_pptp_connects_and_its_data_is_lost() -> None:
    found = proof(resolved(PASSED), without("ct helper set"))
    assert {check.flow for check in found.differences} == {"pptp.data"}
    (why,) = reasons(found, "pptp.data")
    assert why.startswith("the NAT helper 'pptp' is not at work: control connects, data is lost")
    assert "belongs to no connection that the router knows" in why
    assert {c.found for c in found.differences} == {Experience.PARTLY}


def test_without_the_established_rule_no_answer_comes_back() -> None:
    found = proof(resolved(PASSED), _without_established)
    for flow in ("pptp.control", "wireguard.data"):
        assert reasons(found, flow) == {f"no rule of {FORWARD} passes the answer, {DROPPED}"}
    lost = {c.lost.way for c in found.differences if c.lost and c.kind is Kind.EXCHANGE}
    assert lost == {"back"}
    assert any(check.kind is Kind.RUNNING for check in found.differences)


def _without_established(text: str) -> str:
    return text.replace("\t\tct state established,related accept\n", "")


def test_without_masquerading_the_clients_address_leaves() -> None:
    found = proof(resolved(PASSED), without("ipv4 oifname .* masquerade"))
    assert reasons(found, "wireguard.data") == {
        "it leaves with the client's own address: nothing translates it []"
    }
    assert {check.family for check in found.differences} == {Family.IPV4}


def test_without_the_forward_rule_nothing_gets_out() -> None:
    found = proof(resolved(PASSED), without('oifname "wan" accept'))
    for flow in ("pptp.control", "wireguard.data"):
        assert reasons(found, flow) == {f"no rule of {FORWARD} passes it, {DROPPED}"}
    assert {c.found for c in found.differences if c.flow != "pptp.data"} == {Experience.BLOCKED}


def test_without_the_block_the_rule_that_lets_it_out_is_named() -> None:
    found = proof(resolved(BLOCKED), without("vmap @flows_"))
    (why,) = reasons(found, "wireguard.data")
    assert why.startswith("'inet passthru ordinary_' accepts it [inet passthru ordinary_: ")
    assert 'oifname "wan" accept' in why


def test_a_block_behind_the_established_rule_leaves_running_tunnels_alone() -> None:
    found = proof(resolved(BLOCKED), _block_last)
    assert {check.kind for check in found.differences} == {Kind.RUNNING}
    (why,) = reasons(found, "wireguard.data", Kind.RUNNING)
    assert "established" in why


def _block_last(text: str) -> str:
    return re.sub(r"(.*vmap @flows_\n)(.*established,related accept\n)", r"\2\1", text)


def test_with_an_open_policy_anybody_comes_in() -> None:
    found = proof(resolved(PASSED), lambda text: text.replace("policy drop", "policy accept"))
    assert {check.kind for check in found.differences} == {Kind.UNASKED}
    assert reasons(found, "wireguard.data", Kind.UNASKED) == {"no rule stops it []"}


@pytest.mark.parametrize(
    ("edit", "flow", "why"),
    [
        (without("dnat ip to"), "openvpn.udp", "keeps it to itself"),
        (without("ct status dnat"), "openvpn.tcp", "inet passthru forward: policy drop"),
        (without("ct helper set"), "pptp.data", "the NAT helper 'pptp' is not at work"),
    ],
)
def test_exposed_servers_need_all_of_their_rules(edit: Edit, flow: str, why: str) -> None:
    found = proof(resolved({"wireguard": "block"}, expose=SERVED), edit)
    assert all(why in one for one in reasons(found, flow, Kind.INBOUND))
    assert reasons(found, flow, Kind.INBOUND)


def test_a_limit_that_is_a_little_off_is_noticed() -> None:
    limited = {"wireguard": {"action": "pass", "to": ["198.51.100.0/24"]}}
    for wrong in ("198.51.100.0/25", "198.51.100.0/23", "198.51.100.0-198.51.100.254"):
        found = proof(resolved(limited), partial(_replaced, "198.51.100.0/24", wrong))
        assert {check.kind for check in found.differences} == {Kind.LIMIT}, wrong


def _replaced(old: str, new: str, text: str) -> str:
    return text.replace(old, new)


def test_a_signature_that_is_not_matched_is_noticed() -> None:
    hidden = {"wireguard": {"action": "block", "detect": "signature"}}
    assert proof(resolved(hidden)).verdict == "proven"
    found = proof(resolved(hidden), without("@th,64,32"))
    assert {check.kind for check in found.differences} == {Kind.SIGNATURE}


def test_a_policy_that_does_not_load_is_no_proof() -> None:
    with pytest.raises(ProofError) as caught:
        proof(resolved(PASSED), lambda text: text.replace("masquerade", "masquerode"))
    assert caught.value.findings[0].code.name == "E802"
