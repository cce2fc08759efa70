"""Effects: what a packet experiences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from compiler.model.device import Address
from compiler.model.protocol import Family, Flow


class Verdict(StrEnum):
    """What happens to a packet. ``unknown`` is an honest answer and comes with a reason."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    DROP = "drop"
    REJECT = "reject"
    UNKNOWN = "unknown"

    @property
    def blocks(self) -> bool:
        """Tell whether the packet certainly does not get through."""
        return self in (Verdict.DROP, Verdict.REJECT)


class HelperState(StrEnum):
    """The NAT helper of the flow's protocol, on the packet's way."""

    ASSIGNED = "assigned"
    IDLE = "idle"
    ABSENT = "absent"
    NOT_NEEDED = "not-needed"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """``out``: a client behind the router opens it; ``in``: somebody in the WAN does."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Probe:
    """One packet to ask about: the first of its connection.

    ``source`` and ``destination`` are zones. An address of ``None`` means: one that no
    policy and no rule mentions. ``port`` is the destination port (0 without ports).
    For an exposure (direction ``in``) the destination address is the router's own.
    """

    flow: Flow
    family: Family
    source: str
    destination: str
    port: int = 0
    source_address: Address | None = None
    destination_address: Address | None = None
    direction: Direction = Direction.OUT


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to a probe, because of which setting or rule.

    ``helper`` is about the flow's protocol. ``cuts_running``: a tunnel that is up when
    the settings land dies too (meaningful where the verdict blocks).
    """

    probe: Probe
    verdict: Verdict
    because: str
    helper: HelperState = HelperState.NOT_NEEDED
    cuts_running: bool = True
