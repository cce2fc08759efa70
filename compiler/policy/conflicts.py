"""Protocols that share a flow and disagree about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from compiler.catalogue import Catalogue
from compiler.model.device import Network
from compiler.model.finding import Code, Finding
from compiler.model.intent import Decision, Exposure
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


def rivals(exposures: Sequence[Exposure]) -> Iterator[Finding]:
    """Give one finding (P119) for each pair of servers that want the same packets from outside."""
    for first, second in combinations(exposures, 2):
        shared = _shared_flow(first, second)
        same_host = first.to == second.to
        if shared is None or same_host or first.to.version != second.to.version:
            continue
        if _apart(first.sources, second.sources):
            continue
        earlier, later = sorted((first, second), key=lambda e: e.origin.place)
        yield Finding(
            Code.P119,
            f"{shared} from outside cannot go to {later.to} and to {earlier.to} "
            f"({earlier.origin.place}) at once",
            place=later.origin.place,
            hint="give one of them other `ports`, or limit each by `from`",
        )


def _apart(first: Sequence[Network], second: Sequence[Network]) -> bool:
    if not first or not second:
        return False
    return not any(a.version == b.version and _overlap(a, b) for a in first for b in second)


def _overlap(first: Network, second: Network) -> bool:
    return first.network_address in second or second.network_address in first


def _agree(first: Decision, second: Decision) -> bool:
    return (first.action, first.limits, first.otherwise) == (
        second.action,
        second.limits,
        second.otherwise,
    )


def _root(decision: Decision, catalogue: Catalogue) -> str:
    lineage = catalogue.lineage(decision.protocol)
    return lineage[-1].id if lineage else decision.protocol


def _shared_flow(first: Decision | Exposure, second: Decision | Exposure) -> str | None:
    for one in first.flows:
        for other in second.flows:
            if one.overlaps(other):
                ports = [a for a in one.ports if any(a.overlaps(b) for b in other.ports)]
                name = layer4_name(one.layer4)
                return f"{name}/{','.join(map(str, ports))}" if ports else name
    return None
