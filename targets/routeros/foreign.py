"""Compile the firewall of an export, whoever wrote it, to rules that packets can be sent through.

RouterOS' firewall is netfilter's: raw, mangle, NAT and filter at the same places of the data path,
chains without a policy, the first rule that matches decides. A rule is put into the words of
iptables, which the evaluator reads; what it does not know is a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.evaluate import Ruleset, lookups
from compiler.evaluate.iptables.matches import matches
from compiler.evaluate.iptables.options import Group, Option
from compiler.evaluate.iptables.targets import target
from compiler.evaluate.mentions import networks_in
from compiler.evaluate.ruleset import Chain, Hook, Kind, Move, Rule, Statement
from compiler.evaluate.statements import End, Match, NoTrack, Perhaps, SetMark, opaque
from compiler.evaluate.value import Truth, Unsure, address_span, name_span, negated, some
from compiler.evaluate.way import Way
from targets.routeros.script import Command
from targets.routeros.settings import LISTS, MEMBERS, PROTOCOLS

_TABLES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0}
_MENUS = {
    f"{start} firewall {table}": (family, table)
    for start, family in (("/ip", "ip"), ("/ipv6", "ip6"))
    for table in _TABLES
}
#: The chains that packets come to by themselves, and the hook that each is at.
_HOOKS = {
    "prerouting": "prerouting", "input": "input", "forward": "forward", "output": "output",
    "postrouting": "postrouting", "dstnat": "prerouting", "srcnat": "postrouting",
}  # fmt: skip
_ENDS = {
    "accept": Kind.ACCEPT, "drop": Kind.DROP, "reject": Kind.REJECT, "tarpit": Kind.DROP,
    "return": Kind.RETURN,
}  # fmt: skip
_NOTHING = frozenset(
    {"log", "passthrough", "fasttrack-connection", "add-src-to-address-list"}
    | {"add-dst-to-address-list", "change-mss", "change-dscp", "change-ttl", "clear-df"}
    | {"set-priority", "mark-routing", "sniff-tzsp", "sniff-pc", "strip-ipv4-options"}
)
_SILENT = frozenset(
    {"action", "chain", "comment", "disabled", "log", "log-prefix", "jump-target", "passthrough"}
    | {"reject-with", "to-addresses", "to-ports", "new-packet-mark", "new-connection-mark"}
    | {"new-routing-mark", "new-mss", "new-dscp", "new-ttl", "new-priority", "address-list"}
    | {"address-list-timeout", "hw-offload", "dynamic", "invalid", "bytes", "packets"}
)
_VERBS = frozenset({"add", "print", "export"})


@dataclass(frozen=True, slots=True)
class Export:
    """What of an export the firewall depends on."""

    commands: tuple[Command, ...]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    addresses: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    ipsec: bool = False


def export_of(commands: Sequence[Command]) -> Export:
    """Gather interface lists, address lists, and whether IPsec policies exist."""
    added = [(c, c.properties()) for c in commands if c.verb == "add" and _active(c)]
    members: dict[str, list[str]] = {p.get("name", ""): [] for c, p in added if c.menu == LISTS}
    for command, found in added:
        if command.menu == MEMBERS:
            members.setdefault(found.get("list", ""), []).append(found.get("interface", ""))
    for command, found in added:
        if command.menu == LISTS and found.get("include"):
            for name in found["include"].split(","):
                members[found.get("name", "")] += members.get(name, ["*"])
    addresses: dict[tuple[str, str], list[str]] = {}
    for command, found in added:
        for start, family in (("/ip", "ip"), ("/ipv6", "ip6")):
            if command.menu == f"{start} firewall address-list":
                key = (family, found.get("list", ""))
                addresses.setdefault(key, []).append(found.get("address", ""))
    filled = (
        found.get("address-list", "")
        for _, found in added
        if "to-address-list" in found.get("action", "")
    )
    return Export(
        tuple(commands),
        {name: tuple(held) for name, held in members.items()},
        {key: tuple(held) for key, held in addresses.items()},
        frozenset(filled),
        any(c.menu.startswith("/ip ipsec") or "ipsec-secret" in found for c, found in added),
    )


def _active(command: Command) -> bool:
    return command.properties().get("disabled") not in ("yes", "true")


def ruleset(export: Export, text: str) -> Ruleset:
    """Give the rules of all firewall menus."""
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    names: set[tuple[str, str, str]] = set()
    odd = _odd(export.commands)
    for command in export.commands:
        if command.menu in _MENUS and command.verb == "add":
            names.add((*_MENUS[command.menu], command.properties().get("chain", "")))
    for command in export.commands:
        if command.menu not in _MENUS or command.verb != "add" or not _active(command):
            continue
        family, table = _MENUS[command.menu]
        found = command.properties()
        chains = frozenset(name for *where, name in names if tuple(where) == (family, table))
        built = _Builder(export, family, chains).rule(command, found)
        rules.setdefault((family, table, found.get("chain", "")), []).append(built)
    for key in names:
        rules.setdefault(key, [])
    chains_ = {
        (family, table, name): Chain(
            family, table, name, (*([odd] if odd and name in _HOOKS else []), *held),
            _hook(table, name),
        )
        for (family, table, name), held in rules.items()
    }  # fmt: skip
    if odd:  # what changes rules may add the first one
        key = ("ip", "filter", "forward")
        chains_.setdefault(key, Chain(*key, (odd,), _hook("filter", "forward")))
    fast = any(c.properties().get("action") == "fasttrack-connection" for c in export.commands)
    return Ruleset(
        chains_,
        offloads=fast,
        links=frozenset(_links(export)),
        networks=frozenset(networks_in(text)),
    )


def _hook(table: str, name: str) -> Hook | None:
    if name not in _HOOKS or (table == "nat") is not (name in ("dstnat", "srcnat")):
        return None
    return Hook("nat" if table == "nat" else "filter", _HOOKS[name], _TABLES[table])


def _odd(commands: Sequence[Command]) -> Rule | None:
    """Give a rule of unknown end where the text is a script that changes what stands already."""
    for command in commands:
        changes = command.menu in _MENUS and command.verb not in _VERBS
        if changes or command.verb.startswith(":"):
            said = f"{command.menu} {command.verb} {' '.join(command.words)}"[:120]
            reason = "the text is a script that changes rules, and no export"
            return Rule(f"line {command.first + 1}", said, (opaque(reason),))
    return None


def _links(export: Export) -> Iterator[str]:
    for command in export.commands:
        if command.menu in _MENUS:
            found = command.properties()
            yield from (
                found[key].removeprefix("!")
                for key in ("in-interface", "out-interface")
                if found.get(key)
            )
    for held in export.lists.values():
        yield from (name for name in held if name and not name.startswith("*"))


@dataclass(frozen=True, slots=True)
class _Builder:
    export: Export
    family: str
    chains: frozenset[str]

    def rule(self, command: Command, found: Mapping[str, str]) -> Rule:
        text = " ".join(word for word in command.words)[:200]
        # what a packet is comes first: of GRE nobody needs to wonder which ports it has
        items = sorted(found.items(), key=lambda item: item[0] != "protocol")
        asked = [one for item in items for one in self._match(*item, found)]
        done = self._action(found)
        statements = (*asked, *done) if done else ()
        return Rule(f"line {command.first + 1}", text, statements)

    def _action(self, found: Mapping[str, str]) -> list[Statement]:
        action = found.get("action", "accept")
        if action in _ENDS:
            return [End(Move(_ENDS[action]))]
        if action == "jump":
            there = found.get("jump-target", "")
            return [End(Move(Kind.JUMP, there))] if there in self.chains else []
        if action == "notrack":
            return [NoTrack()]
        if action in ("mark-packet", "mark-connection"):
            connection = action == "mark-connection"
            marked = SetMark(lookups.unknown(32, "marks have names here"), connection=connection)
            on = found.get("passthrough", "yes") in ("yes", "true")
            return [marked] if on else [marked, End(Move(Kind.ACCEPT))]
        if action in _NOTHING:
            return [] if found.get("passthrough", "yes") in ("yes", "true") else [_accepted()]
        return self._nat(action, found)

    def _nat(self, action: str, found: Mapping[str, str]) -> list[Statement]:
        to, ports = found.get("to-addresses", ""), found.get("to-ports", "")
        if action == "masquerade":
            return target(Group("MASQUERADE"), self.family, frozenset())
        if action == "redirect":
            return target(Group("REDIRECT"), self.family, frozenset())
        words = {"dst-nat": ("DNAT", "--to-destination"), "src-nat": ("SNAT", "--to-source")}
        if action not in words or not (to or ports) or "/" in to or "," in to:
            return [opaque(f"the action {action} is not understood")]
        name, option = words[action]
        wrapped = f"[{to}]" if ":" in to else to
        written = f"{wrapped}:{ports}" if ports else wrapped
        return target(Group(name, (Option(option, (written,)),)), self.family, frozenset())

    def _match(self, name: str, value: str, found: Mapping[str, str]) -> list[Statement]:
        if name in _SILENT or value == "":
            return []
        inverted, plain = value.startswith("!"), value.removeprefix("!")
        if name in ("in-interface-list", "out-interface-list"):
            return [self._listed_link(name, plain, inverted=inverted)]
        if name in ("src-address-list", "dst-address-list"):
            return [self._listed_address(name, plain, inverted=inverted)]
        if name == "ipsec-policy" and not self.export.ipsec:
            return [_always(holds=plain.endswith(",none") is not inverted)]
        groups = list(_groups(name, plain, inverted, found))
        if not groups:
            return [Perhaps(f"{name}={value} is not understood")]
        return [one for group in groups for one in matches([group], self.family)]

    def _listed_link(self, name: str, word: str, *, inverted: bool) -> Statement:
        incoming = name.startswith("in-")
        held = self.export.lists.get(word)
        if word in ("all", "none"):
            return _always(holds=(word == "all") is not inverted)
        if held is None or "*" in held or word in ("dynamic", "static"):
            return Perhaps(f"the export does not say what the interface list {word} holds")
        spans = [name_span(link) for link in held]

        def test(way: Way) -> Truth:
            value = way.interface(incoming=incoming)
            inside = some(span.holds(value) for span in spans)
            return negated(inside) if inverted else inside

        return Match(test)

    def _listed_address(self, name: str, word: str, *, inverted: bool) -> Statement:
        destination = name.startswith("dst-")
        held = self.export.addresses.get((self.family, word), ())
        spans = [address_span(text) for text in held]
        doubt = ""
        if word in self.export.filled or None in spans:
            doubt = f"what the address list {word} holds changes"

        def test(way: Way) -> Truth:
            value = lookups.address(way, destination=destination)
            if value is None:
                return False
            inside = some(span.holds(value) for span in spans if span)
            if doubt and inside is not True:
                return Unsure(doubt)
            return negated(inside) if inverted else inside

        return Match(test)


def _always(*, holds: bool) -> Statement:
    return Match(lambda way: holds)  # noqa: ARG005 - a question like the others


def _accepted() -> Statement:
    return End(Move(Kind.ACCEPT))


def _groups(
    name: str,
    value: str,
    inverted: bool,  # noqa: FBT001
    found: Mapping[str, str],
) -> Iterator[Group]:
    """Give a matcher in the words of iptables; nothing where there are none."""
    side = name[:3]
    match name:
        case "in-interface" | "out-interface":
            yield Group("", (Option(f"-{name[0]}", (value,), inverted),))
        case "protocol" if number := _protocol(value):
            yield Group("", (Option("-p", (str(number),), inverted),))
        case "src-address" | "dst-address" if "-" in value:
            yield Group("iprange", (Option(f"--{side}-range", (value,), inverted),))
        case "src-address" | "dst-address":
            yield Group("", (Option(f"-{name[0]}", (value,), inverted),))
        case "src-port" | "dst-port" | "port" if found.get("protocol") in ("tcp", "udp"):
            ports = value.replace("-", ":")
            yield Group("multiport", (Option(_PORTS[name], (ports,), inverted),))
        case "connection-state" | "connection-nat-state":
            states = value.upper().replace("SRCNAT", "SNAT").replace("DSTNAT", "DNAT")
            yield Group("conntrack", (Option("--ctstate", (states,), inverted),))
        case "src-address-type" | "dst-address-type":
            yield Group("addrtype", (Option(f"--{side}-type", (value.upper(),), inverted),))


_PORTS = {"src-port": "--sports", "dst-port": "--dports", "port": "--ports"}


def _protocol(value: str) -> int | None:
    if value.isdecimal():
        return int(value)
    return 58 if value in ("icmpv6", "ipv6-icmp") else PROTOCOLS.get(value)
