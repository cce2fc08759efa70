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
from targets.routeros.settings import (
    ADDRESSES,
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
        if probe.direction is Direction.IN and probe.family is Family.IPV4:
            found = self._chain(NAT, probe)
            if found[0] is not Verdict.PASS:
                return found
        return self._chain(menu, probe)

    def _chain(self, menu: str, probe: Probe) -> Outcome:
        jumps = [entry for entry in self.settings.of_menu(menu) if entry.is_jump]
        if not jumps:
            return Verdict.UNKNOWN, f"nothing in {menu} jumps to rules of ours"
        for jump in jumps:
            if not jump.first:
                return Verdict.UNKNOWN, "rules of others stand before ours"
            if self._matches(jump, probe) is not True:
                return Verdict.UNKNOWN, f"our jump {_ODD}"
            found = self._walk(menu, jump.get("jump-target"), probe)
            if found is not None:
                return found
        return Verdict.UNKNOWN, _ELSE

    def _walk(self, menu: str, chain: str, probe: Probe) -> Outcome | None:
        for entry in self.settings.of_menu(menu):
            action = entry.get("action")
            if entry.get("chain") != chain or action in PASSING_BY:
                continue
            matches = self._matches(entry, probe)
            told = entry.get("comment")
            if matches is False:
                continue
            if matches is None:
                return Verdict.UNKNOWN, f"{told} {_ODD}"
            if action == "dst-nat" and menu == NAT:
                reached = entry.get("to-addresses") == str(probe.destination_address)
                return (Verdict.PASS if reached else Verdict.DROP), f"{told} (dst-nat)"
            if action not in _VERDICTS or menu == NAT:
                return Verdict.UNKNOWN, f"{told} {_ODD}"
            return _VERDICTS[action], f"{told} ({action})"
        return None

    def _matches(self, entry: Entry, probe: Probe) -> Tristate:
        return all_of(self._one(entry, name, value, probe) for name, value in entry.properties)

    def _one(self, entry: Entry, name: str, value: str, probe: Probe) -> Tristate:
        if name in _SILENT:
            return True
        if name == "protocol":
            number = int(value) if value.isdecimal() else PROTOCOLS.get(value)
            return None if number is None else number == probe.flow.layer4
        if name == "dst-port":
            return port_in(value, probe.port) if entry.get("protocol") in ("tcp", "udp") else None
        if name == "connection-state":
            return "new" in value.split(",") if not value.startswith("!") else None
        if name == "dst-address-type":
            return True if value in _LOCAL and probe.direction is Direction.IN else None
        return self._end(name, value, probe)

    def _end(self, name: str, value: str, probe: Probe) -> Tristate:
        """Judge a property about where a packet comes from or goes to."""
        zones = {"in": probe.source, "out": probe.destination}
        addresses = {"src": probe.source_address, "dst": probe.destination_address}
        end, _, kind = name.partition("-")
        if kind == "interface-list" and end in zones:
            members = {e.get("interface") for e in self._members(MEMBERS, value)}
            return _held(self.device.zone(zones[end]), members)
        if kind == "interface" and end in zones:
            return _held(self.device.zone(zones[end]), {value})
        if kind == "address" and end in addresses:
            return address_in(value, addresses[end])
        if kind == "address-list" and end in addresses:
            return self._listed(value, addresses[end], probe.family)
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
