"""From an intent to entries: interface lists, address lists, and rules in a chain of our own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.errors import TargetError
from compiler.model.device import Device, Network
from compiler.model.intent import Intent, Log
from compiler.model.protocol import Family, PortRange
from compiler.rules.clauses import (
    Clause,
    Entry,
    answering,
    helped,
    inbound,
    outbound,
    problems,
    zones_of,
)
from compiler.rules.names import comment, word
from targets.routeros import settings
from targets.routeros.settings import (
    ADDRESSES,
    CHAIN,
    FILTER,
    HOOKS,
    LISTS,
    MARK,
    MEMBERS,
    NAT,
    WRITTEN,
    RouterSettings,
)

HELPER = "pptp"
_UNITS = {"second": "1s", "minute": "1m", "hour": "1h", "day": "1d"}


def solve(intent: Intent, device: Device) -> RouterSettings:
    """Find the settings; see the contract.

    Raises:
        TargetError: rules cannot match a flow, or the zone of an exposed host is not known.
    """
    found = list(problems(intent, device))
    if found:
        raise TargetError(found)
    work = _Work(device)
    clauses, entries = outbound(intent, device), inbound(intent)
    work.answers(answering(entries, clauses))
    work.outbound(clauses)
    work.inbound(entries)
    work.jumps()
    return settings.of(work.entries, "on" if helped(intent, HELPER) else "")


def _version(family: Family) -> int:
    return 4 if family is Family.IPV4 else 6


@dataclass(slots=True)
class _Work:
    device: Device
    entries: list[settings.Entry] = field(default_factory=list)
    lists: dict[tuple[Family, str], tuple[str, ...]] = field(default_factory=dict)

    def _add(self, menu: str, told: str, properties: Mapping[str, str]) -> None:
        marked = {**properties, "comment": MARK + comment(told)}
        self.entries.append(settings.entry(menu, marked))

    def answers(self, entries: Sequence[Entry]) -> None:
        """Let the answers of exposed servers out, before anything is blocked."""
        for entry in entries:
            to = str(entry.exposure.to)
            matches = {
                "connection-state": "established,related",
                "out-interface-list": self._interfaces("out", self._wan),
                **_packets(entry.layer4, entry.ports, "src-port"),
                "src-address": f"{to}/128" if entry.family is Family.IPV6 else to,
            }
            told = f"{entry.flow} from {to} answers"
            self._rule(entry.family, "accept", told, matches, None)

    def outbound(self, clauses: Sequence[Clause]) -> None:
        """Add the rules for what clients open."""
        for clause in clauses:
            matches = {
                "in-interface-list": self._interfaces("in", clause.region.zones),
                "out-interface-list": self._interfaces("out", self._wan),
                **_packets(clause.layer4, clause.ports),
            }
            ends = {
                "src": ("from", clause.region.sources),
                "dst": ("to", clause.region.destinations),
            }
            for end, (kind, listed) in ends.items():
                if listed:
                    stem = f"{kind}-{word(clause.protocol)}"
                    matches[f"{end}-address-list"] = self._addresses(stem, clause.family, listed)
            told = f"{clause.flow} {'pass' if clause.passes else 'block'}"
            action = "accept" if clause.passes else "drop"
            self._rule(clause.family, action, told, matches, clause.log)

    @property
    def _wan(self) -> tuple[str, ...]:
        return tuple(zone.name for zone in self.device.wan_zones)

    def _rule(
        self, family: Family, action: str, told: str, matches: Mapping[str, str], log: Log | None
    ) -> None:
        """Add a rule, and one before it that logs; of what passes, it logs first packets only."""
        menu = FILTER[_version(family)]
        if log is not None:
            logged = {"action": "log", "chain": CHAIN, "log-prefix": f"passthru {comment(told)}"}
            if action == "accept":
                logged["connection-state"] = "new"
            if log.rate:
                logged["limit"] = _limit(log)
            self._add(menu, f"{told} log", {**matches, **logged})
        self._add(menu, told, {**matches, "action": action, "chain": CHAIN})

    def _interfaces(self, way: str, zones: Iterable[str]) -> str:
        """Give our list with the interfaces of some zones."""
        names = tuple(zones)
        name = f"{CHAIN}-{way}-{word('-'.join(names), 30)}"
        self._add(LISTS, f"zones {' '.join(names)}", {"name": name})
        for zone in zones_of(self.device, names):
            for interface in zone.devices:
                self._add(MEMBERS, f"zone {zone.name}", {"interface": interface, "list": name})
        return name

    def _addresses(self, stem: str, family: Family, listed: Iterable[Network]) -> str:
        """Give our list with some networks; other members under the same name get a number."""
        members = tuple(map(str, listed))
        name, number = f"{CHAIN}-{stem}", 1
        while self.lists.setdefault((family, name), members) != members:
            number += 1
            name = f"{CHAIN}-{stem}-{number}"
        for member in members:
            told = stem.replace("-", " ", 1)
            self._add(ADDRESSES[_version(family)], told, {"address": member, "list": name})
        return name

    def inbound(self, entries: Sequence[Entry]) -> None:
        """Add the rules for exposed hosts: destination NAT, and the filter behind it."""
        for entry in entries:
            to = str(entry.exposure.to)
            told = f"{entry.flow} to {to}"
            matches = {
                "in-interface-list": self._interfaces("out", self._wan),
                **_packets(entry.layer4, entry.ports),
            }
            if entry.sources:
                stem = f"clients-{entry.number}"
                matches["src-address-list"] = self._addresses(stem, entry.family, entry.sources)
            if entry.family is Family.IPV4:
                nat = {"action": "dst-nat", "chain": CHAIN, "to-addresses": to}
                self._add(NAT, told, {**matches, "dst-address-type": "local", **nat})
            host = f"{to}/128" if entry.family is Family.IPV6 else to
            matches["dst-address"] = host
            self._rule(entry.family, "accept", told, matches, entry.exposure.log)

    def jumps(self) -> None:
        """Add what brings packets to our chains; it is moved before the rules of others."""
        used = {entry.menu for entry in self.entries}
        for menu, hook in HOOKS.items():
            if menu in used:
                properties = {
                    "action": "jump",
                    "chain": hook,
                    "comment": f"{MARK}jump",
                    "jump-target": CHAIN,
                }
                jump = settings.entry(menu, properties)
                self.entries.append(settings.Entry(menu, jump.properties, first=True))


def _packets(layer4: int, ports: tuple[PortRange, ...], end: str = "dst-port") -> Mapping[str, str]:
    found = {"protocol": WRITTEN.get(layer4, str(layer4))}
    if ports:
        found[end] = ",".join(map(str, ports))
    return found


def _limit(log: Log) -> str:
    """Write a rate as ``limit`` takes it: count/time,burst:mode."""
    count, _, unit = log.rate.partition("/")
    return f"{count}/{_UNITS.get(unit, '1m')},{log.burst}:packet"
