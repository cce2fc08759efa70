"""Plays and one device into one intent.

Plays apply in order and the last one that names a protocol wins. A protocol that nobody names
follows its parent in the tree (``ikev2`` follows ``ipsec``), then the ``default``. Nothing is guessed:
whatever cannot be resolved is a finding at the policy line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from compiler.catalogue import Catalogue
from compiler.errors import SourceError
from compiler.model.device import Address, Device
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent, OnDeviation, Origin
from compiler.model.judge import home_zone
from compiler.model.protocol import PORTED, Flow, Protocol, layer4_name
from compiler.policy.conflicts import conflicts, rivals
from compiler.policy.entry import Entry, Ports, Reader
from compiler.policy.plays import Play
from compiler.source import schema
from compiler.source.secrets import public
from compiler.source.template import Templar, is_template


@dataclass(frozen=True, slots=True)
class Resolved:
    """An intent, what there is to say about it, and which plays still decide something."""

    intent: Intent
    findings: tuple[Finding, ...]
    deciding: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where an entry stands: the play (and its number) and the path inside of it."""

    number: int
    play: Play
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """One protocol's entry, read, with the way it came."""

    entry: Entry
    origin: Origin
    number: int
    by_default: bool = False


def check_names(plays: Sequence[Play], catalogue: Catalogue) -> list[Finding]:
    """Find protocols that no catalogue knows (P104), and ones named twice under an alias."""
    findings: list[Finding] = []
    for play in plays:
        seen: dict[str, str] = {}
        for name in play.passthrough:
            if name == "default":
                continue
            protocol = catalogue.get(str(name))
            place = play.key_place("passthrough", name)
            if protocol is None:
                findings.append(_unknown_protocol(str(name), place, catalogue))
            elif protocol.id in seen:
                text = f"'{name}' and '{seen[protocol.id]}' are the same protocol"
                findings.append(Finding(Code.P103, text, place=place))
            else:
                seen[protocol.id] = str(name)
        for index, exposure in enumerate(play.exposures):
            name = str(exposure["protocol"])
            if not is_template(name) and catalogue.get(name) is None:
                place = play.place("expose", index, "protocol")
                findings.append(_unknown_protocol(name, place, catalogue))
    return findings


def _unknown_protocol(name: str, place: Place, catalogue: Catalogue) -> Finding:
    close = catalogue.suggest(name)
    shown = name if len(name) <= 60 and name.isprintable() else ascii(name)[1:58] + "..."
    hint = f"did you mean '{close}'?" if close else "`passthru protocols` lists them"
    return Finding(Code.P104, f"unknown protocol '{shown}'", place=place, hint=hint)


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
    work = _Work(device, catalogue, variables, today, allow_expired, extra_vars)
    for number, play in plays:
        work.read(number, play)
    return work.finish()


def _still_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_still_template(item) for item in value.values())
    if isinstance(value, list):
        return any(_still_template(item) for item in value)
    return isinstance(value, str) and is_template(str(value))


