"""Judge a device's zones and facts before anything is solved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.model.device import Device, Fact
from compiler.model.finding import Code, Finding
from compiler.toggles.family import FactSpec

_KINDS: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number"}


def error(device: Device, message: str, hint: str) -> Finding:
    """Give the finding that a fact or a zone is missing or invalid."""
    return Finding(Code.T404, message, place=device.place, hint=hint, host=device.name)


def zones(device: Device) -> Iterator[Finding]:
    """Find out whether there is a zone on each side."""
    for zones, role in ((device.lan_zones, "lan"), (device.wan_zones, "wan")):
        if not zones:
            yield error(
                device,
                f"the router has no {role} zone, so nothing can be said of its traffic",
                f"name one in passthru_zones, e.g. {role}: {{}}",
            )


def fact(spec: FactSpec, value: Fact, device: Device) -> Iterator[Finding]:
    """Judge the value of a fact."""
    name = f"passthru_facts.{spec.name}"
    if type(value) is not spec.kind:
        yield error(device, f"{name} must be {_KINDS[spec.kind]}", spec.description)
    elif spec.allowed and value not in spec.allowed:
        words = " or ".join(f"'{word}'" for word in spec.allowed)
        yield error(device, f"{name} must be {words}, not {value!r}", spec.description)
    elif spec.pattern and not re.fullmatch(spec.pattern, str(value)):
        yield error(device, f"{name}: {value!r} does not have the right form", spec.description)
