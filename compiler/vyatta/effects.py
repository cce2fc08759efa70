"""What packets experience under our paths: rules by number, the first that matches decides.

Only what is ours is known. Numbers tell whether something foreign can stand before it: rules that
begin with number 1 and have no gap are the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from compiler.model.device import Address, Device, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.modules import missing
from compiler.model.protocol import GRE, TCP, UDP, Family
from compiler.rules.match import Tristate, address_in, all_of, any_of, port_in
from compiler.vyatta.dialect import RULESET, Dialect
from compiler.vyatta.layout import Layout, layout_of, node_of
from compiler.vyatta.read import Path
from compiler.vyatta.settings import OFF, ON, VyattaSettings

_ELSE = "no rule of ours matches, the rest of the config decides"
_BEHIND = "rules of others stand before ours"
_ODD = "holds something that is not understood"
_VERDICTS = {"accept": Verdict.PASS, "drop": Verdict.DROP, "reject": Verdict.REJECT}
_PROTOCOLS = {
    "tcp": {TCP}, "udp": {UDP}, "tcp_udp": {TCP, UDP}, "gre": {GRE}, "esp": {50}, "ah": {51},
    "l2tp": {115}, "ipip": {94}, "etherip": {97}, "sctp": {132}, "ipencap": {4}, "ipv6": {41},
}  # fmt: skip
_HELPER_PORT = 1723

Outcome = tuple[Verdict, str]


def effects(
    settings: VyattaSettings, device: Device, probes: Sequence[Probe], dialect: Dialect
) -> tuple[Effect, ...]:
    """Say what each probe experiences, in the order of the probes."""
    walk = _Walk(settings, device, dialect, layout_of(device, dialect))
    return tuple(walk.effect(probe) for probe in probes)


@dataclass(frozen=True, slots=True)
class _Rule:
    number: int
    leaves: tuple[Path, ...]

    def get(self, *key: str) -> tuple[str, ...]:
        """Give the values of a leaf."""
        size = len(key)
        return tuple(p[size] for p in self.leaves if p[:size] == key and len(p) == size + 1)

    def text(self, *key: str) -> str:
        """Give the value of a leaf that has one; nothing without it."""
        return next(iter(self.get(*key)), "")


@dataclass(frozen=True, slots=True)
class _Walk:
    settings: VyattaSettings
    device: Device
    dialect: Dialect
    layout: Layout
    seen: dict[Path, tuple[_Rule, ...]] = field(default_factory=dict)
    held: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def effect(self, probe: Probe) -> Effect:
        if probe.direction is Direction.OUT:
            verdict, because = self._out(probe)
        else:
            verdict, because = self._in(probe)
        helper = self._helper(probe)
        if helper is HelperState.UNKNOWN:
            because += "; whether the PPTP helper works is not known"
        return Effect(probe, verdict, because, helper)

    def _rules(self, node: Path) -> tuple[_Rule, ...]:
        return tuple(rule for rule in self._all(node) if ("disable",) not in rule.leaves)

    def _all(self, node: Path) -> tuple[_Rule, ...]:
        if node not in self.seen:
            found = self.settings.rules(node)
            self.seen[node] = tuple(_Rule(number, leaves) for number, leaves in found.items())
        return self.seen[node]

    def _members(self, *node: str) -> tuple[str, ...]:
        if node not in self.held:
            self.held[node] = tuple(path[0] for path in self.settings.under(node))
        return self.held[node]

    # -- out

    def _out(self, probe: Probe) -> Outcome:
        if self.dialect.forward:
            return self._forward(probe)
        if self._attached(probe):
            node = self.dialect.ruleset(probe.family, RULESET[probe.family])
            default = dict(p for p in self.settings.under(node) if len(p) == 2).get(
                "default-action"
            )
            return self._final(self._own(node, probe, default or "drop"))
        name = self.layout.ruleset(probe.family)
        if not name or self.layout.own:
            return Verdict.UNKNOWN, f"there is no ruleset of ours for {probe.family}"
        return self._final(self._shared(self.dialect.ruleset(probe.family, name), probe))

    def _attached(self, probe: Probe) -> bool:
        """Tell whether our own ruleset is on all interfaces of the probe's WAN zone."""
        way = "name" if probe.family is Family.IPV4 else "ipv6-name"
        ends = ("firewall", "out", way, RULESET[probe.family])
        on = {path[:-4] for path in self.settings.paths if path[-4:] == ends}
        stated = self.device.options.get("attach")
        if isinstance(stated, list):
            return set(self.layout.nodes) <= on and bool(on)
        zone = self.device.zone(probe.destination)
        return zone is not None and bool(on) and all(node_of(name) in on for name in zone.devices)

    def _own(self, node: Path, probe: Probe, default: str) -> Outcome:
        found = self._decided(self._rules(node), probe)
        if found is not None:
            return found
        return _VERDICTS.get(default, Verdict.UNKNOWN), f"{node[-1]} default-action {default}"

    def _shared(self, node: Path, probe: Probe) -> Outcome:
        """Walk our rules among those of others."""
        rules = self._rules(node)
        found = self._decided(rules, probe)
        if found is None:
            return Verdict.UNKNOWN, _ELSE
        return found if _first(self._all(node)) else (Verdict.UNKNOWN, _BEHIND)

    def _forward(self, probe: Probe) -> Outcome:
        hook = ("firewall", str(probe.family), "forward", "filter")
        jumps = self._rules(hook)
        if not jumps:
            return Verdict.UNKNOWN, f"nothing of ours is in the forward filter for {probe.family}"
        if not _first(self._all(hook)):
            return Verdict.UNKNOWN, _BEHIND
        for jump in jumps:
            target = jump.text("jump-target")
            if self._matches(jump, probe) is not True or jump.text("action") != "jump":
                return Verdict.UNKNOWN, f"forward filter rule {jump.number} {_ODD}"
            found = self._decided(self._rules(self.dialect.ruleset(probe.family, target)), probe)
            if found is not None:
                return self._final(found)
        return Verdict.UNKNOWN, _ELSE

    def _final(self, found: Outcome) -> Outcome:
        """An accept of ours is the last word only where nothing else filters."""
        verdict, because = found
        if verdict is not Verdict.PASS:
            return found
        facts = self.device.facts
        if self.dialect.forward and facts.get("zone_firewall") is True:
            return Verdict.UNKNOWN, f"{because}; then the zone firewall decides"
        if not self.dialect.forward and facts.get("other_rulesets") is not False:
            reason = "other rulesets on its way are not known (fact other_rulesets)"
            return Verdict.UNKNOWN, f"{because}; {reason}"
        return found

    # -- in

    def _in(self, probe: Probe) -> Outcome:
        if probe.family is Family.IPV4:
            found = self._translated(probe)
            if found[0] is not Verdict.PASS:
                return found
        if self.dialect.forward:
            return self._forward(probe)
        name = self.layout.ruleset_in(probe.family)
        if not name:
            return Verdict.UNKNOWN, "the ruleset of the WAN interfaces for direction in decides"
        return self._final(self._shared(self.dialect.ruleset(probe.family, name), probe))

    def _translated(self, probe: Probe) -> Outcome:
        zone = self.device.zone(probe.source)
        names = zone.devices if zone else ()
        outcomes = {self._nat(probe, name) for name in names}
        if len(outcomes) == 1:
            return outcomes.pop()
        return Verdict.UNKNOWN, "the WAN interfaces are not treated alike"

    def _nat(self, probe: Probe, interface: str) -> Outcome:
        if not _first(self._all(self.dialect.nat)):
            return Verdict.UNKNOWN, _BEHIND if self._rules(self.dialect.nat) else _ELSE
        for rule in self._rules(self.dialect.nat):
            on = rule.text(*self.dialect.nat_in)
            matches = all_of([on == interface, self._packet(rule, probe, nat=True)])
            if matches is None:
                return Verdict.UNKNOWN, f"nat rule {rule.number} {_ODD}"
            if matches:
                to = rule.text(*self.dialect.nat_to)
                reached = to == str(probe.destination_address)
                verdict = Verdict.PASS if reached else Verdict.DROP
                return verdict, f"nat to {to}"
        return Verdict.UNKNOWN, _ELSE

    # -- one rule

    def _decided(self, rules: Iterable[_Rule], probe: Probe) -> Outcome | None:
        for rule in rules:
            action = rule.text("action")
            matches = self._matches(rule, probe)
            told = rule.text("description") or f"rule {rule.number}"
            if matches is None or (matches and action not in _VERDICTS):
                return Verdict.UNKNOWN, f"{told} {_ODD}"
            if matches:
                return _VERDICTS[action], f"{told} ({action})"
        return None

    def _matches(self, rule: _Rule, probe: Probe) -> Tristate:
        return all_of(
            [
                self._packet(rule, probe, nat=False),
                self._interface(rule, "inbound-interface", self.device.zone(probe.source)),
                self._interface(rule, "outbound-interface", self.device.zone(probe.destination)),
                _state(rule),
            ]
        )

    def _packet(self, rule: _Rule, probe: Probe, *, nat: bool) -> Tristate:
        return all_of(
            [
                None if any(not _known(leaf, self.dialect) for leaf in rule.leaves) else True,
                _protocol(rule.text("protocol") or "all", probe.flow.layer4),
                _port(rule.text("destination", "port"), probe),
                self._end(rule, "source", probe.source_address, probe.family),
                True
                if nat
                else self._end(rule, "destination", probe.destination_address, probe.family),
            ]
        )

    def _end(self, rule: _Rule, end: str, address: Address | None, family: Family) -> Tristate:
        found: list[Tristate] = [address_in(one, address) for one in rule.get(end, "address")]
        for name in rule.get(end, "group", self.dialect.reference(family)):
            node = (*self.dialect.group(family, name), self.dialect.member(family))
            members = self._members(*node)
            listed = any_of(address_in(member, address) for member in members)
            found.append(listed if members else None)
        return all_of(found)

    def _interface(self, rule: _Rule, leaf: str, zone: Zone | None) -> Tristate:
        if not any(path[0] == leaf for path in rule.leaves):
            return True
        names = set(rule.get(leaf, "name"))
        for group in rule.get(leaf, "group"):
            node = ("firewall", "group", "interface-group", group, "interface")
            names.update(self._members(*node))
        inside = {name in names for name in zone.devices} if zone else set()
        return inside.pop() if len(inside) == 1 else None

    def _helper(self, probe: Probe) -> HelperState:
        control = probe.flow.layer4 == TCP and probe.port == _HELPER_PORT
        carried = probe.flow.layer4 == GRE and probe.flow.carried
        if probe.family is not Family.IPV4 or not (control or carried):
            return HelperState.NOT_NEEDED
        needed = probe.flow.helper.modules if probe.flow.helper else ()
        if self.settings.helper == OFF or missing(self.device, needed):
            return HelperState.ABSENT
        stated = self.device.facts.get("auto_helper")
        if self.settings.helper != ON or not (self.dialect.assigns or isinstance(stated, bool)):
            return HelperState.UNKNOWN
        return HelperState.ASSIGNED if self.dialect.assigns or stated else HelperState.IDLE


