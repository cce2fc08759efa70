"""Families whose firmware is modelled, and those that nobody can prove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from compiler.model.device import Device, Fact
from compiler.model.intent import Intent
from compiler.prove.lab import missing
from compiler.prove.lab.namespaces import PACKAGES
from compiler.prove.result import Kind, RouterProof
from targets.asuswrt import TARGET as ASUS
from targets.ddwrt import TARGET as DDWRT
from targets.edgeos import TARGET as EDGEOS
from targets.freshtomato import TARGET as TOMATO
from targets.linksys import TARGET as LINKSYS
from targets.linux import TARGET as LINUX
from targets.netgear import TARGET as NETGEAR
from targets.routeros import TARGET as ROUTEROS
from targets.tplink import TARGET as TPLINK
from targets.vyos import TARGET as VYOS
from tests.conformance.passthru_conformance.cases import Case
from tests.prove.support import SMALL, device_of, proven, resolved, told

REASON = missing(tuple(PACKAGES))
pytestmark = [pytest.mark.kernel, pytest.mark.skipif(bool(REASON), reason=REASON or "-")]
RULESETS: Mapping[str, Fact] = {
    "attach": ["interfaces ethernet wan"],
    "ruleset_in": "WAN_IN",
    "ruleset_in6": "WANv6_IN",
}
OLD_KERNEL: Mapping[str, Fact] = {"kernel": "2.6.36"}


def found_on(
    target: Any,
    protocols: dict[str, Any],
    facts: Mapping[str, Fact] | None = None,
    options: Mapping[str, Fact] | None = None,
    expose: list[dict[str, Any]] | None = None,
) -> RouterProof:
    case = Case(target.name, target.name, facts=facts or {}, options=options or {})
    device: Device = device_of(case, SMALL)
    intent: Intent = resolved(protocols, expose=expose).intent
    return proven(target, device, intent)


def test_a_model_takes_the_routers_place_and_says_so() -> None:
    found = found_on(ASUS, {"pptp": "pass", "openvpn": "pass"}, OLD_KERNEL)
    assert found.modelled
    assert "README" in found.basis
    assert found.verdict == "proven", told(found.differences)
    assert any(c.flow == "pptp.data" and c.kind is Kind.EXCHANGE for c in found.checks)


def test_a_helper_that_nobody_knows_of_is_not_proven() -> None:
    found = found_on(ASUS, {"pptp": "pass"})
    kinds = {check.kind for check in found.checks if check.flow == "pptp.data"}
    assert kinds == {Kind.UNASKED}
    assert [finding.code.name for finding in found.findings] == ["E804"]


def test_what_compiling_told_and_the_policy_accepted_is_no_difference() -> None:
    """DD-WRT's switch leaves GRE open, and switches of ASUS leave running tunnels alone."""
    found = found_on(DDWRT, {"pptp": "block"}, {"covers_bridges": True})
    assert {check.accepted for check in found.checks} >= {"", "D501"}
    assert found.verdict == "proven", told(found.differences)
    found = found_on(ASUS, {"pptp": {"action": "block", "families": ["ipv4"]}})
    accepted = {check.kind: check.accepted for check in found.checks if check.accepted}
    assert accepted == {Kind.RUNNING: "D505"}


def test_a_script_of_ours_comes_before_the_models_rules() -> None:
    facts: dict[str, Fact] = {**OLD_KERNEL, "merlin": True}
    found = found_on(ASUS, {"wireguard": "block", "l2tp": "block"}, facts, {"scripts": True})
    assert found.verdict == "proven", told(found.differences)
    assert {check.accepted for check in found.checks} == {""}


def test_what_bypasses_a_script_of_ours_is_in_the_model() -> None:
    """Voxel's builds accelerate connections: running tunnels outlive the block."""
    facts: dict[str, Fact] = {"firmware": "voxel", "kernel": "3.4.103", "ipv6": False}
    found = found_on(NETGEAR, {"wireguard": "block", "pptp": "block"}, facts, {"scripts": True})
    assert found.verdict == "proven", told(found.differences)
    assert {check.accepted for check in found.checks} == {"", "D505"}


