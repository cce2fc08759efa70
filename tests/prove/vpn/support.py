"""Rulesets of the linux target for the tier, compiled as a user's policy is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from compiler.model.device import Device
from compiler.prove import vpn
from compiler.prove.vpn import Outcome, Phase, Ruleset, VpnResult
from targets.linux import TARGET
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import device_of, situation

ZONES: dict[str, Any] = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "2001:db8:1::/64"]},
    "wan": {"devices": ["wan"]},
}
FAMILIES = ("pptp", "l2tp", "ipsec", "openvpn", "wireguard")
PASS = dict.fromkeys(FAMILIES, "pass")
BLOCK = dict.fromkeys(FAMILIES, "block")
Key = tuple[str, str, int, Phase]


def device() -> Device:
    return device_of(Case("linux", "linux"), ZONES)


def ruleset(name: str, passthrough: Mapping[str, str], only: tuple[str, ...] = ()) -> Ruleset:
    policy = {"name": name, "hosts": "all", "passthrough": dict(passthrough)}
    data = {"zones": ZONES, "protocols": {}, "policy": policy}
    found = situation(Case("linux", "linux"), data)
    assert found is not None
    assert found.policy == policy, "an entry contradicts another"
    settings = TARGET.settings(found.intent, found.device)
    bundle = TARGET.render(settings, found.device)
    return vpn.ruleset(name, bundle, TARGET.procedure(settings, found.device), only)


def without(rules: Ruleset, unwanted: Callable[[str], bool]) -> Ruleset:
    """Take lines out of the rules, and be sure that there were some."""
    native = rules.bundle.native
    kept = rules.bundle.native_text.splitlines(keepends=True)
    left = [line for line in kept if not unwanted(line)]
    assert len(left) < len(kept)
    content = "".join(left).encode()
    files = tuple(
        replace(file, content=content) if file.path == native else file
        for file in rules.bundle.files
    )
    return replace(rules, bundle=replace(rules.bundle, files=files))


def by_key(results: tuple[VpnResult, ...]) -> dict[Key, VpnResult]:
    return {(one.ruleset, one.protocol, one.client, one.phase): one for one in results}


def differences(found: Mapping[Key, VpnResult], expected: Mapping[Key, Outcome]) -> str:
    """Say what differs, with the evidence; results that are missing or not asked for differ too."""
    lines = [f"{key}: no result" for key in expected if key not in found]
    for key, result in found.items():
        wanted = expected.get(key)
        if result.outcome is not wanted:
            lines += [f"{key}: {result.outcome}, not {wanted}: {result.says}", *result.evidence]
    return "\n".join(lines)
