"""A situation: a case, a router's zones and a policy, as plain data, and what they resolve to.

The data goes the way of a user's: plays are resolved against the catalogue and the router, so only
intents appear that a policy can have. Being JSON, a situation can be carried to another process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any

from compiler.catalogue import Catalogue, builtin, extend
from compiler.errors import PassthruError
from compiler.model.device import Device, Role, Zone
from compiler.model.finding import Place, Severity
from compiler.model.intent import Intent
from compiler.policy.plays import Play
from compiler.policy.resolve import Resolved, resolve
from compiler.source.yaml import Document, loads

from .cases import Case

TODAY = date(2026, 1, 1)
HOST = "router"
Data = dict[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Situation:
    """What was resolved, without errors; ``policy`` is what is left of the drawn one."""

    case: Case
    device: Device
    intent: Intent
    zones: Data
    protocols: Data
    policy: Data

    def __repr__(self) -> str:
        """Give the data: the rest follows from it and would fill screens."""
        data = {"zones": self.zones, "protocols": self.protocols, "policy": self.policy}
        return f"<{self.case.name} {json.dumps(data)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's protocol
        """Have Hypothesis print the same."""
        del cycle
        printer.text(repr(self))


def device_of(case: Case, zones: Data, name: str = HOST) -> Device:
    """Make the router of a case with these zones (as in ``passthru_zones``)."""
    place = Place("hosts.yml", 3, 5)
    made = tuple(
        Zone(
            zone,
            Role("wan" if zone.startswith("wan") else "lan"),
            tuple(entry.get("devices", ())),
            tuple(ip_network(text) for text in entry.get("networks", ())),
            place,
        )
        for zone, entry in zones.items()
    )
    facts = MappingProxyType(dict(case.facts))
    return Device(name, case.target, made, facts, MappingProxyType(dict(case.options)), place)


def situation(case: Case, data: Data) -> Situation | None:
    """Resolve drawn data; entries that contradict others are left out.

    ``None``: a user's protocol contradicts the catalogue, or the router is not a possible one.
    """
    drawn, own = data["zones"], data["protocols"]
    device = device_of(case, drawn)
    try:
        catalogue = _catalogue(own)
    except PassthruError:
        return None
    content = data["policy"]
    document = loads(json.dumps([content], indent=1, ensure_ascii=False), "policy.yml")
    while content.get("passthrough") or content.get("expose"):
        play = Play(document, 0, str(content["name"]), "all", content)
        resolved = resolve([(0, play)], device, catalogue, {}, TODAY)
        wrong = {f.place for f in resolved.findings if f.severity is Severity.ERROR}
        if not wrong:
            return Situation(case, device, resolved.intent, drawn, own, content)
        reduced = _without(play, document, wrong)
        if reduced == content:
            raise AssertionError(_told(resolved))
        content = reduced
    return Situation(case, device, Intent(HOST), drawn, own, content)


def _catalogue(protocols: Data) -> Catalogue:
    if not protocols:
        return builtin()
    return extend(builtin(), [loads(json.dumps({"protocols": protocols}), "protocols.yml")])


def _without(play: Play, document: Document, wrong: set[Place | None]) -> Data:
    """Take out the entries that findings point at, or at a part of."""

    def fine(*path: str | int) -> bool:
        whole = document.data[0]
        for step in path:
            whole = whole[step]
        keys = whole if isinstance(whole, dict) else ()
        inner = [document.place((0, *path, key)) for key in keys]
        own = [document.place((0, *path)), document.key_place((0, *path)), *inner]
        return wrong.isdisjoint(own)

    named = {k: v for k, v in play.passthrough.items() if fine("passthrough", k)}
    served = [
        entry for entry in play.exposures if fine("expose", document.data[0]["expose"].index(entry))
    ]
    return {**play.content, "passthrough": named, "expose": served}


def _told(resolved: Resolved) -> str:
    return "; ".join(f"{f.code.name} {f.message} at {f.place}" for f in resolved.findings)
