"""The lab's router as a device, plays resolved against the real catalogue, tables that load."""

from __future__ import annotations

from typing import Any

from compiler.model.device import Device, Fact
from compiler.model.intent import Intent
from compiler.prove.lab.network import Lab
from targets.linux import TARGET, nft
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import device_of, situation

ZONES: dict[str, Any] = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "2001:db8:1::/64"]},
    "guest": {"devices": ["br-guest"], "networks": ["192.168.2.0/24", "2001:db8:2::/64"]},
    "wan": {"devices": ["wan"]},
    "wan2": {"devices": ["wan2"]},
}


def device(**options: Fact) -> Device:
    return device_of(Case("linux", "linux", options=options), ZONES)


def intent(
    protocols: dict[str, Any],
    expose: list[dict[str, Any]] | None = None,
    own: dict[str, Any] | None = None,
) -> Intent:
    """Resolve a play; every entry of it must be usable."""
    policy: dict[str, Any] = {"name": "a play", "hosts": "all", "passthrough": protocols}
    if expose:
        policy["expose"] = expose
    data = {"zones": ZONES, "protocols": own or {}, "policy": policy}
    found = situation(Case("linux", "linux"), data)
    assert found is not None
    assert found.policy == policy, "an entry contradicts another"
    return found.intent


def table(found: Intent, **options: Fact) -> nft.Table:
    return TARGET.settings(found, device(**options))


def load(lab: Lab, wanted: nft.Table) -> None:
    """Load a table, and hold the kernel's listing of it against the settings."""
    router = device()
    lab.load(TARGET.render(wanted, router).native_text)
    assert TARGET.parse(lab.listing(), router) == wanted


def apply(lab: Lab, protocols: dict[str, Any], **more: Any) -> None:
    """Load what a play compiles to."""
    options = more.pop("options", {})
    load(lab, table(intent(protocols, **more), **options))
