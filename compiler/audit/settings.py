"""Settings of ours that differ, one line each; and which of them a verdict came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.audit.redact import redact
from compiler.device.job import Change

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Differing:
    """One line of one setting: what the router has, and what it should have; not both empty."""

    item: str
    found: str | None
    wanted: str | None

    def __str__(self) -> str:
        """Say it in one line."""
        before = _NOTHING if self.found is None else self.found
        after = _NOTHING if self.wanted is None else self.wanted
        wanted = redact(f"{self.item}={after}").partition("=")[2]
        return f"{redact(f'{self.item}={before}')} (wanted: {wanted})"

    def is_named(self, texts: Iterable[str]) -> bool:
        """Tell whether one of these texts names the setting, its section or its rule."""
        names = {self.item, self.item.partition(".")[0], self.item.rpartition(" ")[0]}
        last = self.item.rpartition(" ")[2]
        names |= {f"@{last}"}
        lines = [line for line in (self.found, self.wanted) if line and " " in line]
        shapes = [re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])") for name in names if name]
        return any(
            any(shape.search(text) for shape in shapes) or any(line in text for line in lines)
            for text in texts
        )

    def is_about(self, words: Iterable[str]) -> bool:
        """Tell whether the setting itself names one of these flows or protocols."""
        whole = " ".join(filter(None, (self.item, self.found, self.wanted)))
        return any(re.search(rf"(?<![\w.-]){re.escape(w)}(?![\w-])", whole) for w in words if w)


def differing(changes: Iterable[Change]) -> tuple[Differing, ...]:
    """Give what differs; of a setting with several lines, the lines that only one side has."""
    return tuple(one for change in changes for one in _lines(change))


def _lines(change: Change) -> Iterator[Differing]:
    before = change.before.split("\n") if change.before is not None else []
    after = change.after.split("\n") if change.after is not None else []
    if len(before) < 2 and len(after) < 2:
        yield Differing(change.item, change.before, change.after)
        return
    gone = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    yield from (Differing(change.item, line, None) for line in gone)
    yield from (Differing(change.item, None, line) for line in new)
    if not gone and not new:  # in another order, or as often as not
        yield Differing(change.item, " / ".join(before), " / ".join(after))


def deciding(
    found: Iterable[Differing], texts: Iterable[str], words: Iterable[str]
) -> tuple[Differing, ...]:
    """Give those that a verdict came from: that its reasons name, or that name its flows.

    Where nothing tells them apart, it may be any.
    """
    every = tuple(found)
    reasons, about = tuple(texts), tuple(words)
    named = tuple(one for one in every if one.is_named(reasons))
    return named or tuple(one for one in every if one.is_about(about)) or every
