"""A ruleset, compiled: chains of rules of statements, whatever text it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from compiler.evaluate.way import Way
from compiler.model.device import Network


class Kind(StrEnum):
    """What a statement makes of the rule it stands in."""

    GO_ON = "go on"
    BREAK = "break"
    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"
    JUMP = "jump"
    GOTO = "goto"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Move:
    """``word`` is the chain of a jump or goto, or the reason of an unknown end."""

    kind: Kind
    word: str = ""


GO_ON, BREAK = Move(Kind.GO_ON), Move(Kind.BREAK)


class Statement(Protocol):
    """One part of a rule. Parts run from left to right until one breaks or decides."""

    def run(self, way: Way) -> Move:
        """Do it to the packet under way."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """``place`` is the handle or line, ``text`` what people read."""

    place: str
    text: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain sits; ``type`` is ``filter``, ``nat`` or ``route``.

    ``perhaps`` says why the chain may be asleep.
    """

    type: str
    hook: str
    priority: int
    policy: str = "accept"
    perhaps: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of a table; a base chain when it has a hook."""

    family: str
    table: str
    name: str
    rules: tuple[Rule, ...] = ()
    hook: Hook | None = None

    @property
    def table_name(self) -> str:
        """The table with its family: ``inet filter``."""
        return f"{self.family} {self.table}"


@dataclass(frozen=True, slots=True)
class Rules:
    """All chains, by family, table and name.

    - ``notes`` tell people what of the listing was left out of account.
    - ``families`` are the address families that the listing is about.
    - ``xtables``: the listing is that of iptables.
    - ``offloads``: a rule moves connections to a flow table, past the forward hook.
    - ``zoned``: a rule chooses conntrack zones, so answers may be strangers.
    - ``hidden`` says which rules of the router the listing does not hold; what passes these
      rules may be stopped by those.
    - ``links`` and ``networks`` are the interfaces (with ``*``) and the addresses that it names.
    """

    chains: Mapping[tuple[str, str, str], Chain]
    notes: tuple[str, ...] = ()
    families: frozenset[str] = frozenset({"ip", "ip6"})
    offloads: bool = False
    xtables: bool = False
    hidden: str = ""
    zoned: bool = False
    links: frozenset[str] = frozenset()
    networks: frozenset[Network] = frozenset()

    def hooked(self, hook: str, family: str) -> Iterator[Chain]:
        """Give the base chains of a hook that a packet of a family meets, by priority."""
        found = [
            chain
            for chain in self.chains.values()
            if chain.hook and chain.hook.hook == hook and chain.family in (family, "inet")
        ]
        yield from sorted(found, key=lambda chain: chain.hook.priority if chain.hook else 0)
