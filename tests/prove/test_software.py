"""The tier ``vpn`` as a proof: which software stands for what, and what its results mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from compiler.model.device import Device
from compiler.model.intent import Intent
from compiler.prove import software, vpn
from compiler.prove.result import Experience, Kind, RouterProof
from targets.asuswrt import TARGET as ASUS
from targets.linux import TARGET as LINUX
from tests.conformance.passthru_conformance.cases import Case
from tests.prove.support import SMALL, device_of, resolved

Asked = list[tuple[Sequence[vpn.Ruleset], tuple[str, ...]]]
POLICY: dict[str, Any] = {
    "pptp": "block",
    "openvpn": "pass",
    "ikev1": "block",
    "wireguard": {"action": "pass", "to": ["198.51.100.0/24"]},
}


def result(
    name: str, protocol: str, phase: vpn.Phase, outcome: vpn.Outcome, client: int = 1
) -> vpn.VpnResult:
    flows = (vpn.FlowCount("control", 3, 0),)
    return vpn.VpnResult(name, protocol, client, phase, outcome, 2.0, flows, ("first", "last"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Pretend that the machine runs: what is blocked is blocked, and one tunnel lives on."""
    found: Asked = []

    def run(
        rulesets: Sequence[vpn.Ruleset], _: Device, protocols: tuple[str, ...], **__: Any
    ) -> tuple[vpn.VpnResult, ...]:
        found.append((rulesets, protocols))
        new, running = vpn.Phase.NEW, vpn.Phase.RUNNING
        return (
            *(result("open", name, new, vpn.Outcome.PASSED) for name in protocols),
            result("policy", "pptp", new, vpn.Outcome.BLOCKED),
            result("policy", "pptp", running, vpn.Outcome.PASSED),
            result("policy", "openvpn-udp", new, vpn.Outcome.PASSED, 2),
            result("policy", "openvpn-tcp", new, vpn.Outcome.PARTLY),
            result("policy", "ikev1", running, vpn.Outcome.CUT),
        )

    monkeypatch.setattr(vpn, "run", run)
    return found


def prove(target: Any, options: dict[str, Any] | None = None) -> RouterProof:
    device: Device = device_of(Case(target.name, target.name, options=options or {}), SMALL)
    intent: Intent = resolved(POLICY).intent
    return software.prove(target, target.settings(intent, device), device, intent)


def test_results_become_checks(asked: Asked) -> None:
    found = prove(LINUX)
    seen = {(c.kind, c.protocol, c.flow, c.client): (c.found, c.differs) for c in found.checks}
    assert seen == {
        (Kind.VPN, "pptp", "pptp", "c1"): (Experience.BLOCKED, False),
        (Kind.RUNNING, "pptp", "pptp", "c1"): (Experience.PASSED, True),
        (Kind.VPN, "openvpn", "openvpn-udp", "c2"): (Experience.PASSED, False),
        (Kind.VPN, "openvpn", "openvpn-tcp", "c1"): (Experience.PARTLY, True),
        (Kind.RUNNING, "ikev1", "ikev1", "c1"): (Experience.BLOCKED, False),
    }
    assert all(check.lost and check.lost.rule == "first; last" for check in found.differences)
    assert found.verdict == "differs"


def test_tunnels_come_up_under_rules_that_pass_everything(asked: Asked) -> None:
    prove(LINUX)
    ((opened, policy), protocols) = asked[0]
    assert "drop" not in opened.bundle.native_text.replace("policy drop", "").replace(
        "ct state invalid drop", ""
    )
    assert "ct helper set" in opened.bundle.native_text, "PPTP opens with its helper only"
    assert "counter drop" in policy.bundle.native_text
    assert "wireguard" not in protocols, "it has limits"
    assert {"pptp", "openvpn-udp", "openvpn-tcp", "l2tp-ipsec", "ikev1", "ikev1-esp"} == set(
        protocols
    )


def test_raw_esp_is_left_out_where_the_router_forwards_no_ipv6(asked: Asked) -> None:
    device = device_of(Case("linux", "linux", facts={"ipv6": False}), SMALL)
    intent = resolved(POLICY).intent
    software.prove(LINUX, LINUX.settings(intent, device), device, intent)
    ((_, protocols),) = asked
    assert "ikev1" in protocols
    assert "ikev1-esp" not in protocols


def test_what_is_left_out_is_said(asked: Asked) -> None:
    (finding,) = prove(LINUX).findings
    assert finding.code.name == "E804"
    assert "wireguard" in finding.message


def test_software_that_never_works_proves_nothing(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (result("open", "pptp", vpn.Phase.NEW, vpn.Outcome.BROKEN),)
    monkeypatch.setattr(vpn, "run", lambda *_, **__: broken)
    found = prove(LINUX)
    assert any("even where everything passes" in finding.message for finding in found.findings)
    assert found.verdict == "not provable"


@pytest.mark.parametrize(("target", "options"), [(ASUS, {}), (LINUX, {"mode": "overlay"})])
def test_bundles_that_no_machine_here_runs_are_said(
    asked: Asked, target: Any, options: dict[str, Any]
) -> None:
    found = prove(target, options)
    assert not asked
    assert [finding.code.name for finding in found.findings] == ["E803"]
