"""Manifests: what is said about bundles, as JSON that is stable to the byte.

No time stamps and no absolute paths: the same policy and inventory give the same bytes anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from compiler import __version__
from compiler.build.plan import Compiled, Outcome
from compiler.model.effect import Effect
from compiler.model.intent import Decision, Exposure, Limits
from compiler.model.judge import Deviation
from compiler.model.target import File

NAME = "manifest.json"
HOST_SCHEMA = "passthru/host-manifest/v1"
SITE_SCHEMA = "passthru/manifest/v1"


def dump(data: Mapping[str, Any]) -> bytes:
    """Give JSON with sorted keys, one line for each key and for each item of a long list."""
    members = [f" {json.dumps(key)}: {_value(data[key])}" for key in sorted(data)]
    return ("{\n" + ",\n".join(members) + "\n}\n").encode()


def _value(value: Any) -> str:
    if isinstance(value, _Lines):
        return value.text
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(_line(item) for item in value) + "\n ]"
    if isinstance(value, dict) and any(isinstance(item, dict) for item in value.values()):
        members = (f"{json.dumps(key)}: {_line(value[key])}" for key in sorted(value))
        return "{\n  " + ",\n  ".join(members) + "\n }"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Lines:
    """A list that is printed already."""

    text: str


@lru_cache(maxsize=64)
def _effect_lines(outcome: Outcome) -> _Lines:
    """Print the effects of an outcome once, however many routers share it."""
    return _Lines(_value([effect_data(effect) for effect in outcome.effects]))


def host_manifest(compiled: Compiled, policy_hash: str) -> File:
    """Give one router's manifest as a file of its folder."""
    device = compiled.router.device
    data = {
        "schema": HOST_SCHEMA,
        "host": device.name,
        "target": device.target,
        "versions": {"passthru": __version__, "target": compiled.target_version},
        "policy_sha256": policy_hash,
        "native": compiled.bundle.native,
        "files": [
            {"path": file.path, "mode": f"{file.mode:04o}", "sha256": file.sha256}
            for file in compiled.bundle.files
        ],
        "on_deviation": str(compiled.intent.on_deviation),
        "decisions": [decision_data(d) for d in compiled.intent.decisions],
        "exposures": [exposure_data(e) for e in compiled.intent.exposures],
        "effects": _effect_lines(compiled.outcome),
        "deviations": [deviation_data(d) for d in compiled.outcome.deviations],
    }
    return File(NAME, dump(data))


def site_manifest(hosts: Mapping[str, Mapping[str, str]], policy_hash: str) -> bytes:
    """Give the manifest of the whole output; ``hosts`` maps names to target and sha256."""
    return dump(
        {
            "schema": SITE_SCHEMA,
            "versions": {"passthru": __version__},
            "policy_sha256": policy_hash,
            "hosts": {name: dict(entry) for name, entry in hosts.items()},
        }
    )


def decision_data(decision: Decision) -> dict[str, Any]:
    """Give a decision as JSON data."""
    data: dict[str, Any] = {
        "protocol": decision.protocol,
        "action": str(decision.action),
        "policy": str(decision.origin.place),
        "play": decision.origin.play,
        "flows": [flow.id for flow in decision.flows],
    }
    if decision.origin.inherited_from:
        data["inherited_from"] = decision.origin.inherited_from
    if not decision.limits.everywhere:
        data["limits"] = _limits(decision.limits)
        data["otherwise"] = str(decision.otherwise)
    if decision.origin.reason:
        data["reason"] = decision.origin.reason
    if decision.until:
        data["until"] = decision.until.isoformat()
    return data


def _limits(limits: Limits) -> dict[str, list[str]]:
    return {
        "zones": list(limits.zones),
        "sources": [str(net) for net in limits.sources],
        "destinations": [str(net) for net in limits.destinations],
        "families": sorted(limits.families),
    }


def exposure_data(exposure: Exposure) -> dict[str, Any]:
    """Give an exposure as JSON data."""
    return {
        "protocol": exposure.protocol,
        "to": str(exposure.to),
        "sources": [str(net) for net in exposure.sources],
        "policy": str(exposure.origin.place),
        "play": exposure.origin.play,
        "flows": [flow.id for flow in exposure.flows],
    }


def effect_data(effect: Effect) -> dict[str, Any]:
    """Give an effect as JSON data; addresses only where the probe has some."""
    probe = effect.probe
    data: dict[str, Any] = {
        "flow": probe.flow.id,
        "family": str(probe.family),
        "from": probe.source,
        "to": probe.destination,
        "direction": str(probe.direction),
        "verdict": str(effect.verdict),
        "because": effect.because,
        "helper": str(effect.helper),
    }
    if probe.port:
        data["port"] = probe.port
    if probe.source_address is not None:
        data["from_address"] = str(probe.source_address)
    if probe.destination_address is not None:
        data["to_address"] = str(probe.destination_address)
    if effect.verdict.blocks:
        data["cuts_running"] = effect.cuts_running
    return data


def deviation_data(deviation: Deviation) -> dict[str, Any]:
    """Give a deviation as JSON data."""
    return {
        "code": deviation.code.name,
        "severity": deviation.severity.word,
        "protocol": deviation.protocol,
        "wanted": str(deviation.wanted),
        "flows": list(deviation.flows),
        "families": list(deviation.families),
        "because": list(deviation.because),
        "policy": str(deviation.decision.origin.place),
    }