def _without_relatives_flows(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Take flows out of blocks that a relative needs who is not blocked in the same way.

    ESP serves both IKE versions: blocking IKEv1 alone must not take it from IKEv2.
    """
    found = tuple(decisions)
    blocked = {d.protocol: d.limits for d in found if d.action is Action.BLOCK}

    def claimed(decision: Decision, flow: Flow) -> bool:
        return all(blocked.get(name) == decision.limits for name in flow.serves)

    kept = (
        replace(d, flows=tuple(flow for flow in d.flows if claimed(d, flow)))
        if d.action is Action.BLOCK
        else d
        for d in found
    )
    return tuple(decision for decision in kept if decision.flows)


@dataclass(slots=True)
class _Work:
    device: Device
    catalogue: Catalogue
    variables: Mapping[str, Any]
    today: date
    allow_expired: bool
    extra_vars: Mapping[str, Any]
    named: dict[str, _Source] = field(default_factory=dict)
    default: _Source | None = None
    exposed: list[_Source] = field(default_factory=list)
    on_deviation: OnDeviation = OnDeviation.FAIL
    findings: list[Finding] = field(default_factory=list)
    templars: dict[int, Templar] = field(default_factory=dict)

    def read(self, number: int, play: Play) -> None:
        """Note what a play says; later plays win."""
        for name in play.passthrough:
            source = _Source(number, play, ("passthrough", name))
            if name == "default":
                self.default = source
            else:
                protocol = self.catalogue.get(str(name))
                if protocol is not None:
                    self.named[protocol.id] = source
        self.exposed.extend(
            _Source(number, play, ("expose", index)) for index in range(len(play.exposures))
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
        decisions = _without_relatives_flows(
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
        value = self._render(source, {"passthrough": {"default": source.play.passthrough["default"]}})
        if value is None:
            return None
        action = Action(value["passthrough"]["default"])
        origin = Origin(source.play.place(*source.path), source.play.name, "default")
        return _Found(Entry(action), origin, source.number, by_default=True)

    def _entry(self, id_: str, source: _Source) -> _Found | None:
        name = source.path[1]
        rendered = self._render(source, {"passthrough": {name: source.play.passthrough[str(name)]}})
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
        origin = Origin(
            source.play.key_place(*source.path), source.play.name, reason=entry.reason
        )
        return _Found(entry, origin, source.number)

    def _reader(self, source: _Source, value: Mapping[str, Any]) -> Reader:
        places = {key: source.play.place(*source.path, key) for key in value}
        return Reader(value, self.device, places, source.play.place(*source.path))

    def _expired(self, entry: Entry, source: _Source, id_: str) -> bool:
        if entry.until is None or entry.until > self.today:
            return False
        severity = Severity.WARNING if self.allow_expired else Severity.ERROR
        text = f"the entry for '{id_}' ended on {entry.until}"
        place = source.play.place(*source.path, "until")
        hint = "remove it, extend it, or use --allow-expired"
        self.findings.append(Finding(Code.P116, text, severity, place, hint))
        return not self.allow_expired

    def _render(self, source: _Source, part: dict[str, Any]) -> dict[str, Any] | None:
        """Render a part of a play; check the result again where a template stood."""
        templar = self.templars.get(source.number)
        if templar is None:
            templar = Templar(
                {**self.variables, **source.play.variables, **self.extra_vars}
            )
            self.templars[source.number] = templar
        place = source.play.place(*source.path)
        try:
            rendered: dict[str, Any] = public(templar.render(part, place), place)
        except SourceError as error:
            self.findings.extend(replace(f, host=self.device.name) for f in error.findings)
            return None
        if rendered == part:
            return part
        play = {"hosts": "all", "passthrough": {"default": "keep"}, **rendered}
        findings = schema.check_data(
            [play],
            "policy",
            lambda path: source.play.place(*path[1:]),
            lambda path: source.play.key_place(*path[1:]),
        )
        if not findings and _still_template(rendered):
            text = "a template gives text that is a template again"
            findings = [Finding(Code.V302, text, place=place)]
        self.findings.extend(replace(f, host=self.device.name) for f in findings)
        return None if findings else rendered

    def _decision(self, protocol: Protocol, found: _Found) -> Decision | None:
        entry = found.entry
        if entry.action is Action.KEEP:
            return None
        flows = self._flows(protocol, entry.ports, found)
        if entry.action is Action.BLOCK:
            flows = self._without_collateral(protocol, flows, found)
        elif found.by_default and protocol.nat4 == "impossible":
            return None
        if not flows:
            return None
        detect = protocol.signatures if entry.signature and not found.origin.inherited_from else ()
        if entry.signature and not protocol.signatures and not found.origin.inherited_from:
            text = f"no signature is known for '{protocol.id}'"
            self._say(Code.P118, text, found.origin.place, "leave out 'detect'")
        return Decision(
            protocol.id,
            entry.action,
            flows,
            found.origin,
            entry.limits,
            entry.otherwise,
            entry.log,
            protocol.helper if entry.action is Action.PASS else None,
            detect,
            entry.until,
        )

    def _flows(self, protocol: Protocol, ports: Ports, found: _Found) -> tuple[Flow, ...]:
        """Give the flows that a decision claims: its own, and those of ancestors that serve it."""
        if ports and not found.origin.inherited_from:
            return self._moved(protocol, ports, found)
        served = [
            flow
            for ancestor in self.catalogue.lineage(protocol.id)[1:]
            for flow in ancestor.flows
            if protocol.id in flow.serves
        ]
        return (*protocol.flows, *served)

    def _moved(self, protocol: Protocol, ports: Ports, found: _Found) -> tuple[Flow, ...]:
        """Replace a protocol's ports by the policy's."""
        portless = [flow for flow in protocol.flows if flow.layer4 not in PORTED]
        if portless or self.catalogue.children(protocol.id) or not protocol.movable:
            text = f"'{protocol.id}' cannot be moved to other ports"
            self._say(Code.P115, text, found.origin.place, "remove 'ports'")
            return protocol.flows
        families = protocol.flows[0].families
        return tuple(
            Flow(
                f"{protocol.id}.{layer4_name(layer4)}-{range_}",
                protocol.id,
                layer4,
                (range_,),
                families,
                shared=any(
                    range_.overlaps(common) for common in self.catalogue.shared_ports(layer4)
                ),
                purpose="on the policy's own ports",
            )
            for layer4, range_ in ports
        )

    def _without_collateral(
        self, protocol: Protocol, flows: tuple[Flow, ...], found: _Found
    ) -> tuple[Flow, ...]:
        """Take shared flows out of a block, or refuse it, unless the policy accepts collateral."""
        shared = [flow for flow in flows if flow.shared]
        if not shared or found.entry.collateral:
            return flows
        if not found.by_default:
            names = ", ".join(f"{flow.id} ({flow.ports_text})" for flow in shared)
            self._say(
                Code.P113,
                f"blocking '{protocol.id}' blocks what other traffic uses too: {names}",
                found.origin.place,
                "write `collateral: accept` for this protocol, or leave it out",
            )
        return tuple(flow for flow in flows if not flow.shared)

    def _exposure(self, source: _Source) -> Exposure | None:
        index = source.path[1]
        rendered = self._render(source, {"expose": [source.play.exposures[int(index)]]})
        if rendered is None:
            return None
        value = rendered["expose"][0]
        protocol = self.catalogue.get(value["protocol"])
        place = source.play.place(*source.path)
        if protocol is None:
            self.findings.append(_unknown_protocol(value["protocol"], place, self.catalogue))
            return None
        reader = self._reader(source, value)
        sources, ports, address = reader.networks("from"), reader.ports(), self._address(value, reader)
        self.findings.extend(reader.findings)
        if reader.findings or address is None:
            return None
        origin = Origin(place, source.play.name, reason=str(value.get("reason", "")))
        found = _Found(Entry(Action.PASS, ports=ports), origin, source.number)
        flows = self._inbound_flows(protocol, found)
        return Exposure(protocol.id, address, flows, origin, protocol.helper, sources, reader.log())

    def _inbound_flows(self, protocol: Protocol, found: _Found) -> tuple[Flow, ...]:
        """Give a server's flows: its own, those that serve it, and those of its parts."""
        flows = list(self._flows(protocol, found.entry.ports, found))
        for child in self.catalogue.children(protocol.id):
            if Action.PASS in child.follows_when:
                flows.extend(child.flows)
        return tuple({flow.id: flow for flow in flows}.values())

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

    def _say(self, code: Code, message: str, place: Place, hint: str = "") -> None:
        self.findings.append(Finding(code, message, Severity.ERROR, place, hint))
