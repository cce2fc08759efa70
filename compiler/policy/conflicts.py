"""Protocols that share a flow and disagree about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from compiler.catalogue import Catalogue
from compiler.model.finding import Code, Finding
from compiler.model.intent import Decision
from compiler.model.protocol import layer4_name


def conflicts(decisions: Sequence[Decision], catalogue: Catalogue) -> Iterator[Finding]:
    """Give one finding (P114) for each pair of unrelated protocols that cannot both be had.

    Protocols of one tree may disagree: the flows that they share pass where one of them passes.
    """
    for first, second in combinations(decisions, 2):
        if _agree(first, second) or _root(first, catalogue) == _root(second, catalogue):
            continue
        shared = _shared_flow(first, second)
        if shared is None:
            continue
        earlier, later = sorted((first, second), key=lambda d: d.origin.place)
        yield Finding(
            Code.P114,
            f"'{later.protocol}' ({later.action}) and '{earlier.protocol}' ({earlier.action}, "
            f"{earlier.origin.place}) share {shared} and disagree",
            place=later.origin.place,
            hint="packets of the two look alike; give both the same action and limits",
        )


def _agree(first: Decision, second: Decision) -> bool:
    return (first.action, first.limits, first.otherwise) == (
        second.action,
        second.limits,
        second.otherwise,
    )


def _root(decision: Decision, catalogue: Catalogue) -> str:
    lineage = catalogue.lineage(decision.protocol)
    return lineage[-1].id if lineage else decision.protocol


def _shared_flow(first: Decision, second: Decision) -> str | None:
    for one in first.flows:
        for other in second.flows:
            if one.overlaps(other):
                ports = [a for a in one.ports if any(a.overlaps(b) for b in other.ports)]
                name = layer4_name(one.layer4)
                return f"{name}/{','.join(map(str, ports))}" if ports else name
    return None
