"""A ruleset: one table, printed twice: for ``nft -f``, and as nft lists it (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from targets.openwrt.fw4.nft import Part, element, quoted

TABLE = "fw4"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule; ``origin`` names the section of the config that made it, if one did."""

    parts: tuple[Part, ...]
    origin: str = ""
    comment: str = ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why nobody knows whether the rule matches."""
        return tuple(part.doubt for part in self.parts if part.doubt)

    def text(self) -> str:
        """Print as a line of a chain."""
        words = " ".join(part.text for part in self.parts)
        return f"{words} comment {quoted(self.comment)}" if self.comment else words


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain sits."""

    type: str
    name: str
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of the table."""

    name: str
    rules: tuple[Rule, ...]
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """A named set; ``changes``: programs fill it, so its elements say nothing certain."""

    name: str
    types: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...] = ()
    interval: bool = False
    changes: bool = False


@dataclass(frozen=True, slots=True)
class Helper:
    """A connection-tracking helper object."""

    name: str
    layer4: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One table for both address families."""

    chains: tuple[Chain, ...]
    helpers: tuple[Helper, ...] = ()
    sets: tuple[Set, ...] = ()
    table: str = TABLE
    rules: Mapping[int, Rule] = field(init=False)

    def __post_init__(self) -> None:
        """Number the rules in their order; a listing calls the numbers handles."""
        numbered = dict(enumerate((rule for chain in self.chains for rule in chain.rules), 1))
        object.__setattr__(self, "rules", numbered)

    def text(self) -> str:
        """Print for ``nft -f``.

        Raises:
            ValueError: a part of it is not known, so there is no text.
        """
        if any(rule.doubts for rule in self.rules.values()) or any(s.changes for s in self.sets):
            raise ValueError("a ruleset that is not known in full has no text")
        return "\n".join([f"table inet {self.table} {{", *self._body(), "}", ""])

    def _body(self) -> Iterator[str]:
        for helper in self.helpers:
            yield f"\tct helper {helper.name} {{"
            yield f'\t\ttype "{helper.name}" protocol {helper.layer4};'
            yield "\t}"
        for chain in self.chains:
            yield f"\tchain {chain.name} {{"
            if chain.hook:
                hook = chain.hook
                where = f"type {hook.type} hook {hook.name} priority {hook.priority}"
                yield f"\t\t{where}; policy {hook.policy};"
            for rule in chain.rules:
                yield f"\t\t{rule.text()}"
            yield "\t}"

    def listing(self, *, known: bool = False) -> str:
        """Print as ``nft -j list ruleset`` does; unknown parts stand in it as words of our own.

        ``known``: rules that have such parts are left out, so that a kernel can be given it.
        """
        entries: list[dict[str, Any]] = [{"metainfo": {"json_schema_version": 1}}]
        here = {"family": "inet", "table": self.table}
        entries.append({"table": {"family": "inet", "name": self.table, "handle": 0}})
        for helper in self.helpers:
            object_ = {"name": helper.name, "type": helper.name, "protocol": helper.layer4}
            entries.append({"ct helper": {**here, **object_, "l3proto": "inet"}})
        entries += ({"set": {**here, **_listed(set_)}} for set_ in self.sets)
        for chain in self.chains:
            entries.append({"chain": {**here, "name": chain.name, **_hooked(chain.hook)}})
        number = 0
        for chain in self.chains:
            for rule in chain.rules:
                number += 1
                if known and rule.doubts:
                    continue
                expr = [dict(part.data) for part in rule.parts]
                entries.append(
                    {"rule": {**here, "chain": chain.name, "handle": number, "expr": expr}}
                )
        return json.dumps({"nftables": entries})


def _hooked(hook: Hook | None) -> dict[str, Any]:
    if hook is None:
        return {}
    return {"type": hook.type, "hook": hook.name, "prio": hook.priority, "policy": hook.policy}


def _listed(set_: Set) -> dict[str, Any]:
    flags = (["interval"] if set_.interval else []) + (["dynamic"] if set_.changes else [])
    listed: dict[str, Any] = {
        "name": set_.name,
        "type": set_.types[0] if len(set_.types) == 1 else list(set_.types),
        "flags": flags,
    }
    if set_.elements:
        found = [[element(part) for part in parts] for parts in set_.elements]
        listed["elem"] = [e[0] if len(e) == 1 else {"concat": e} for e in found]
    return listed
