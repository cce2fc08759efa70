"""Flows as tests write them, and the policy line that asks for something about them."""

from __future__ import annotations

from compiler.model.finding import Place
from compiler.model.intent import Origin
from compiler.model.protocol import BOTH_FAMILIES, Family, Flow, PortRange

V4 = frozenset({Family.IPV4})
ORIGIN = Origin(Place("policy.yml", 3, 5), "a play")


def flow(name: str, layer4: int, *ports: int | tuple[int, int], carried: bool = False) -> Flow:
    """Make a flow; those of PPTP are of IPv4 alone."""
    ranges = tuple(PortRange(*p) if isinstance(p, tuple) else PortRange(p, p) for p in ports)
    families = V4 if name.startswith("pptp") else BOTH_FAMILIES
    return Flow(name, name.partition(".")[0], layer4, ranges, families, carried=carried)
