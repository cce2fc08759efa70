"""One rule of ours against one packet, as far as the rule and the packet alone decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.model.protocol import AH, ESP, GRE, TCP, UDP, Family
from compiler.rules.match import Tristate, all_of, port_in
from compiler.rules.seen import Seen
from compiler.vyatta.dialect import Dialect
from compiler.vyatta.read import Path

_PROTOCOLS = {
    "tcp": {TCP}, "udp": {UDP}, "tcp_udp": {TCP, UDP}, "gre": {GRE}, "esp": {ESP}, "ah": {AH},
    "l2tp": {115}, "ipip": {94}, "etherip": {97}, "sctp": {132}, "ipencap": {4}, "ipv6": {41},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its number: what stands under it."""

    number: int
    leaves: tuple[Path, ...]

    def get(self, *key: str) -> tuple[str, ...]:
        """Give the values of a leaf."""
        size = len(key)
        return tuple(p[size] for p in self.leaves if p[:size] == key and len(p) == size + 1)

    def text(self, *key: str) -> str:
        """Give the value of a leaf that has one; nothing without it."""
        return next(iter(self.get(*key)), "")


def is_first(rules: Sequence[Rule]) -> bool:
    """Tell whether no foreign rule can stand before any of ours."""
    return bool(rules) and [rule.number for rule in rules] == [*range(1, len(rules) + 1)]


def is_known(leaf: Path, dialect: Dialect) -> bool:
    """Tell whether what a word asks for, or does, is understood."""
    silent = ("description", "action", "log", "protocol", "state", "jump-target")
    matching = (
        ("source", "port"),
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


def state(rule: Rule, seen: Seen) -> Tristate:
    """Tell whether a packet is in the state of its connection that the rule asks for."""
    states = {path[1] for path in rule.leaves if path[0] == "state" and path[-1] != "disable"}
    if not states:
        return True
    if not states <= {"new", "established", "related", "invalid"}:
        return None
    return seen.state in states


def protocol(rule: Rule, seen: Seen, dialect: Dialect) -> Tristate:
    """Tell whether a packet is of the protocol."""
    stated, layer4 = rule.text("protocol") or "all", seen.layer4
    if stated == "all":
        return True
    if dialect.passes_over and seen.family is Family.IPV6 and layer4 == AH:
        return False
    if stated.isdecimal():
        return int(stated) == layer4
    known = _PROTOCOLS.get(stated.lower())
    return None if known is None else layer4 in known


def ports(rule: Rule, seen: Seen) -> Tristate:
    """Tell whether a packet has the ports."""
    return all_of(
        _port(rule.text(end, "port"), seen.port(end)) for end in ("source", "destination")
    )


def _port(stated: str, port: int | None) -> Tristate:
    if not stated:
        return True
    return None if port is None else port_in(stated, port)
