"""Read both listings into one ruleset."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.errors import NativeError
from compiler.evaluate.iptables.matches import matches
from compiler.evaluate.iptables.options import Group, grouped
from compiler.evaluate.iptables.targets import target
from compiler.evaluate.mentions import networks_in
from compiler.evaluate.ruleset import Chain, Hook, Rule, Statement
from compiler.evaluate.statements import opaque
from compiler.evaluate.walk import Ruleset
from compiler.model.finding import Code, Place

#: Priorities of the tables' hooks (include/uapi/linux/netfilter_ipv4.h).
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_HOOKS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
_CHAIN = re.compile(r":(\S+)\s+(ACCEPT|DROP|-)(?:\s+\[\d+:\d+\])?")
#: Options of a rule that belong to no extension.
_GENERAL = frozenset({"-s", "-d", "-i", "-o", "-p", "-f"})
_COUNTERS = re.compile(r"\[\d+:\d+\] ")


@dataclass(slots=True)
class _Table:
    """A table as far as it has been read: chains with policies, and numbered rules."""

    name: str
    chains: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[tuple[int, str]]] = field(default_factory=dict)


def load_iptables(v4_text: str | None, v6_text: str | None) -> Ruleset:
    """Read what ``iptables-save`` and ``ip6tables-save`` print.

    ``None`` stands for a listing that nobody asked for: verdicts in that family are unknown.

    Raises:
        NativeError: T407, a text is not such a listing, or only a part of one.
    """
    chains: dict[tuple[str, str, str], Chain] = {}
    families = set()
    for family, text in (("ip", v4_text), ("ip6", v6_text)):
        if text is None:
            continue
        families.add(family)
        for table in _Reader(family, text).tables():
            chains |= {(family, table.name, c.name): c for c in _compiled(family, table)}
    notes = tuple(
        f"there is no listing for {f} packets" for f in ("ip", "ip6") if f not in families
    )
    rules = [rule.text for chain in chains.values() for rule in chain.rules]
    return Ruleset(
        chains,
        notes,
        frozenset(families),
        any("FLOWOFFLOAD" in text for text in rules),
        xtables=True,
        zoned=any("-j CT " in text and " --zone" in text for text in rules),
        links=frozenset(link for text in rules for link in _links(text)),
        networks=frozenset(network for text in rules for network in networks_in(text)),
    )


def _links(text: str) -> Iterator[str]:
    for option in grouped(_words(text))[0].options:
        if option.name in ("-i", "-o") and option.argument:
            name = option.argument
            yield f"{name[:-1]}*" if name.endswith("+") else name


class _Reader:
    """Reads one listing, line by line."""

    def __init__(self, family: str, text: str) -> None:
        self._file = "iptables-save" if family == "ip" else "ip6tables-save"
        self._text = text

    def tables(self) -> list[_Table]:
        found: list[_Table] = []
        table: _Table | None = None
        number = 0
        for number, line in enumerate(self._text.splitlines(), 1):
            said = line.strip()
            if not said or said.startswith("#"):
                continue
            if said == "COMMIT" and table is not None:
                found.append(table)
                table = None
            elif said.startswith("*") and table is None and said[1:] in _PRIORITIES:
                table = _Table(said[1:])
                if any(one.name == table.name for one in found):
                    raise self._unreadable(f"table {table.name} stands twice", number)
            elif table is None:
                raise self._unreadable(f"this stands outside of any table: {said[:80]}", number)
            else:
                self._line(table, said, number)
        if table is not None:
            raise self._unreadable(
                f"table {table.name} has no COMMIT: the text ends too early", number
            )
        if not found:
            raise self._unreadable("the text holds no table", 0)
        return found

    def _line(self, table: _Table, said: str, number: int) -> None:
        declared = _CHAIN.fullmatch(said)
        if declared:
            table.chains[declared[1]] = declared[2]
            table.rules[declared[1]] = []
            return
        rule = _COUNTERS.sub("", said, count=1) if said.startswith("[") else said
        word, _, rest = rule.partition(" ")
        chain, _, options = rest.partition(" ")
        if word in ("-A", "--append") and chain in _HOOKS and chain not in table.chains:
            table.chains[chain], table.rules[chain] = "ACCEPT", []
        if word not in ("-A", "--append") or chain not in table.chains:
            raise self._unreadable(f"this is no rule of a chain of this table: {said[:80]}", number)
        table.rules[chain].append((number, options.strip()))

    def _unreadable(self, message: str, line: int) -> NativeError:
        return NativeError(
            NativeError.of(
                Code.T407, message, Place(self._file, line), f"give all that `{self._file}` prints"
            ).findings
        )


def _compiled(family: str, table: _Table) -> Iterator[Chain]:
    chains = frozenset(table.chains)
    for name, policy in table.chains.items():
        rules = tuple(_rule(text, number, family, chains) for number, text in table.rules[name])
        yield Chain(family, table.name, name, rules, _hook(table.name, name, policy))


def _hook(table: str, chain: str, policy: str) -> Hook | None:
    if chain not in _HOOKS or policy == "-":
        return None
    type_ = "nat" if table == "nat" else "filter"
    return Hook(type_, chain.lower(), _PRIORITIES[table], policy.lower())


def _rule(text: str, number: int, family: str, chains: frozenset[str]) -> Rule:
    return Rule(f"line {number}", text, _statements(text, family, chains))


def _statements(text: str, family: str, chains: frozenset[str]) -> tuple[Statement, ...]:
    groups = grouped(_words(text))
    asked: list[Statement] = [*matches(groups[:-1], family)]
    last: Group = groups[-1]
    if not last.name:
        return (*asked, *_nameless(groups[0]))
    done = target(last, family, chains)
    return (*asked, *done) if done else ()


def _nameless(general: Group) -> list[Statement]:
    """Give what a rule without a target does: nothing, unless it is written in an odd way."""
    odd = [option for option in general.options if option.name not in _GENERAL]
    return [opaque(f"{odd[0]} is not understood")] if odd else []


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
