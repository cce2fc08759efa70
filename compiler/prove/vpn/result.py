"""What is found out: for each tunnel, client, ruleset and phase one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """``running``: the tunnel was up when the rules landed; ``new``: it is opened under them."""

    RUNNING = "running"
    NEW = "new"


class Outcome(StrEnum):
    """What became of a tunnel. Only ``passed`` means that pings crossed it both ways."""

    PASSED = "passed"
    CUT = "cut"
    BLOCKED = "blocked"
    PARTLY = "partly"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class FlowCount:
    """Packets of one flow: what the client sent, and what came back to it from the server."""

    flow: str
    sent: int
    back: int

    def __str__(self) -> str:
        """Give ``control 12/9``: sent and got back."""
        return f"{self.flow} {self.sent}/{self.back}"


@dataclass(frozen=True, slots=True)
class VpnResult:
    """One tunnel of one client under one ruleset. ``evidence``: the last lines of the logs."""

    ruleset: str
    protocol: str
    client: int
    phase: Phase
    outcome: Outcome
    seconds: float
    flows: tuple[FlowCount, ...]
    evidence: tuple[str, ...]

    @property
    def says(self) -> str:
        """One sentence for a person."""
        after = f"{self.seconds:.0f} s"
        match self.outcome:
            case Outcome.PASSED if self.phase is Phase.RUNNING:
                return "the running tunnel goes on"
            case Outcome.PASSED:
                return f"pings cross the tunnel both ways (after {after})"
            case Outcome.CUT:
                return f"the running tunnel died {after} after the rules landed"
            case Outcome.BLOCKED:
                return f"no answer in {after} (sent/answered: {_counts(self)})"
            case Outcome.PARTLY:
                return _partly(self)
            case Outcome.BROKEN:
                return "the software at one end does not work, which shows nothing about the rules"


def classify(phase: Phase, flows: Sequence[FlowCount], *, up: bool, served: bool = True) -> Outcome:
    """Judge a tunnel by whether pings crossed it, and by its packets.

    A client that has sent nothing, and a server that does not run, show nothing about the rules:
    their software is broken.
    """
    if up:
        return Outcome.PASSED
    if not served or (phase is Phase.NEW and not any(flow.sent for flow in flows)):
        return Outcome.BROKEN
    if phase is Phase.RUNNING:
        return Outcome.CUT
    return Outcome.PARTLY if any(flow.back for flow in flows) else Outcome.BLOCKED


def read_result(event: Mapping[str, Any], rulesets: Sequence[str]) -> VpnResult:
    """Read a result as the guest reports it.

    Raises:
        LookupError, TypeError, ValueError: it is not what the guest writes.
    """
    flows = tuple(FlowCount(item["flow"], item["sent"], item["back"]) for item in event["traffic"])
    phase = Phase(event["phase"])
    return VpnResult(
        ruleset=rulesets[event["ruleset"]],
        protocol=event["protocol"],
        client=event["client"],
        phase=phase,
        outcome=classify(phase, flows, up=event["up"], served=event["served"]),
        seconds=event["seconds"],
        flows=flows,
        evidence=tuple(event["log"]),
    )


def _partly(result: VpnResult) -> str:
    """Say what opens and what gets lost: ``control`` connects, ``data`` is lost."""
    good = [flow.flow for flow in result.flows if flow.back]
    lost = [flow.flow for flow in result.flows if not flow.back]
    if not lost:
        return f"{_names(good)} is answered, yet no tunnel comes up"
    return f"{_names(good)} connects, {_names(lost)} is lost"


def _names(flows: Sequence[str]) -> str:
    return " and ".join(flows)


def _counts(result: VpnResult) -> str:
    return ", ".join(str(flow) for flow in result.flows)
