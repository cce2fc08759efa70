"""From an intent to paths: rules in a chain of our own, or in the ruleset of the WAN interfaces.

Rulesets cannot match the interface that a packet came in by, so there a LAN zone stands for
its networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from compiler.errors import TargetError
from compiler.model import modules
from compiler.model.device import Device, Network
from compiler.model.intent import Intent, Log
from compiler.model.protocol import TCP, UDP, Family, PortRange
from compiler.rules.clauses import (
    Clause,
    Entry,
    answering,
    helped,
    inbound,
    networks,
    outbound,
    problems,
    zones_of,
)
from compiler.rules.names import comment, word
from compiler.vyatta import settings
from compiler.vyatta.dialect import MARK, OWN, Dialect
from compiler.vyatta.layout import Layout, layout_of
from compiler.vyatta.read import Path
from compiler.vyatta.settings import ON, VyattaSettings

_LAYER4 = {TCP: "tcp", UDP: "udp"}
HELPER = "pptp"
_ANSWERS = ("established", "related")
_MEND = "`sudo modprobe -a {modules}` loads them; if the image has no such files, an image that has"


def solve(intent: Intent, device: Device, dialect: Dialect) -> VyattaSettings:
    """Find the settings; see the contract.

    Raises:
        TargetError: rules cannot match a flow, the zone of an exposed host is not known, or the
            router lacks the kernel modules of a NAT helper.
    """
    found = [*problems(intent, device), *modules.lacking(intent, device, _MEND)]
    if found:
        raise TargetError(found)
    work = _Work(device, dialect, layout_of(device, dialect))
    clauses, entries = outbound(intent, device), inbound(intent)
    work.answers(answering(entries, clauses))
    work.outbound(clauses)
    work.inbound(entries)
    return settings.of(work.paths, ON if helped(intent, HELPER) else "")


@dataclass(slots=True)
class _Work:
    device: Device
    dialect: Dialect
    layout: Layout
    paths: list[Path] = field(default_factory=list)
    numbers: dict[Path, int] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def answers(self, entries: Sequence[Entry]) -> None:
        """Let the answers of exposed servers out, before anything is blocked."""
        for entry in entries:
            node, to = self._out(entry.family), str(entry.exposure.to)
            if not node:
                continue
            states = [("state", name, *self.dialect.new[2:]) for name in _ANSWERS]
            leaves = [*states, *_packets(entry.layer4, entry.ports, "source")]
            leaves.append(("source", "address", to))
            if self.dialect.forward:
                leaves += self._interfaces("outbound", [z.name for z in self.device.wan_zones])
            self._rule(node, "accept", f"{entry.flow} from {to} answers", leaves)

    def outbound(self, clauses: Sequence[Clause]) -> None:
        """Write the rules for what clients open, and bring packets to them."""
        written: set[Family] = set()
        for clause in clauses:
            node = self._out(clause.family)
            sources = self._sources(clause)
            if node and sources is not None:
                self._clause(node, clause, sources)
                written.add(clause.family)
        for family in sorted(written):
            self._reached(family)

    def _out(self, family: Family) -> Path:
        if self.dialect.forward:
            return self.dialect.ruleset(family, OWN)
        name = self.layout.ruleset(family)
        return self.dialect.ruleset(family, name) if name else ()

    def _sources(self, clause: Clause) -> tuple[Network, ...] | None:
        """Give the networks to match; none for any, ``None`` where a rule can match nothing."""
        region = clause.region
        everywhere = len(region.zones) == len(self.device.lan_zones)
        if self.dialect.forward or everywhere:
            return region.sources
        zones = zones_of(self.device, region.zones)
        held = [network for zone in zones for network in zone.networks]
        return networks((*region.sources, *held), clause.family) or None

    def _clause(self, node: Path, clause: Clause, sources: tuple[Network, ...]) -> None:
        action = "accept" if clause.passes else "drop"
        told = f"{clause.flow} {'pass' if clause.passes else 'block'}"
        matches: list[Path] = [*_packets(clause.layer4, clause.ports)]
        if self.dialect.forward:
            matches += self._interfaces("inbound", clause.region.zones)
            matches += self._interfaces("outbound", [z.name for z in self.device.wan_zones])
        ends = {"source": ("FROM", sources), "destination": ("TO", clause.region.destinations)}
        for end, (kind, listed) in ends.items():
            if listed:
                group = self._group(f"{kind}_{word(clause.protocol, 12)}", clause.family, listed)
                matches.append((end, "group", self.dialect.reference(clause.family), group))
        self._logged(node, action, told, matches, clause.log)

    def _logged(
        self, node: Path, action: str, told: str, matches: Iterable[Path], log: Log | None
    ) -> None:
        """Write a rule; one that accepts logs only the first packet of a connection."""
        if log is not None and action == "accept":
            first = (*matches, self.dialect.new, self.dialect.log)
            self._rule(node, action, f"{told} first packet", first)
        elif log is not None:
            matches = (*matches, self.dialect.log)
        self._rule(node, action, told, matches)

    def _rule(self, node: Path, action: str, told: str, leaves: Iterable[Path]) -> None:
        number = self.numbers.get(node, self._base(node))
        self.numbers[node] = number + 1
        rule = (*node, "rule", str(number))
        self.paths.append((*rule, "description", MARK + comment(told)))
        if action:
            self.paths.append((*rule, "action", action))
        self.paths.extend((*rule, *leaf) for leaf in leaves)

    def _base(self, node: Path) -> int:
        if node == self.dialect.nat:
            return self.layout.nat_base
        own = node[-1].startswith(OWN)
        return 1 if own else self.layout.base

    def _interfaces(self, way: str, zones: Iterable[str]) -> Iterator[Path]:
        names = tuple(zones)
        role = "IN" if way == "inbound" else "OUT"
        label = word("-".join(names), 20)
        node = ("firewall", "group", "interface-group", f"{OWN}_{role}_{label}")
        devices = {name for zone in zones_of(self.device, names) for name in zone.devices}
        self._marked(node, f"zones {' '.join(names)}")
        self.paths.extend((*node, "interface", name) for name in sorted(devices))
        yield (f"{way}-interface", "group", node[-1])

    def _marked(self, node: Path, told: str) -> None:
        self.paths.append((*node, "description", MARK + comment(told)))

    def _group(self, stem: str, family: Family, listed: Iterable[Network]) -> str:
        """Name a group after what it is for; other members under the same name get a number."""
        members = tuple(map(str, listed))
        suffix = "" if family is Family.IPV4 else "_6"
        name, number = f"{OWN}_{stem}{suffix}", 1
        while self.groups.setdefault(name, members) != members:
            number += 1
            name = f"{OWN}_{stem}_{number}{suffix}"
        node = self.dialect.group(family, name)
        self._marked(node, stem.replace("_", " ").lower())
        self.paths.extend((*node, self.dialect.member(family), member) for member in members)
        return name

    def _reached(self, family: Family) -> None:
        """Bring packets to our rules: by a jump, or by our ruleset on interfaces."""
        node = self._out(family)
        if self.dialect.forward:
            self._marked(node, "our rules")
            self.paths.append((*node, "default-action", "return"))
            jump = ("firewall", str(family), "forward", "filter")
            self._rule(jump, "jump", "to our rules", [("jump-target", node[-1])])
        elif self.layout.own:
            self._marked(node, "our rules")
            self.paths.append((*node, "default-action", "accept"))
            way = "name" if family is Family.IPV4 else "ipv6-name"
            ends = ("firewall", "out", way, node[-1])
            self.paths.extend((*where, *ends) for where in self.layout.nodes)

    # -- what is let in

    def inbound(self, entries: Sequence[Entry]) -> None:
        """Write the rules for exposed hosts: the way through NAT, and through the filter."""
        reached: set[Family] = set()
        for entry in entries:
            if entry.family is Family.IPV4:
                self._forwarded(entry)
            node = self._in(entry.family)
            if node:
                self._let_in(node, entry)
                reached.add(entry.family)
        if self.dialect.forward:
            for family in sorted(reached):
                if (*self._out(family), "default-action", "return") not in self.paths:
                    self._reached(family)

    def _in(self, family: Family) -> Path:
        if self.dialect.forward:
            return self.dialect.ruleset(family, OWN)
        name = self.layout.ruleset_in(family)
        return self.dialect.ruleset(family, name) if name else ()

    def _clients(self, entry: Entry) -> Iterator[Path]:
        if entry.sources:
            group = self._group(f"CLIENTS_{entry.number}", entry.family, entry.sources)
            yield ("source", "group", self.dialect.reference(entry.family), group)

    def _forwarded(self, entry: Entry) -> None:
        """Write one rule for each WAN interface, the only thing all systems' rules can match."""
        to = str(entry.exposure.to)
        for name in sorted({name for zone in self.device.wan_zones for name in zone.devices}):
            leaves = [
                *self.dialect.nat_kind,
                (*self.dialect.nat_in, name),
                *_packets(entry.layer4, entry.ports),
                *self._clients(entry),
                (*self.dialect.nat_to, to),
            ]
            self._rule(self.dialect.nat, "", f"{entry.flow} to {to}", leaves)

    def _let_in(self, node: Path, entry: Entry) -> None:
        leaves = [*_packets(entry.layer4, entry.ports), *self._clients(entry)]
        leaves.append(("destination", "address", str(entry.exposure.to)))
        if self.dialect.forward:
            leaves += self._interfaces("inbound", [z.name for z in self.device.wan_zones])
        told = f"{entry.flow} to {entry.exposure.to}"
        self._logged(node, "accept", told, leaves, entry.exposure.log)


def _packets(layer4: int, ports: tuple[PortRange, ...], end: str = "destination") -> Iterator[Path]:
    yield ("protocol", _LAYER4.get(layer4, str(layer4)))
    if ports:
        yield (end, "port", ",".join(map(str, ports)))
