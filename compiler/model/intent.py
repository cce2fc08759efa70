"""What a policy wants of one router, fully resolved: no templates, no inheritance left."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from compiler.model.device import Address, Network
from compiler.model.finding import Place
from compiler.model.protocol import BOTH_FAMILIES, Family, Flow, Helper, Signature


class Action(StrEnum):
    """What a policy says of a protocol. ``keep``: not ours, not touched, not judged."""

    PASS = "pass"  # noqa: S105 - an action, not a password
    BLOCK = "block"
    KEEP = "keep"


class OnDeviation(StrEnum):
    """What to do when the target cannot express the intent exactly."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Log:
    """Log packets that a decision is about; ``rate`` limits it, e.g. ``10/minute``."""

    rate: str = ""
    burst: int = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a decision holds. An empty tuple means everywhere; it never means nowhere.

    ``zones`` and ``sources`` are alternatives of one another (a packet from a listed zone or
    from a listed network is inside).
    """

    zones: tuple[str, ...] = ()
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()
    families: frozenset[Family] = BOTH_FAMILIES

    @property
    def everywhere(self) -> bool:
        """Tell whether nothing is limited."""
        return not (self.zones or self.sources or self.destinations) and (
            self.families == BOTH_FAMILIES
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """The policy line that decided, and the play it stands in."""

    place: Place
    play: str
    inherited_from: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One protocol on one router: the action, its flows, its limits and where it came from.

    ``flows`` hold every flow that the decision claims, with ports as the policy overrides
    them, including flows of the parent that serve this protocol. ``otherwise`` is what
    the protocol gets outside the limits (``block`` or ``keep``). ``detect`` holds the
    signatures, as (layer 4, signature), that a block must also catch on other ports.
    """

    protocol: str
    action: Action
    flows: tuple[Flow, ...]
    origin: Origin
    limits: Limits = field(default_factory=Limits)
    otherwise: Action = Action.KEEP
    log: Log | None = None
    helper: Helper | None = None
    detect: tuple[tuple[int, Signature], ...] = ()
    until: date | None = None

    def claims(self, flow: Flow) -> bool:
        """Tell whether the decision speaks about the flow."""
        return any(own.id == flow.id for own in self.flows)


@dataclass(frozen=True, slots=True)
class Exposure:
    """A VPN server behind the router: its flows come in from the WAN to one host.

    ``sources`` limits who may come in (empty: anybody).
    """

    protocol: str
    to: Address
    flows: tuple[Flow, ...]
    origin: Origin
    helper: Helper | None = None
    sources: tuple[Network, ...] = ()
    log: Log | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything the policy wants of one router, sorted by protocol. ``keep`` leaves no trace."""

    device: str
    decisions: tuple[Decision, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    on_deviation: OnDeviation = OnDeviation.FAIL

    def decision(self, protocol: str) -> Decision | None:
        """Find the decision about a protocol."""
        return next((d for d in self.decisions if d.protocol == protocol), None)
