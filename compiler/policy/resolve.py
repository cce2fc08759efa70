"""Plays and one device into one intent.

Plays apply in order and the last one that names a protocol wins. A protocol that nobody names
follows its parent in the tree (``ikev2`` follows ``ipsec``), then the ``default``. Nothing is
guessed: whatever cannot be resolved is a finding at the policy line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from compiler.catalogue import Catalogue
from compiler.model.device import Address, Device
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent, OnDeviation, Origin
from compiler.model.judge import home_zone
from compiler.model.protocol import Flow, Protocol
from compiler.policy.conflicts import conflicts, rivals
from compiler.policy.entry import Entry, Ports, Reader
from compiler.policy.flows import (
    inbound_flows,
    moved_flows,
    own_flows,
    without_collateral,
    without_relatives_flows,
)
from compiler.policy.names import unknown_protocol
from compiler.policy.plays import Play
from compiler.policy.rendering import Rendering, Source


@dataclass(frozen=True, slots=True)
class Resolved:
    """An intent, what there is to say about it, and which plays still decide something."""

    intent: Intent
    findings: tuple[Finding, ...]
    deciding: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Found:
    """One protocol's entry, read, with the way it came."""

    entry: Entry
    origin: Origin
    number: int
    by_default: bool = False


def resolve(
    plays: Iterable[tuple[int, Play]],
    device: Device,
    catalogue: Catalogue,
    variables: Mapping[str, Any],
    today: date,
    allow_expired: bool = False,  # noqa: FBT001, FBT002 - mirrors the flag
    extra_vars: Mapping[str, Any] = MappingProxyType({}),
) -> Resolved:
    """Resolve the plays that match a device (with their numbers) into its intent.

    ``variables`` are the host's; a play's own win over them, ``extra_vars`` over both.

    Never raises for what a user wrote: the findings say it, errors among them.
    """
    findings: list[Finding] = []
    rendering = Rendering(device.name, variables, extra_vars, findings)
    work = _Work(device, catalogue, today, allow_expired, findings, rendering)
    for number, play in plays:
        work.read(number, play)
    return work.finish()


