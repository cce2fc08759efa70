"""NAT rules: destination NAT and masquerading, as each system writes them down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.vyatta.firmware.words import Rule, rule, unmodelled
from compiler.vyatta.tree import Tree, at, leaf

_TO = frozenset({"translation", "inside-address"})
MASQUERADE = "masquerade"


@dataclass(frozen=True, slots=True)
class Translation:
    """A NAT rule: ``to`` is the new destination address, or ``masquerade``."""

    rule: Rule
    to: str

    @property
    def destination(self) -> bool:
        """Tell whether it changes where a packet goes to."""
        return self.to != MASQUERADE


def translations(tree: Tree) -> tuple[Translation, ...]:
    """Give the NAT rules of a config, in the order in which each kind is tried.

    Raises:
        TargetError: T406, a rule is not modelled.
    """
    return (*_service(tree), *_nat(tree, "destination"), *_nat(tree, "source"))


def _service(tree: Tree) -> Iterator[Translation]:
    """Read EdgeOS: all rules under one node, each with its type."""
    for number, node in _numbered(at(tree, "service", "nat")):
        kind = leaf(node, "type")
        if kind not in ("destination", MASQUERADE):
            raise unmodelled(f"service nat rule {number} type {kind}")
        to = _address(number, node, "inside-address") if kind == "destination" else MASQUERADE
        yield Translation(rule(number, node, _TO), to)


def _nat(tree: Tree, kind: str) -> Iterator[Translation]:
    """Read VyOS: a node for each kind."""
    for number, node in _numbered(at(tree, "nat", kind)):
        to = _address(number, node, "translation")
        if (to == MASQUERADE) != (kind == "source"):
            raise unmodelled(f"nat {kind} rule {number} translation address {to}")
        yield Translation(rule(number, node, _TO), to)


def _numbered(node: Tree) -> Iterator[tuple[int, Tree]]:
    numbered = at(node, "rule")
    for number in sorted(numbered, key=int):
        if "disable" not in numbered[number]:
            yield int(number), numbered[number]


def _address(number: int, node: Tree, word: str) -> str:
    if set(at(node, word)) != {"address"}:
        raise unmodelled(f"nat rule {number} {word} {' '.join(at(node, word))}".rstrip())
    return leaf(node, word, "address")
