"""What would mend a deviation on this router: found by trying, not written down by anybody.

A target's typical routers differ in facts and options. Each is tried in the router's place: if what
it states besides makes the deviation go away, that is the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from compiler.errors import PassthruError
from compiler.model import judge
from compiler.model.device import Device, Fact
from compiler.model.finding import Severity
from compiler.model.intent import Intent
from compiler.model.judge import Deviation
from compiler.model.target import Target

#: What is stated besides: options by their name, facts with a mark before it.
Additions = Mapping[str, Fact]
_FACT = "\0"


def remedies(
    target: Target[Any], device: Device, intent: Intent, deviations: Sequence[Deviation]
) -> tuple[str, ...]:
    """Give for each deviation what the inventory could say to mend it; nothing if nothing does."""
    if not deviations:
        return ()
    search = _Search(target, device, intent)
    return tuple(search.words(deviation) for deviation in deviations)


@dataclass(slots=True)
class _Search:
    target: Target[Any]
    device: Device
    intent: Intent
    tried: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def words(self, deviation: Deviation) -> str:
        """Say the least that mends a deviation; nothing where nothing does."""
        for each in sorted(self._additions(), key=len):
            if self._mends(each, deviation):
                return _words(self._least(each, deviation))
        return ""

    def _least(self, additions: Additions, deviation: Deviation) -> Additions:
        """Leave out what is not needed for it."""
        for key in additions:
            less = {other: value for other, value in additions.items() if other != key}
            if less and self._mends(less, deviation):
                additions = less
        return additions

    def _mends(self, additions: Additions, deviation: Deviation) -> bool:
        """Tell whether nothing of the protocol deviates on such a router."""
        key = repr(additions)
        if key not in self.tried:
            self.tried[key] = self._deviating(additions)
        left = self.tried[key]
        return left is not None and deviation.protocol not in left

    def _additions(self) -> Iterator[Additions]:
        """Give what typical routers state besides; those that state another value are others."""
        here = {**_keyed(self.device.facts, _FACT), **_keyed(self.device.options, "")}
        for example in self.target.examples():
            there = {**_keyed(example.facts, _FACT), **_keyed(example.options, "")}
            if all(here.get(key, value) == value for key, value in there.items()):
                more = {key: value for key, value in there.items() if key not in here}
                if more:
                    yield more

    def _deviating(self, additions: Additions) -> frozenset[str] | None:
        """Give the protocols that deviate on such a router; ``None`` where it cannot be one."""
        facts = {key.removeprefix(_FACT): v for key, v in additions.items() if key[:1] == _FACT}
        options = {key: value for key, value in additions.items() if key[:1] != _FACT}
        device = replace(
            self.device,
            facts=MappingProxyType({**self.device.facts, **facts}),
            options=MappingProxyType({**self.device.options, **options}),
        )
        if any(found.severity is Severity.ERROR for found in self.target.check(device)):
            return None
        try:
            settings = self.target.settings(self.intent, device)
            effects = self.target.effects(settings, device, judge.probes(self.intent, device))
        except PassthruError:
            return None
        return frozenset(left.protocol for left in judge.compare(self.intent, effects))


def _keyed(stated: Mapping[str, Fact], mark: str) -> Additions:
    return {f"{mark}{key}": value for key, value in stated.items()}


def _words(additions: Additions) -> str:
    options = [(key, value) for key, value in additions.items() if key[:1] != _FACT]
    facts = [(key[1:], value) for key, value in additions.items() if key[:1] == _FACT]
    told = [f"`passthru_{key}: {_yaml(value)}`" for key, value in sorted(options)]
    if facts:
        shown = ", ".join(f"{key}: {_yaml(value)}" for key, value in sorted(facts))
        told.append(f"`passthru_facts: {{{shown}}}` (where that is so)")
    return f"{' with '.join(told)} would do"


def _yaml(value: Fact) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    return f"'{value}'" if isinstance(value, str) and value[:1].isdigit() else str(value)
