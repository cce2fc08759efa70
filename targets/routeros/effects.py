"""What packets experience under our entries: the first rule that matches decides.

Only our entries are known. ``accept`` is final in a chain, so a packet that ours accepts passes
the filter if our jump comes first; what no rule of ours matches, the rest of the config decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.model.device import Address, Device, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.protocol import GRE, TCP, UDP, Family
from compiler.rules.match import Tristate, address_in, all_of, any_of, port_in
from compiler.rules.seen import Seen
from targets.routeros.settings import (
    ADDRESSES,
    CHAIN,
    FILTER,
    MEMBERS,
    NAT,
    PASSING_BY,
    PROTOCOLS,
    Entry,
    RouterSettings,
)

_ELSE = "no rule of ours matches, the rest of the config decides"
_ODD = "holds something that is not understood"
_VERDICTS = {"accept": Verdict.PASS, "drop": Verdict.DROP, "reject": Verdict.REJECT}
_HELPER_PORT = 1723
_HELPERS = {"on": HelperState.ASSIGNED, "off": HelperState.ABSENT}
#: Properties that do not change which packets a rule matches.
_SILENT = frozenset(
    {"action", "chain", "comment", "log", "log-prefix"}
    | {"jump-target", "to-addresses", "reject-with"}
)
_LOCAL = ("", "local")
_PORTS = {"src-port": "source", "dst-port": "destination"}

Outcome = tuple[Verdict, str]


def effects(
    settings: RouterSettings, device: Device, probes: Sequence[Probe]
) -> tuple[Effect, ...]:
    """Say what each probe experiences, in the order of the probes."""
    walk = _Walk(settings, device)
    return tuple(walk.effect(probe) for probe in probes)


@dataclass(frozen=True, slots=True)
class _Walk:
    settings: RouterSettings
    device: Device

    def effect(self, probe: Probe) -> Effect:
        verdict, because = self._decide(probe)
        cuts = self._cuts(probe)
        return Effect(probe, verdict, because, self._helper(probe), cuts)

    def _cuts(self, probe: Probe) -> bool:
        """FastTrack carries TCP and UDP past our rules; the script cuts that for IPv4 only."""
        if probe.family is Family.IPV4 or probe.flow.layer4 not in (TCP, UDP):
            return True
        return self.device.facts.get("fasttrack") is False

    def _decide(self, probe: Probe) -> Outcome:
        menu = FILTER[4 if probe.family is Family.IPV4 else 6]
        if probe.direction is Direction.OUT:
            return self._chain(menu, Seen(probe))
        found: Outcome = Verdict.PASS, ""
        if probe.family is Family.IPV4:
            found = self._chain(NAT, Seen(probe))
        if found[0] is Verdict.PASS:
            found = self._chain(menu, Seen(probe))
        return self._answered(menu, probe) or found if found[0] is Verdict.PASS else found

    def _answered(self, menu: str, probe: Probe) -> Outcome | None:
        """Say so where a rule for what clients open may drop the answers of a server."""
        for entry in self.settings.of_menu(menu):
            if entry.get("chain") != CHAIN or entry.get("action") in PASSING_BY:
                continue
            matches = self._matches(entry, Seen(probe, answer=True))
            if matches is not False and entry.get("action") != "accept":
                told = entry.get("comment")
                return Verdict.UNKNOWN, f"the server's answers may be dropped: {told}"
            if matches:
                return None
        return None

    def _chain(self, menu: str, seen: Seen) -> Outcome:
        jumps = [entry for entry in self.settings.of_menu(menu) if entry.is_jump]
        if not jumps:
            return Verdict.UNKNOWN, f"nothing in {menu} jumps to rules of ours"
        for jump in jumps:
            if not jump.first:
                return Verdict.UNKNOWN, "rules of others stand before ours"
            if self._matches(jump, seen) is not True:
                return Verdict.UNKNOWN, f"our jump {_ODD}"
            found = self._walk(menu, jump.get("jump-target"), seen)
            if found is not None:
                return found
        return Verdict.UNKNOWN, _ELSE

    def _walk(self, menu: str, chain: str, seen: Seen) -> Outcome | None:
        for entry in self.settings.of_menu(menu):
            action = entry.get("action")
            if entry.get("chain") != chain or action in PASSING_BY:
                continue
            matches = self._matches(entry, seen)
            told = entry.get("comment")
            if matches is False:
                continue
            if matches is None:
                return Verdict.UNKNOWN, f"{told} {_ODD}"
            if action == "dst-nat" and menu == NAT:
                reached = entry.get("to-addresses") == str(seen.address("destination"))
                return (Verdict.PASS if reached else Verdict.DROP), f"{told} (dst-nat)"
            if action not in _VERDICTS or menu == NAT:
                return Verdict.UNKNOWN, f"{told} {_ODD}"
            return _VERDICTS[action], f"{told} ({action})"
        return None

    def _matches(self, entry: Entry, seen: Seen) -> Tristate:
        return all_of(self._one(entry, name, value, seen) for name, value in entry.properties)

    def _one(self, entry: Entry, name: str, value: str, seen: Seen) -> Tristate:
        if name in _SILENT:
            return True
        if name == "protocol":
            number = int(value) if value.isdecimal() else PROTOCOLS.get(value)
            return None if number is None else number == seen.layer4
        if name in _PORTS:
            port = seen.port(_PORTS[name])
            known = port is not None and entry.get("protocol") in ("tcp", "udp")
            return port_in(value, port or 0) if known else None
        if name == "connection-state":
            return seen.state in value.split(",") if not value.startswith("!") else None
        if name == "dst-address-type":
            called = seen.probe.direction is Direction.IN and not seen.answer
            return True if value in _LOCAL and called else None
        return self._end(name, value, seen)

    def _end(self, name: str, value: str, seen: Seen) -> Tristate:
        """Judge a property about where a packet comes from or goes to."""
        zones = {"in": seen.incoming, "out": seen.outgoing}
        addresses = {"src": seen.address("source"), "dst": seen.address("destination")}
        end, _, kind = name.partition("-")
        if kind == "interface-list" and end in zones:
            members = {e.get("interface") for e in self._members(MEMBERS, value)}
            return _held(self.device.zone(zones[end]), members)
        if kind == "interface" and end in zones:
            return _held(self.device.zone(zones[end]), {value})
        if kind == "address" and end in addresses:
            return address_in(value, addresses[end])
        if kind == "address-list" and end in addresses:
            return self._listed(value, addresses[end], seen.family)
        return None

    def _members(self, menu: str, name: str) -> list[Entry]:
        return [entry for entry in self.settings.of_menu(menu) if entry.get("list") == name]

    def _listed(self, name: str, address: Address | None, family: Family) -> Tristate:
        members = self._members(ADDRESSES[4 if family is Family.IPV4 else 6], name)
        found = any_of(address_in(entry.get("address"), address) for entry in members)
        return found if members else None

    def _helper(self, probe: Probe) -> HelperState:
        control = probe.flow.layer4 == TCP and probe.port == _HELPER_PORT
        carried = probe.flow.layer4 == GRE and probe.flow.carried
        if probe.family is not Family.IPV4 or not (control or carried):
            return HelperState.NOT_NEEDED
        return _HELPERS.get(self.settings.helper, HelperState.UNKNOWN)


def _held(zone: Zone | None, members: set[str]) -> Tristate:
    """Tell whether all interfaces of a zone are members; ``None``: some are, or there are none."""
    inside = {name in members for name in zone.devices} if zone else set()
    return inside.pop() if len(inside) == 1 else None