@dataclass(slots=True)
class _Work:
    device: Device
    catalogue: Catalogue
    today: date
    allow_expired: bool
    findings: list[Finding]
    rendering: Rendering
    named: dict[str, Source] = field(default_factory=dict)
    default: Source | None = None
    exposed: list[Source] = field(default_factory=list)
    on_deviation: OnDeviation = OnDeviation.FAIL

    def read(self, number: int, play: Play) -> None:
        """Note what a play says; later plays win."""
        for name in play.passthrough:
            source = Source(number, play, ("passthrough", name))
            if name == "default":
                self.default = source
            else:
                protocol = self.catalogue.get(str(name))
                if protocol is not None:
                    self.named[protocol.id] = source
        self.exposed.extend(
            Source(number, play, ("expose", index)) for index in range(len(play.exposures))
        )
        if "on_deviation" in play.content:
            self.on_deviation = OnDeviation(play.content["on_deviation"])

    def finish(self) -> Resolved:
        """Resolve every protocol of the catalogue."""
        own = {id_: self._entry(id_, source) for id_, source in sorted(self.named.items())}
        default = self._default()
        found: dict[str, _Found] = {}
        for id_ in self.catalogue.protocols:
            entry = self._for(id_, own, default)
            if entry is not None:
                found[id_] = entry
        decisions = without_relatives_flows(
            decision
            for id_, item in found.items()
            if (decision := self._decision(self.catalogue.protocols[id_], item)) is not None
        )
        exposures = tuple(e for source in self.exposed if (e := self._exposure(source)) is not None)
        self.findings.extend(conflicts(decisions, self.catalogue))
        self.findings.extend(rivals(exposures))
        intent = Intent(self.device.name, decisions, exposures, self.on_deviation)
        deciding = {item.number for item in found.values()} | {s.number for s in self.exposed}
        return Resolved(intent, tuple(dict.fromkeys(self.findings)), frozenset(deciding))

    def _for(
        self, id_: str, own: Mapping[str, _Found | None], default: _Found | None
    ) -> _Found | None:
        """Give a protocol's own entry, the nearest ancestor's, or the default."""
        protocol = self.catalogue.protocols[id_]
        for ancestor in self.catalogue.lineage(id_):
            if ancestor.id not in own:
                continue
            item = own[ancestor.id]
            if item is None or ancestor.id == id_:
                return item
            if item.entry.action in protocol.follows_when or item.entry.action is Action.KEEP:
                origin = replace(item.origin, inherited_from=ancestor.id)
                return replace(item, origin=origin)
            break
        return default

    def _default(self) -> _Found | None:
        if self.default is None:
            return None
        source = self.default
        value = self.rendering.render(
            source, {"passthrough": {"default": source.play.passthrough["default"]}}
        )
        if value is None:
            return None
        action = Action(value["passthrough"]["default"])
        origin = Origin(source.play.place(*source.path), source.play.name, "default")
        return _Found(Entry(action), origin, source.number, by_default=True)

    def _entry(self, id_: str, source: Source) -> _Found | None:
        name = source.path[1]
        rendered = self.rendering.render(
            source, {"passthrough": {name: source.play.passthrough[str(name)]}}
        )
        if rendered is None:
            return None
        value = rendered["passthrough"][name]
        if isinstance(value, str):
            value = {"action": value}
        reader = self._reader(source, value)
        entry = reader.entry()
        self.findings.extend(reader.findings)
        if reader.findings or self._expired(entry, source, id_):
            return None
        origin = Origin(source.play.key_place(*source.path), source.play.name, reason=entry.reason)
        return _Found(entry, origin, source.number)

    def _reader(self, source: Source, value: Mapping[str, Any]) -> Reader:
        places = {key: source.play.place(*source.path, key) for key in value}
        return Reader(value, self.device, places, source.play.place(*source.path))

    def _expired(self, entry: Entry, source: Source, id_: str) -> bool:
        if entry.until is None or entry.until > self.today:
            return False
        severity = Severity.WARNING if self.allow_expired else Severity.ERROR
        text = f"the entry for '{id_}' ended on {entry.until}"
        place = source.play.place(*source.path, "until")
        hint = "remove it, extend it, or use --allow-expired"
        self.findings.append(Finding(Code.P116, text, severity, place, hint))
        return not self.allow_expired

    def _decision(self, protocol: Protocol, found: _Found) -> Decision | None:
        entry, place = found.entry, found.origin.place
        inherited = bool(found.origin.inherited_from)
        if entry.action is Action.KEEP:
            return None
        if found.by_default and entry.action is Action.PASS and protocol.nat4 == "impossible":
            text = f"the default does not pass '{protocol.id}': it cannot cross NAT"
            self.findings.append(Finding(Code.L607, text, Severity.INFO, place))
            return None
        flows = self._flows(protocol, () if inherited else entry.ports, place)
        if entry.action is Action.BLOCK and not entry.collateral:
            flows, problems = without_collateral(
                protocol, flows, place, refuse=not found.by_default
            )
            self.findings.extend(problems)
        if not flows:
            return None
        if entry.signature and not inherited and not protocol.signatures:
            text = f"no signature is known for '{protocol.id}'"
            self.findings.append(Finding(Code.P118, text, place=place, hint="leave out 'detect'"))
        return Decision(
            protocol.id,
            entry.action,
            flows,
            found.origin,
            entry.limits,
            entry.otherwise,
            entry.log,
            protocol.helper if entry.action is Action.PASS else None,
            protocol.signatures if entry.signature and not inherited else (),
            entry.until,
        )

    def _flows(self, protocol: Protocol, ports: Ports, place: Place) -> tuple[Flow, ...]:
        if not ports:
            return own_flows(protocol, self.catalogue)
        flows, problems = moved_flows(protocol, ports, self.catalogue, place)
        self.findings.extend(problems)
        return flows

    def _exposure(self, source: Source) -> Exposure | None:
        index = source.path[1]
        rendered = self.rendering.render(source, {"expose": [source.play.exposures[int(index)]]})
        if rendered is None:
            return None
        value = rendered["expose"][0]
        protocol = self.catalogue.get(value["protocol"])
        place = source.play.place(*source.path)
        if protocol is None:
            self.findings.append(unknown_protocol(value["protocol"], place, self.catalogue))
            return None
        reader = self._reader(source, value)
        sources, ports, address = (
            reader.networks("from"),
            reader.ports(),
            self._address(value, reader),
        )
        self.findings.extend(reader.findings)
        if reader.findings or address is None:
            return None
        origin = Origin(place, source.play.name, reason=str(value.get("reason", "")))
        flows = inbound_flows(protocol, self._flows(protocol, ports, place), self.catalogue)
        return Exposure(protocol.id, address, flows, origin, protocol.helper, sources, reader.log())

    def _address(self, value: Mapping[str, Any], reader: Reader) -> Address | None:
        try:
            address = ip_address(value["to"])
        except ValueError:
            reader.say(Code.P110, f"'{value['to'][:60]}' is not an address", "to")
            return None
        if home_zone(self.device, address) is None:
            reader.say(
                Code.P119, f"no LAN zone of '{self.device.name}' holds {address}", "to",
                "give the zone's networks in passthru_zones",
            )  # fmt: skip
            return None
        return address
