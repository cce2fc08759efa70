"""The part of nftables that this target speaks, as frozen data: these are its settings.

Every piece has one canonical form (numbers as numbers, lists sorted), so that what is compiled,
what a file says and what ``nft list table`` prints compare equal when they mean the same. The
grammar is that of nft(8); expressions are kept as the words nft uses for them
(``ct original ip daddr``), joined by `` . `` where nft concatenates.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Words for numbers that ``nft list`` prints by name, by expression.
DIRECTIONS = {"original": 0, "reply": 1}
NFPROTO = {"ipv4": 2, "ipv6": 10}

#: nft's type of an expression. nft 1.0.6 forgets the ``typeof`` of a set of five fields.
TYPES = {
    "ct direction": "ct_dir",
    "iifname": "ifname",
    "oifname": "ifname",
    **{
        f"ct {way} {ip} {end}": f"ipv{version}_addr"
        for way in ("original", "reply")
        for ip, version in (("ip", 4), ("ip6", 6))
        for end in ("saddr", "daddr")
    },
}

#: Expressions whose values are bits: without braces nft tests them at once, with braces it makes a
#: set to look them up in. A packet has exactly one of them, so both mean the same.
FLAGS = frozenset({"ct state"})

PRIORITIES = {"dstnat": -100, "filter": 0, "srcnat": 100}


@dataclass(frozen=True, slots=True)
class Match:
    """``key`` is one of ``values``, or in the set ``set_name``; ``mask`` is for raw payload.

    ``negated``: it is none of them; a packet that has no such key still does not match.
    """

    key: str
    values: tuple[str, ...] = ()
    set_name: str = ""
    mask: str = ""
    negated: bool = False

    def write(self) -> str:
        """Print it as nft writes it."""
        left = f"{self.key} & {self.mask} ==" if self.mask else self.key
        if self.negated:
            left = f"{left} !="
        if self.set_name:
            return f"{left} @{self.set_name}"
        if self.key in FLAGS:
            return f"{left} {','.join(self.values)}"
        listed = ", ".join(self.values)
        return f"{left} {listed}" if len(self.values) == 1 else f"{left} {{ {listed} }}"


@dataclass(frozen=True, slots=True)
class Lookup:
    """``key vmap``: a named map, or ``pairs`` of value and verdict in place."""

    key: str
    map_name: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    mask: str = ""

    def write(self) -> str:
        """Print it as nft writes it."""
        if self.map_name:
            return f"{self.key} vmap @{self.map_name}"
        pairs = ", ".join(f"{value} : {verdict}" for value, verdict in self.pairs)
        left = f"{self.key} & {self.mask}" if self.mask else self.key
        return f"{left} vmap {{ {pairs} }}"


@dataclass(frozen=True, slots=True)
class Update:
    """Put ``key`` of this packet into a dynamic set."""

    set_name: str
    key: str

    def write(self) -> str:
        """Print it as nft writes it."""
        return f"update @{self.set_name} {{ {self.key} }}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Go on at most so often: ``10/minute``, with a burst in packets (nft's default is 5)."""

    rate: str
    burst: int = 5

    def write(self) -> str:
        """Print it as nft writes it."""
        return f"limit rate {self.rate} burst {self.burst} packets"


@dataclass(frozen=True, slots=True)
class LogLine:
    """Write a kernel log line that begins with ``prefix``."""

    prefix: str

    def write(self) -> str:
        """Print it as nft writes it."""
        return f'log prefix "{self.prefix}"'


@dataclass(frozen=True, slots=True)
class Counter:
    """Count packets and bytes."""

    def write(self) -> str:
        """Print it as nft writes it."""
        return "counter"


@dataclass(frozen=True, slots=True)
class SetHelper:
    """Assign the connection-tracking helper object ``name``."""

    name: str

    def write(self) -> str:
        """Print it as nft writes it."""
        return f'ct helper set "{self.name}"'


@dataclass(frozen=True, slots=True)
class Dnat:
    """Send to another address; ``family`` is ``ip`` or ``ip6``."""

    family: str
    to: str

    def write(self) -> str:
        """Print it as nft writes it."""
        return f"dnat {self.family} to {self.to}"


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Use the outgoing interface's address."""

    def write(self) -> str:
        """Print it as nft writes it."""
        return "masquerade"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``accept``, ``drop``, ``return``, or ``jump``/``goto`` to a chain."""

    kind: str
    chain: str = ""

    def write(self) -> str:
        """Print it as nft writes it."""
        return f"{self.kind} {self.chain}" if self.chain else self.kind


Statement = (
    Match | Lookup | Update | Limit | LogLine | Counter | SetHelper | Dnat | Masquerade | Verdict
)
Rule = tuple[Statement, ...]
Rules = tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain sits."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; a base chain when it has a hook."""

    name: str
    rules: tuple[Rule, ...]
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """A named set: what its elements are, by expression or by nft's type names, and they."""

    name: str
    key: str
    elements: tuple[str, ...] = ()
    interval: bool = False
    dynamic: bool = False

    @property
    def typed(self) -> bool:
        """Tell whether the key holds nft's type names."""
        return self.key.partition(" . ")[0] in TYPES.values()


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """A named map from a key to a verdict; ``key`` holds nft's type names.

    nft 1.0.6 lists a map of five fields by types, although ``typeof`` made it; a set by ``typeof``.
    """

    name: str
    key: str
    elements: tuple[tuple[str, Verdict], ...] = ()
    interval: bool = False


@dataclass(frozen=True, slots=True)
class HelperObject:
    """A ``ct helper`` object."""

    name: str
    type: str
    protocol: str
    l3proto: str


@dataclass(frozen=True, slots=True)
class Table:
    """One ``inet`` table: everything that this target owns on a router."""

    name: str
    helpers: tuple[HelperObject, ...] = ()
    sets: tuple[Set, ...] = ()
    maps: tuple[VerdictMap, ...] = ()
    chains: tuple[Chain, ...] = ()

    def chain(self, name: str) -> Chain | None:
        """Find a chain."""
        return next((chain for chain in self.chains if chain.name == name), None)

    def set(self, name: str) -> Set | None:
        """Find a set."""
        return next((s for s in self.sets if s.name == name), None)

    def map(self, name: str) -> VerdictMap | None:
        """Find a map."""
        return next((m for m in self.maps if m.name == name), None)

    def hooked(self, hook: str) -> list[Chain]:
        """Give the base chains of a hook, by priority."""
        found = [(chain.hook.priority, chain) for chain in self.chains
                 if chain.hook and chain.hook.hook == hook]  # fmt: skip
        return [chain for _, chain in sorted(found, key=lambda pair: pair[0])]


def write_rule(rule: Rule) -> str:
    """Print a rule as nft writes it."""
    return " ".join(statement.write() for statement in rule)
