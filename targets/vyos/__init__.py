"""VyOS 1.3 and later: firewall rules and the conntrack module switch. See README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.model.device import Device, Fact
from compiler.model.example import typical
from compiler.model.finding import Code, Finding
from compiler.model.target import Capabilities
from compiler.vyatta.dialect import VYOS13, VYOS14, Dialect
from compiler.vyatta.layout import FORWARD_OPTIONS, RULESET_OPTIONS
from compiler.vyatta.target import VyattaTarget

_OLDEST, _FORWARD = (1, 3), (1, 4)
_RELEASE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})([.-][A-Za-z0-9.-]*)?")
_RULESETS_ONLY = "1.3 only: "
_OPTIONS = {
    "facts.release": "VyOS release in quotes, e.g. '1.4.1' or 'rolling': 1.3 has rulesets on "
    "interfaces, later ones a forward filter",
    **{
        name: text if name in FORWARD_OPTIONS else f"{_RULESETS_ONLY}{text}"
        for name, text in RULESET_OPTIONS.items()
    },
    **FORWARD_OPTIONS,
}


def release_of(device: Device) -> tuple[int, int] | None:
    """Read the fact ``release``; ``None`` when it is missing or not understood."""
    stated = device.facts.get("release")
    if not isinstance(stated, str):
        return None
    if stated.lower() in ("rolling", "current", "stream"):
        return (99, 0)
    match = _RELEASE.fullmatch(stated)
    found = (int(match[1]), int(match[2])) if match else None
    return found if found and found >= _OLDEST else None


def _dialect(device: Device) -> Dialect:
    return VYOS14 if (release_of(device) or _FORWARD) >= _FORWARD else VYOS13


def _check(device: Device) -> Iterator[Finding]:
    if release_of(device) is None:
        stated = device.facts.get("release")
        problem = "is not stated" if stated is None else f"{stated!r:.40} is not known"
        hint = 'passthru_facts: {release: "1.4"}, in quotes; 1.3 and later, or rolling'
        yield Finding(
            Code.T404,
            f"the VyOS release {problem}",
            place=device.place,
            hint=hint,
            host=device.name,
        )


def _examples() -> list[Device]:
    rulesets: dict[str, Fact] = {"other_rulesets": False}
    return [
        typical("vyos", "vyos", {"release": "1.4"}),
        typical("vyos-1.3", "vyos", {"release": "1.3.8", **rulesets}, {"attach": True}),
    ]


TARGET = VyattaTarget(
    name="vyos",
    summary="VyOS 1.3 and later: a chain of our own in the forward filter (1.3: rulesets)",
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="SSH: apply.sh commits all commands at once",
        rolls_back="the config saved before is loaded again",
        helper="system conntrack modules pptp",
        ipv6="rules for both families",
        running_tunnels="cut after the commit (conntrack)",
    ),
    dialect=_dialect,
    described=_OPTIONS,
    examples=_examples,
    checked=_check,
)
