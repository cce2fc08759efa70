"""Jobs against any SSH server, and fake ways to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compiler.build.registry import installed
from compiler.device.job import Job, Options
from compiler.model.device import Device
from compiler.model.intent import Action, Intent
from compiler.model.target import Target
from tests.targets.openwrt.support import decision, intent

OPTIONS = Options(
    "run-1",
    "someone@here",
    confirm_timeout=30,
    connect_timeout=20.0,
    step_timeout=30.0,
    deadline=200.0,
)
OLD = intent(decision("wireguard", Action.BLOCK), decision("pptp", Action.PASS))
NEW = intent(decision("pptp", Action.BLOCK), decision("l2tp", Action.BLOCK))


def target_of(family: str) -> Target[Any]:
    return installed().get(family)


def device_of(family: str, *, scripts: bool = False) -> Device:
    """Give the family's typical router; ``scripts``: the one whose firewall script is used."""
    found = target_of(family).examples()
    return next(d for d in found if bool(d.options.get("scripts")) is scripts)


def job(device: Device, wanted: Intent, reach: Mapping[str, Any], name: str = "r1") -> Job:
    target = installed().get(device.target)
    bundle = target.render(target.settings(wanted, device), device)
    return Job(name, replace(device, name=name), wanted, bundle, "policy", dict(reach))
