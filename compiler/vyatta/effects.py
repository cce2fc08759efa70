"""What packets experience under our paths: rules by number, the first that matches decides.

Only what is ours is known. Numbers tell whether something foreign can stand before it: rules that
begin with number 1 and have no gap are the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from compiler.model.device import Device, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.modules import missing
from compiler.model.protocol import AH, GRE, TCP, Family
from compiler.rules.match import Tristate, address_in, all_of, any_of
from compiler.rules.seen import Seen
from compiler.vyatta.dialect import OWN, RULESET, Dialect
from compiler.vyatta.layout import Layout, layout_of, node_of
from compiler.vyatta.matching import Rule, is_first, is_known, ports, protocol, state
from compiler.vyatta.read import Path
from compiler.vyatta.settings import OFF, ON, VyattaSettings

_ELSE = "no rule of ours matches, the rest of the config decides"
_BEHIND = "rules of others stand before ours"
_ODD = "holds something that is not understood"
_VERDICTS = {"accept": Verdict.PASS, "drop": Verdict.DROP, "reject": Verdict.REJECT}
_HELPER_PORT = 1723

Outcome = tuple[Verdict, str]


def effects(
    settings: VyattaSettings, device: Device, probes: Sequence[Probe], dialect: Dialect
) -> tuple[Effect, ...]:
    """Say what each probe experiences, in the order of the probes."""
    walk = _Walk(settings, device, dialect, layout_of(device, dialect))
    return tuple(walk.effect(probe) for probe in probes)


@dataclass(frozen=True, slots=True)
class _Walk:
    settings: VyattaSettings
    device: Device
    dialect: Dialect
    layout: Layout
    seen: dict[Path, tuple[Rule, ...]] = field(default_factory=dict)
    held: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def effect(self, probe: Probe) -> Effect:
        if probe.direction is Direction.OUT:
            verdict, because = self._out(Seen(probe))
        else:
            verdict, because = self._in(probe)
        helper = self._helper(probe)
        if helper is HelperState.UNKNOWN:
            because += "; whether the PPTP helper works is not known"
        cuts = not (verdict.blocks and _outlives(probe))
        return Effect(probe, verdict, because, helper, cuts)

    def _rules(self, node: Path) -> tuple[Rule, ...]:
        return tuple(rule for rule in self._all(node) if ("disable",) not in rule.leaves)

    def _all(self, node: Path) -> tuple[Rule, ...]:
        if node not in self.seen:
            found = self.settings.rules(node)
            self.seen[node] = tuple(Rule(number, leaves) for number, leaves in found.items())
        return self.seen[node]

    def _members(self, *node: str) -> tuple[str, ...]:
        if node not in self.held:
            self.held[node] = tuple(path[0] for path in self.settings.under(node))
        return self.held[node]

    # -- out

    def _out(self, seen: Seen) -> Outcome:
        if self.dialect.forward:
            return self._forward(seen)
        if self._attached(seen):
            node = self.dialect.ruleset(seen.family, RULESET[seen.family])
            default = dict(p for p in self.settings.under(node) if len(p) == 2).get(
                "default-action"
            )
            return self._final(self._own(node, seen, default or "drop"))
        name = self.layout.ruleset(seen.family)
        if not name or self.layout.own:
            return Verdict.UNKNOWN, f"there is no ruleset of ours for {seen.family}"
        return self._final(self._shared(self.dialect.ruleset(seen.family, name), seen))

    def _attached(self, seen: Seen) -> bool:
        """Tell whether our own ruleset is on all interfaces of the packet's WAN zone."""
        way = "name" if seen.family is Family.IPV4 else "ipv6-name"
        ends = ("firewall", "out", way, RULESET[seen.family])
        on = {path[:-4] for path in self.settings.paths if path[-4:] == ends}
        stated = self.device.options.get("attach")
        if isinstance(stated, list):
            return set(self.layout.nodes) <= on and bool(on)
        zone = self.device.zone(seen.outgoing)
        return zone is not None and bool(on) and all(node_of(name) in on for name in zone.devices)

    def _own(self, node: Path, seen: Seen, default: str) -> Outcome:
        found = self._decided(self._rules(node), seen)
        if found is not None:
            return found
        return _VERDICTS.get(default, Verdict.UNKNOWN), f"{node[-1]} default-action {default}"

    def _shared(self, node: Path, seen: Seen) -> Outcome:
        """Walk our rules among those of others."""
        rules = self._rules(node)
        found = self._decided(rules, seen)
        if found is None:
            return Verdict.UNKNOWN, _ELSE
        return found if is_first(self._all(node)) else (Verdict.UNKNOWN, _BEHIND)

    def _forward(self, seen: Seen) -> Outcome:
        hook = ("firewall", str(seen.family), "forward", "filter")
        jumps = self._rules(hook)
        if not jumps:
            return Verdict.UNKNOWN, f"nothing of ours is in the forward filter for {seen.family}"
        if not is_first(self._all(hook)):
            return Verdict.UNKNOWN, _BEHIND
        for jump in jumps:
            target = jump.text("jump-target")
            if self._matches(jump, seen) is not True or jump.text("action") != "jump":
                return Verdict.UNKNOWN, f"forward filter rule {jump.number} {_ODD}"
            found = self._decided(self._rules(self.dialect.ruleset(seen.family, target)), seen)
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
            found = self._forward(Seen(probe))
        else:
            name = self.layout.ruleset_in(probe.family)
            if not name:
                reason = "the ruleset of the WAN interfaces for direction in decides"
                return Verdict.UNKNOWN, reason
            node = self.dialect.ruleset(probe.family, name)
            found = self._final(self._shared(node, Seen(probe)))
        return self._answered(probe) or found if found[0] is Verdict.PASS else found

    def _answered(self, probe: Probe) -> Outcome | None:
        """Say so where a rule for what clients open may drop the answers of a server.

        A state policy can accept them before, which is not ours to know.
        """
        name = OWN if self.dialect.forward else self.layout.ruleset(probe.family)
        node = self.dialect.ruleset(probe.family, name)
        for rule in self._rules(node):
            matches = self._matches(rule, Seen(probe, answer=True))
            if matches is not False and rule.text("action") != "accept":
                told = rule.text("description") or f"rule {rule.number}"
                return Verdict.UNKNOWN, f"the server's answers may be dropped: {told}"
            if matches:
                return None
        return None

    def _translated(self, probe: Probe) -> Outcome:
        zone = self.device.zone(probe.source)
        names = zone.devices if zone else ()
        outcomes = {self._nat(probe, name) for name in names}
        if len(outcomes) == 1:
            return outcomes.pop()
        return Verdict.UNKNOWN, "the WAN interfaces are not treated alike"

    def _nat(self, probe: Probe, interface: str) -> Outcome:
        if not is_first(self._all(self.dialect.nat)):
            return Verdict.UNKNOWN, _BEHIND if self._rules(self.dialect.nat) else _ELSE
        for rule in self._rules(self.dialect.nat):
            on = rule.text(*self.dialect.nat_in)
            matches = all_of([on == interface, self._packet(rule, Seen(probe), nat=True)])
            if matches is None:
                return Verdict.UNKNOWN, f"nat rule {rule.number} {_ODD}"
            if matches:
                to = rule.text(*self.dialect.nat_to)
                reached = to == str(probe.destination_address)
                verdict = Verdict.PASS if reached else Verdict.DROP
                return verdict, f"nat to {to}"
        return Verdict.UNKNOWN, _ELSE

    # -- one rule

    def _decided(self, rules: Iterable[Rule], seen: Seen) -> Outcome | None:
        for rule in rules:
            action = rule.text("action")
            matches = self._matches(rule, seen)
            told = rule.text("description") or f"rule {rule.number}"
            if matches is None or (matches and action not in _VERDICTS):
                return Verdict.UNKNOWN, f"{told} {_ODD}"
            if matches:
                return _VERDICTS[action], f"{told} ({action})"
        return None

    def _matches(self, rule: Rule, seen: Seen) -> Tristate:
        return all_of(
            [
                self._packet(rule, seen, nat=False),
                self._interface(rule, "inbound-interface", self.device.zone(seen.incoming)),
                self._interface(rule, "outbound-interface", self.device.zone(seen.outgoing)),
                state(rule, seen),
            ]
        )

    def _packet(self, rule: Rule, seen: Seen, *, nat: bool) -> Tristate:
        return all_of(
            [
                None if any(not is_known(leaf, self.dialect) for leaf in rule.leaves) else True,
                protocol(rule, seen, self.dialect),
                ports(rule, seen),
                self._end(rule, "source", seen),
                True if nat else self._end(rule, "destination", seen),
            ]
        )

    def _end(self, rule: Rule, end: str, seen: Seen) -> Tristate:
        address, family = seen.address(end), seen.family
        found: list[Tristate] = [address_in(one, address) for one in rule.get(end, "address")]
        for name in rule.get(end, "group", self.dialect.reference(family)):
            node = (*self.dialect.group(family, name), self.dialect.member(family))
            members = self._members(*node)
            listed = any_of(address_in(member, address) for member in members)
            found.append(listed if members else None)
        return all_of(found)

    def _interface(self, rule: Rule, leaf: str, zone: Zone | None) -> Tristate:
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


def _outlives(probe: Probe) -> bool:
    """Tell whether nothing ends a running connection that a state policy accepts.

    Connection tracking takes an authentication header for part of what it carries, so apply.sh
    finds no connection of its protocol (nf_ct_get_tuple: ipv6_skip_exthdr).
    """
    return probe.family is Family.IPV6 and probe.flow.layer4 == AH
