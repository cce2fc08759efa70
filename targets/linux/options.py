"""The device options of this target, checked and typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.model.device import Device
from compiler.model.finding import Code, Finding

DESCRIPTIONS = {
    "mode": "gateway (default): the whole data path; overlay: a table beside another firewall",
    "forward": "gateway mode: accept (default) or drop what no decision speaks of, LAN to WAN",
    "facts.modules": "kernel modules that exist on the router; stated, they are checked",
    "facts.kernel": "kernel release as `uname -r` prints it, for surveys of foreign rules: from "
    "6.0 on no NAT helper is assigned unless a rule does so",
    "facts.ipv6": "whether the router forwards IPv6 (default: whether a zone has an IPv6 network)",
}
_VALUES = {"mode": ("gateway", "overlay"), "forward": ("accept", "drop")}


@dataclass(frozen=True, slots=True)
class Options:
    """Gateway or overlay; in gateway mode what undecided LAN to WAN traffic gets."""

    gateway: bool = True
    forward_drop: bool = False

    @classmethod
    def of(cls, device: Device) -> Options:
        """Read the options of a checked device."""
        return cls(
            device.options.get("mode", "gateway") == "gateway",
            device.options.get("forward", "accept") == "drop",
        )


def option_findings(device: Device) -> Iterator[Finding]:
    """Check the values of the options."""
    for name, allowed in _VALUES.items():
        value = device.options.get(name, allowed[0])
        if value not in allowed:
            yield Finding(
                Code.I206,
                f"passthru_{name} must be {' or '.join(allowed)}, not {str(value)[:40]!r}",
                place=device.place,
            )
    if device.options.get("mode") == "overlay" and "forward" in device.options:
        yield Finding(
            Code.I206,
            "passthru_forward has no meaning in overlay mode: the other firewall decides",
            place=device.place,
            hint="remove it, or use mode gateway",
        )
    modules = device.facts.get("modules", [])
    if not isinstance(modules, list) or not all(isinstance(m, str) for m in modules):
        yield Finding(Code.T404, "the fact 'modules' must be a list of names", place=device.place)
