"""What must hold of a router's zones before anything is solved for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.model.device import Device, Zone
from compiler.model.finding import Code, Finding

#: Interface names: the kernel takes up to 15 bytes without '/' and white space; nft strings
#: have no escape for a quote, and a trailing '*' would be a wildcard.
_DEVICE = re.compile(r"[A-Za-z0-9_.:@+-]{1,15}")


def device_findings(device: Device) -> Iterator[Finding]:
    """Check that every zone has interfaces whose names nft can hold, each in one zone only."""
    seen: dict[str, str] = {}
    for zone in device.zones:
        if not zone.devices:
            yield _finding(zone, Code.T404, f"zone '{zone.name}' names no device", "add `device:`")
        for name in zone.devices:
            if not _DEVICE.fullmatch(name) or name in (".", ".."):
                text = f"{name[:40]!a} cannot be the name of a Linux interface"
                yield _finding(zone, Code.T408, text, "1 to 15 of A-Z a-z 0-9 _ . : @ + -")
            elif name in seen:
                text = f"'{name}' is in zone '{seen[name]}' and in zone '{zone.name}'"
                yield _finding(zone, Code.T404, text)
            seen.setdefault(name, zone.name)
    for role, zones in (("lan", device.lan_zones), ("wan", device.wan_zones)):
        if not zones:
            yield Finding(
                Code.T404,
                f"host '{device.name}' has no {role} zone",
                place=device.place,
                hint="set passthru_zones; zones whose name begins with wan are WAN zones",
            )


def _finding(zone: Zone, code: Code, message: str, hint: str = "") -> Finding:
    return Finding(code, message, place=zone.place, hint=hint)
