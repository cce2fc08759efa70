"""The way out of a chain for established traffic: rules that accept what nothing below drops.

A chain of the verdict map stands before the established rule. Without a shortcut a packet would
meet all its rules, and then the established rule. The shortcut matches what is *not* in the
region that the chain drops; it never changes a verdict.

A region is a set of boxes: a pair of interfaces, and ranges of the addresses that rules ask for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_network
from itertools import pairwise

from targets.linux import nft
from targets.linux.canonical import element_order, range_word
from targets.linux.matches import ACCEPT, DROP, RUNNING
from targets.linux.where import free_name
from targets.linux.zones import PAIR_KEY

#: Sizes of the parts of a key in bytes; a key fills the registers of nft at most
#: (NFT_REG32_COUNT words in include/uapi/linux/netfilter/nf_tables.h).
_SIZES = {"ct_dir": 4, "ifname": 16, "ipv4_addr": 4, "ipv6_addr": 16}
_LARGEST_KEY = 64
#: nft keeps the types of a key in 6 bits each of a word (TYPE_BITS in its include/datatype.h).
_MOST_PARTS = 5
_PAIR = tuple(PAIR_KEY.split(" . "))
#: A box: the words of its interfaces, then of each address.
_Box = tuple[str, ...]


@dataclass(frozen=True)
class _Clause:
    """A rule that ends the chain for the packets of a region: what it asks of each key."""

    drops: bool
    pairs: frozenset[str] | None
    ranges: Mapping[str, tuple[tuple[int, int], ...]]

    @cached_property
    def starts(self) -> Mapping[str, list[int]]:
        """The first address of each range, by key."""
        return {key: [first for first, _ in spans] for key, spans in self.ranges.items()}

    def holds(self, key: str, number: int) -> bool:
        """Tell whether an address is one that the clause asks for."""
        if key not in self.ranges:
            return True
        at = bisect_right(self.starts[key], number) - 1
        return at >= 0 and number <= self.ranges[key][at][1]


@dataclass(slots=True)
class Shortcuts:
    """Makes shortcuts, and the sets that they need."""

    made: dict[tuple[str, tuple[str, ...]], nft.Set] = field(default_factory=dict)

    def into(
        self,
        rules: nft.Rules,
        known: Sequence[nft.Set],
        name: str,
        *,
        first: bool,
        direction: str,
        unless: nft.Rule = (),
    ) -> nft.Rules | None:
        """Put shortcuts into the rules of a chain: one if it must come ``first``, else two at most.

        ``known`` are the sets that the rules name, ``name`` is for the sets that a shortcut may
        need, ``unless`` are further matches that it must not pass by. With a ``direction``, the
        chain meets packets of that direction only. Gives nothing where no set can hold the key.
        """
        passed_by = {m.set_name for m in unless if isinstance(m, nft.Match)}
        judged = tuple(rule for rule in rules if _set_of(rule) not in passed_by)
        clauses = list(_clauses(judged, {found.name: found for found in known}))
        drops = [clause for clause in clauses if clause.drops]
        accepts = {_without_state(rule) for rule in judged if rule[-1] == ACCEPT}
        barred = f"barred_{name}"
        if first:
            found = self._boxed(clauses, known, barred, direction, drops=True)
            return None if found is None else ((RUNNING, *unless, *found, ACCEPT), *rules)
        found = _plain(judged) or self._boxed(drops, known, barred, direction, drops=True)
        if found is None:
            return None
        leave = (RUNNING, *unless, *found, ACCEPT)
        if len(accepts) < 2 and (not accepts or rules[0][-1] == ACCEPT):
            return (*rules[: len(accepts)], leave, *rules[len(accepts) :])
        inside = self._boxed(clauses, known, f"open_{name}", direction, drops=False)
        if inside is None:
            return None
        accept = ((RUNNING, *unless, *inside, ACCEPT),) if inside else ()
        return (*accept, leave, *rules)

    def _boxed(
        self,
        clauses: Sequence[_Clause],
        known: Sequence[nft.Set],
        name: str,
        direction: str,
        *,
        drops: bool,
    ) -> nft.Rule | None:
        """Match what lies outside of the region that is dropped, or inside of what is accepted.

        Gives no match where there is no such region, nothing where no set can hold it.
        """
        addresses = sorted({key for clause in clauses for key in clause.ranges})
        keys = (*(_PAIR[1:] if direction else _PAIR), *addresses)
        if not _fits(keys):
            return None
        boxes = _boxes(clauses, addresses, direction, drops=drops)
        if not boxes:
            return ()
        if not addresses and not direction:
            same = {word for (word,) in boxes}
            for pairs in known:
                if pairs.key == PAIR_KEY and set(pairs.elements) == same:
                    return (nft.Match(PAIR_KEY, (), pairs.name, negated=drops),)
        types = " . ".join(nft.TYPES[key] for key in keys)
        elements = tuple(sorted((" . ".join(box) for box in boxes), key=element_order))
        made = self._keep(name, types, elements, interval=bool(addresses))
        return (nft.Match(" . ".join(keys), (), made, negated=drops),)

    def _keep(self, name: str, key: str, elements: tuple[str, ...], *, interval: bool) -> str:
        """Name the set of these elements; equal sets are one."""
        if (key, elements) not in self.made:
            free = free_name(name, {other.name for other in self.made.values()})
            self.made[(key, elements)] = nft.Set(free, key, elements, interval=interval)
        return self.made[(key, elements)].name


def fits_first(rules: nft.Rules) -> bool:
    """Tell whether a shortcut can be the first rule of a chain, for each direction at least."""
    asked = {s.key for rule in rules for s in rule if isinstance(s, nft.Match)}
    addresses = [key for key in nft.TYPES if key in asked and key not in _PAIR]
    return _fits((*_PAIR[1:], *addresses))


def _fits(keys: Sequence[str]) -> bool:
    size = sum(_SIZES[nft.TYPES[key]] for key in keys)
    return len(keys) <= _MOST_PARTS and size <= _LARGEST_KEY


def _set_of(rule: nft.Rule) -> str:
    return rule[0].set_name if isinstance(rule[0], nft.Match) else ""


def _without_state(rule: nft.Rule) -> nft.Rule:
    return tuple(statement for statement in rule if statement != RUNNING)


def _plain(rules: nft.Rules) -> nft.Rule | None:
    """Give the region as a match of a set that is there already, where it is one."""
    drops = [[s for s in rule if isinstance(s, nft.Match)] for rule in rules if rule[-1] == DROP]
    if len(drops) == 1 and len(drops[0]) == 1 and drops[0][0].key == PAIR_KEY:
        return (nft.Match(PAIR_KEY, (), drops[0][0].set_name, negated=True),)
    return None


def _clauses(rules: nft.Rules, sets: Mapping[str, nft.Set]) -> Iterator[_Clause]:
    """Read rules as clauses. What they ask beside places makes a drop wider, and an accept none."""
    for rule in rules:
        asked = [s for s in rule if isinstance(s, nft.Match) and s != RUNNING]
        places = [match for match in asked if match.key == PAIR_KEY or match.key in nft.TYPES]
        drops = rule[-1] == DROP
        if not drops and (rule[-1] != ACCEPT or len(places) < len(asked)):
            continue
        members = {m.key: sets[m.set_name].elements if m.set_name else m.values for m in places}
        pairs = members.pop(PAIR_KEY, None)
        ranges = {key: tuple(sorted(map(_span, words))) for key, words in members.items()}
        yield _Clause(drops, None if pairs is None else frozenset(pairs), ranges)


def _span(word: str) -> tuple[int, int]:
    network = ip_network(word)
    return int(network.network_address), int(network.broadcast_address)


def _boxes(
    clauses: Sequence[_Clause], keys: Sequence[str], direction: str, *, drops: bool
) -> list[_Box]:
    """Give what the clauses drop, or accept of it, as boxes without overlap; the first one wins.

    Only pairs of interfaces where something is dropped are looked at.
    """
    pairs = {pair for clause in clauses if clause.drops for pair in clause.pairs or ()}
    alike: dict[tuple[int, ...], list[str]] = {}
    for pair in pairs:
        if pair.startswith(direction):
            here = (n for n, c in enumerate(clauses) if c.pairs is None or pair in c.pairs)
            word = pair.partition(" . ")[2] if direction else pair
            alike.setdefault(tuple(here), []).append(word)
    return [
        (word, *box)
        for here, words in alike.items()
        for box in _address_boxes([clauses[n] for n in here], keys, drops=drops)
        for word in words
    ]


def _address_boxes(clauses: Sequence[_Clause], keys: Sequence[str], *, drops: bool) -> list[_Box]:
    if not clauses or not keys:
        return [()] if clauses and clauses[0].drops is drops else []
    key, version = keys[0], 4 if nft.TYPES[keys[0]] == "ipv4_addr" else 6
    spans = [span for clause in clauses for span in clause.ranges.get(key, ())]
    end = 1 << (32 if version == 4 else 128)
    borders = sorted({0, end, *(first for first, _ in spans), *(last + 1 for _, last in spans)})
    runs: list[tuple[int, int, list[_Box]]] = []
    for start, following in pairwise(borders):
        here = [clause for clause in clauses if clause.holds(key, start)]
        inner = _address_boxes(here, keys[1:], drops=drops)
        if runs and runs[-1][2] == inner:
            runs[-1] = (runs[-1][0], following - 1, inner)
        else:
            runs.append((start, following - 1, inner))
    return [(range_word(*run[:2], version), *box) for run in runs for box in run[2]]
