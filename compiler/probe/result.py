"""What came of a probe, flow by flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SCHEMA = "passthru/probe/v1"


class State(StrEnum):
    """What came of a flow."""

    PASSED = "passed"
    LOST = "lost"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class FlowResult:
    """One flow to one port.

    ``lost`` says on which way: ``out`` or ``back``. ``port`` is the source port that was used,
    ``seen`` the one that the server saw (0: none).
    """

    protocol: str
    flow: str
    family: str
    packets: str
    state: State
    why: str = ""
    lost: str = ""
    carried: bool = False
    portless: bool = False
    port: int = 0
    seen: int = 0

    def data(self) -> dict[str, Any]:
        """Give it as JSON data."""
        found: dict[str, Any] = {
            "protocol": self.protocol,
            "flow": self.flow,
            "family": self.family,
            "packets": self.packets,
            "result": self.state.value,
        }
        more = {
            "why": self.why,
            "lost": self.lost,
            "source_port": self.port,
            "seen_port": self.seen,
        }
        return found | {key: value for key, value in more.items() if value}


@dataclass(frozen=True, slots=True)
class Way:
    """One family's session: between which addresses, and what the server saw instead."""

    family: str
    source: str
    seen: str
    server: str

    @property
    def translated(self) -> bool:
        """Tell whether a NAT is on the way."""
        return self.source != self.seen

    def data(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "family": self.family,
            "source": self.source,
            "seen_as": self.seen,
            "server": self.server,
            "nat": self.translated,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """A probe: its ways, and every flow that was asked for."""

    ways: tuple[Way, ...]
    flows: tuple[FlowResult, ...]

    def of(self, state: State) -> tuple[FlowResult, ...]:
        """Give the flows that ended so."""
        return tuple(flow for flow in self.flows if flow.state is state)

    def groups(self) -> Mapping[tuple[str, str], tuple[FlowResult, ...]]:
        """Give the flows by protocol and family."""
        return grouped(self.flows)

    def data(self, advice: Mapping[tuple[str, str], str]) -> dict[str, Any]:
        """Give it as JSON, in the form of ``passthru/probe/v1``; advice by protocol and family."""
        return {
            "schema": SCHEMA,
            "lost": bool(self.of(State.LOST)),
            "ways": [way.data() for way in self.ways],
            "flows": [flow.data() for flow in self.flows],
            "advice": [
                {"protocol": protocol, "family": family, "text": text}
                for (protocol, family), text in advice.items()
            ],
        }


def grouped(flows: Iterable[FlowResult]) -> dict[tuple[str, str], tuple[FlowResult, ...]]:
    """Put flows together by protocol and family."""
    found: dict[tuple[str, str], tuple[FlowResult, ...]] = {}
    for flow in flows:
        key = (flow.protocol, flow.family)
        found[key] = (*found.get(key, ()), flow)
    return found