def _first(rules: Sequence[_Rule]) -> bool:
    """Tell whether no foreign rule can stand before any of ours."""
    return bool(rules) and [rule.number for rule in rules] == [*range(1, len(rules) + 1)]


def _known(leaf: Path, dialect: Dialect) -> bool:
    silent = ("description", "action", "log", "protocol", "state", "jump-target")
    matching = (
        ("destination", "port"),
        ("source", "address"),
        ("destination", "address"),
        ("source", "group", dialect.group6),
        ("destination", "group", dialect.group6),
        ("source", "group", "network-group"),
        ("destination", "group", "network-group"),
        ("inbound-interface", "name"),
        ("inbound-interface", "group"),
        ("outbound-interface", "name"),
        ("outbound-interface", "group"),
        dialect.nat_in,
        dialect.nat_to,
    )
    return leaf[0] in silent or leaf[:-1] in matching or leaf in dialect.nat_kind


def _state(rule: _Rule) -> Tristate:
    """Tell whether the first packet of a connection matches."""
    states = {path[1] for path in rule.leaves if path[0] == "state" and path[-1] != "disable"}
    if not states:
        return True
    return "new" in states if states <= {"new", "established", "related", "invalid"} else None


def _protocol(stated: str, layer4: int) -> Tristate:
    if stated.isdecimal():
        return int(stated) == layer4
    if stated == "all":
        return True
    known = _PROTOCOLS.get(stated.lower())
    return None if known is None else layer4 in known


def _port(stated: str, probe: Probe) -> Tristate:
    return port_in(stated, probe.port) if stated else True
