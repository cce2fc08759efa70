"""Ubiquiti EdgeRouters: firewall rulesets and the conntrack module switch. See README.md."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.model.device import Device, Fact
from compiler.model.example import typical
from compiler.model.finding import Code, Finding
from compiler.model.target import Capabilities
from compiler.vyatta.dialect import EDGEOS
from compiler.vyatta.layout import RULESET_OPTIONS
from compiler.vyatta.target import VyattaTarget

_OFFLOAD = "whether `system offload` enables anything: hardware carries running connections on"
_HELPER = "whether /proc/sys/net/netfilter/nf_conntrack_helper is 1: the kernel assigns helpers"


def _check(device: Device) -> Iterator[Finding]:
    for name, meaning in (("auto_helper", _HELPER), ("offload", _OFFLOAD)):
        stated = device.facts.get(name, False)
        if not isinstance(stated, bool):
            message = f"passthru_facts.{name} must be true or false, not {stated!r:.40}"
            yield Finding(Code.T404, message, place=device.place, hint=meaning, host=device.name)


def _examples() -> list[Device]:
    facts: dict[str, Fact] = {"auto_helper": True, "other_rulesets": False}
    among: dict[str, Fact] = {"ruleset": "WAN_OUT", "ruleset6": "WANv6_OUT"}
    return [
        typical("edgeos", EDGEOS.name, facts, {"attach": True}),
        typical("edgeos-unstated", EDGEOS.name, {}, among),
    ]


TARGET = VyattaTarget(
    name=EDGEOS.name,
    summary="Ubiquiti EdgeRouter: rules in the ruleset of the WAN interfaces",
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="SSH: apply.sh commits all commands at once",
        rolls_back="the config saved before is loaded again",
        helper="system conntrack modules pptp, on unless disabled",
        ipv6="ipv6-name rulesets",
        running_tunnels="cut after the commit (conntrack)",
    ),
    dialect=lambda _device: EDGEOS,
    described={**RULESET_OPTIONS, "facts.auto_helper": _HELPER, "facts.offload": _OFFLOAD},
    examples=_examples,
    checked=_check,
)
