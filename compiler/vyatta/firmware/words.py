"""A rule of a config, word by word, before it is put into the words of a kernel's tool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.errors import TargetError
from compiler.model.finding import Code
from compiler.vyatta.tree import Tree, at, leaf

STATES = ("established", "new", "related", "invalid")
PORTED = ("tcp", "udp", "6", "17", "tcp_udp")
_SILENT = frozenset({"description", "disable", "log-options", "type"})
_READ = frozenset({
    "action", "destination", "inbound-interface", "jump-target", "log", "outbound-interface",
    "protocol", "source", "state",
})  # fmt: skip
_END = frozenset({"address", "port", "group"})
_GROUPS = {
    "address-group": "address-group", "network-group": "network-group",
    "ipv6-address-group": "address-group", "ipv6-network-group": "network-group",
    "port-group": "port-group",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """What a packet must be, or with ``!`` must not be; ``group`` names a kind of group."""

    value: str
    inverted: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a packet: its addresses and ports."""

    addresses: tuple[Term, ...] = ()
    ports: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is not disabled. All that it asks must hold; nothing asked is anything."""

    number: int
    action: str
    jump: str
    protocol: Term | None
    source: End
    destination: End
    incoming: tuple[Term, ...]
    outgoing: tuple[Term, ...]
    states: tuple[str, ...]
    log: bool

    @property
    def ports(self) -> bool:
        """Tell whether it asks for ports."""
        return bool(self.source.ports or self.destination.ports)


def unmodelled(what: str) -> TargetError:
    """Give the error for a config that is not modelled."""
    return TargetError.of(Code.T406, f"there is no model of `{what}`")


def rules(node: Tree) -> Iterator[Rule]:
    """Give the rules of a node in the order in which they are tried.

    Raises:
        TargetError: T406, a rule has words that are not modelled.
    """
    numbered = at(node, "rule")
    for number in sorted(numbered, key=int):
        if "disable" not in numbered[number]:
            yield rule(int(number), numbered[number])


def rule(number: int, node: Tree, also: frozenset[str] = frozenset()) -> Rule:
    """Read one rule; ``also`` are words that the caller reads.

    Raises:
        TargetError: T406.
    """
    odd = sorted(set(node) - _SILENT - _READ - also)
    if odd:
        raise unmodelled(f"rule {number} {odd[0]}")
    stated = leaf(node, "protocol")
    found = Rule(
        number,
        leaf(node, "action"),
        leaf(node, "jump-target"),
        term(stated) if stated not in ("", "all") else None,
        _end(number, "source", at(node, "source")),
        _end(number, "destination", at(node, "destination")),
        _links(number, node, "inbound-interface"),
        _links(number, node, "outbound-interface"),
        _states(number, at(node, "state")),
        "log" in node and leaf(node, "log") != "disable",
    )
    if found.ports and (found.protocol is None or found.protocol.value not in PORTED):
        raise unmodelled(f"rule {number} port, of a protocol without ports")
    return found


def term(text: str, group: str = "") -> Term:
    """Read a word that may begin with ``!``."""
    return Term(text.removeprefix("!"), text.startswith("!"), group)


def _end(number: int, side: str, node: Tree) -> End:
    odd = sorted(set(node) - _END) or sorted(set(at(node, "group")) - set(_GROUPS))
    if odd:
        raise unmodelled(f"rule {number} {side} {odd[0]}")
    groups = [(_GROUPS[kind], leaf(node, "group", kind)) for kind in at(node, "group")]
    addresses = [term(one) for one in at(node, "address")]
    addresses += [term(name, kind) for kind, name in groups if kind != "port-group"]
    ports = [term(one) for one in at(node, "port")]
    ports += [term(name, kind) for kind, name in groups if kind == "port-group"]
    return End(tuple(addresses), tuple(ports))


def _links(number: int, node: Tree, word: str) -> tuple[Term, ...]:
    """Read an interface: its name (up to 1.3), or ``name`` or ``group`` with it."""
    inner = at(node, word)
    if len(inner) > 1:
        raise unmodelled(f"rule {number} {word} {' '.join(inner)}")
    if set(inner) <= {"name", "group"}:
        kind = "interface-group" if "group" in inner else ""
        return tuple(term(leaf(inner, key), kind) for key in inner)
    return tuple(term(name) for name in inner)


def _states(number: int, node: Tree) -> tuple[str, ...]:
    odd = sorted(set(node) - set(STATES))
    if odd:
        raise unmodelled(f"rule {number} state {odd[0]}")
    return tuple(state for state in STATES if state in node and leaf(node, state) != "disable")