def test_a_model_that_contradicts_the_effects_fails() -> None:
    """The effects say that the switch drops udp/1701; here the model does not."""

    class Other(type(ASUS)):  # type: ignore[misc]
        def data_path(self, settings: Any, device: Device) -> Any:
            path = ASUS.data_path(settings, device)
            text = "".join(
                line for line in path.iptables.splitlines(keepends=True) if "1701" not in line
            )
            return replace(path, iptables=text)

        def __getattr__(self, name: str) -> Any:
            return getattr(ASUS, name)

    other = Other.__new__(Other)
    other.__dict__.update(ASUS.__dict__)
    found = found_on(other, {"l2tp": {"action": "block", "families": ["ipv4"]}})
    assert found.verdict == "differs"
    assert {c.flow for c in found.differences if c.kind is Kind.EXCHANGE} == {"l2tp.tunnel"}


def test_what_freshtomato_opens_to_everybody_is_found() -> None:
    """Its IPsec switch lets ESP and IKE in to every host, as its README says."""
    found = found_on(TOMATO, {"ipsec": "pass"}, options={"observed": "ipsec_pass=1\nx=y\n"})
    unasked = [check for check in found.differences if check.kind is Kind.UNASKED]
    assert {check.flow for check in unasked} >= {"ipsec.esp", "ikev2.ike"}


@pytest.mark.parametrize(
    ("target", "facts"), [(NETGEAR, {}), (TPLINK, {}), (LINKSYS, {"flavour": "jnap"})]
)
def test_what_nobody_can_prove_is_said(target: Any, facts: Mapping[str, Fact]) -> None:
    found = found_on(target, {"pptp": "pass"}, facts)
    assert found.verdict == "not provable"
    (finding,) = found.findings
    assert finding.code.name == "E803"
    assert finding.message.startswith("not provable: ")


@pytest.mark.parametrize("devices", [["a/b"], ["lo"], [".."], ["x" * 16], ["-x"], ["a b"]])
def test_interfaces_that_no_lab_can_have_are_said(devices: list[str]) -> None:
    zones = {"lan": {"devices": devices}, "wan": {"devices": ["w"]}}
    device = device_of(Case("linux", "linux"), zones)
    found = proven(LINUX, device, resolved({"wireguard": "pass"}).intent)
    assert [finding.code.name for finding in found.findings] == ["E803"]


@pytest.mark.parametrize(
    ("target", "facts", "options", "ah"),
    [
        (VYOS, {"release": "1.4"}, {}, "D505"),
        (VYOS, {"release": "1.3.8", "other_rulesets": False}, RULESETS, "D505"),
        (EDGEOS, {"auto_helper": True, "other_rulesets": False}, RULESETS, "D501"),
    ],
    ids=["vyos-1.4", "vyos-1.3", "edgeos"],
)
def test_a_vyatta_router_is_whole(
    target: Any, facts: Mapping[str, Fact], options: Mapping[str, Fact], ah: str
) -> None:
    """Helper, forwarding to a server whose protocol clients may not use, and AH over IPv6."""
    exposed = [{"protocol": "l2tp", "to": "192.168.1.11"}]
    wanted = {"pptp": "pass", "l2tp": "block", "ipsec": "block"}
    found = found_on(target, wanted, facts, options, exposed)
    assert found.verdict == "proven", told(found.differences)
    assert {(c.flow, c.family) for c in found.checks if c.accepted == ah} == {("ah.ah", "ipv6")}
    assert found.left_out == ()
    ways = {(c.flow, c.way) for c in found.checks if c.found == "passed"}
    assert ways >= {("pptp.data", "br-lan > wan"), ("l2tp.tunnel", "wan > br-lan")}


def test_what_fasttrack_carries_past_the_rules_is_in_the_model() -> None:
    """Its script ends such connections for IPv4 only; a server answers although clients may not."""
    exposed = [{"protocol": "l2tp", "to": "192.168.1.11"}]
    found = found_on(ROUTEROS, {"l2tp": "block", "pptp": "pass"}, expose=exposed)
    assert found.verdict == "proven", told(found.differences)
    assert "manual" in found.basis
    accepted = {(c.kind, c.family) for c in found.checks if c.accepted == "D505"}
    assert accepted == {(Kind.RUNNING, "ipv6")}
    ways = {(c.flow, c.way) for c in found.checks if c.found == "passed"}
    assert ways >= {("pptp.data", "br-lan > wan"), ("l2tp.tunnel", "wan > br-lan")}
