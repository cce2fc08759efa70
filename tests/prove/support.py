"""Routers and policies to be proven, and proofs of what they compile to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from compiler.model.datapath import DataPath
from compiler.model.device import Device, Fact
from compiler.model.intent import Intent
from compiler.model.target import Target
from compiler.prove.packets import prove
from compiler.prove.result import Check, Kind, RouterProof
from targets.linux import TARGET as LINUX
from targets.linux import LinuxTarget
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import Situation, device_of, situation

OFFICE: dict[str, Any] = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "2001:db8:1::/64"]},
    "guest": {"devices": ["br-guest", "wlan0"], "networks": ["192.168.2.0/24"]},
    "wan": {"devices": ["wan"]},
    "wan2": {"devices": ["eth0.2"]},
}
SMALL: dict[str, Any] = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "2001:db8:1::/64"]},
    "wan": {"devices": ["wan"]},
}
Edit = Callable[[str], str]


class Mutated(LinuxTarget):
    """The linux target, with rules that somebody has broken."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit

    def data_path(self, settings: Any, device: Device) -> DataPath:
        path = super().data_path(settings, device)
        broken = self._edit(path.nft)
        assert broken != path.nft, "the mutation hits nothing"
        return replace(path, nft=broken)


def resolved(
    protocols: dict[str, Any],
    zones: dict[str, Any] | None = None,
    *,
    expose: list[dict[str, Any]] | None = None,
    own: dict[str, Any] | None = None,
    options: dict[str, Fact] | None = None,
) -> Situation:
    """Resolve a play for a linux router."""
    policy: dict[str, Any] = {"name": "a play", "hosts": "all", "passthrough": protocols}
    if expose:
        policy["expose"] = expose
    data = {"zones": zones or SMALL, "protocols": own or {}, "policy": policy}
    found = situation(Case("linux", "linux", options=options or {}), data)
    assert found is not None
    return found


def proof(found: Situation, edit: Edit | None = None) -> RouterProof:
    """Prove what the linux target compiles."""
    target = Mutated(edit) if edit else LINUX
    return proven(target, found.device, found.intent)


def proven(target: Target[Any], device: Device, intent: Intent) -> RouterProof:
    return prove(target, target.settings(intent, device), device, intent)


def without(pattern: str) -> Edit:
    """Take the lines away that hold a pattern."""
    return lambda text: re.sub(rf".*{pattern}.*\n", "", text)


def reasons(proof: RouterProof, flow: str, kind: Kind = Kind.EXCHANGE) -> set[str]:
    """Give why a flow differs, in the words of the proof, with the rule that decided."""
    return {
        f"{check.lost.because} [{check.lost.rule}]"
        for check in proof.differences
        if check.flow == flow and check.kind is kind and check.lost
    }


def told(checks: tuple[Check, ...]) -> str:
    """Give differences for the message of a failing test."""
    return "\n".join(map(str, checks[:5]))


__all__ = [
    "OFFICE",
    "SMALL",
    "device_of",
    "proof",
    "proven",
    "reasons",
    "resolved",
    "told",
    "without",
]
