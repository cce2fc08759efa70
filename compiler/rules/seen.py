"""What rules that know no more than a packet see of a probe."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.model.device import Address
from compiler.model.effect import Probe
from compiler.model.protocol import Family


@dataclass(frozen=True, slots=True)
class Seen:
    """The first packet of a probe, or the ``answer`` of its server."""

    probe: Probe
    answer: bool = False

    @property
    def family(self) -> Family:
        """The address family."""
        return self.probe.family

    @property
    def layer4(self) -> int:
        """The number of its protocol."""
        return self.probe.flow.layer4

    @property
    def state(self) -> str:
        """The state of its connection."""
        return "established" if self.answer else "new"

    @property
    def incoming(self) -> str:
        """The zone that it comes from."""
        return self.probe.destination if self.answer else self.probe.source

    @property
    def outgoing(self) -> str:
        """The zone that it goes to."""
        return self.probe.source if self.answer else self.probe.destination

    def address(self, end: str) -> Address | None:
        """Give the address of the ``source`` or the ``destination``; none that rules mention."""
        return self.probe.source_address if self._client(end) else self.probe.destination_address

    def port(self, end: str) -> int | None:
        """Give the port of an end; which one a client has nobody knows."""
        return None if self._client(end) else self.probe.port

    def _client(self, end: str) -> bool:
        return (end == "source") is not self.answer
