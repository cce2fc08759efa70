"""What can go wrong with an embedded router, on request: each fault is a small frozen value.

A fault holds until :meth:`EmbeddedRouter.clear` unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Direction = Literal["in", "out"]
End = Literal["reset", "close", "silence"]


@dataclass(frozen=True, slots=True)
class DropLine:
    """Cut one connection after exactly ``after`` bytes in one direction; once.

    ``in`` is from the client to the router. ``connection`` counts from 1 over the life of the
    router, its reboots included; ``None`` is the next one. ``reset`` sends a TCP reset, ``close``
    an orderly end, ``silence`` nothing at all: the line hangs, and the router sees it end.
    """

    after: int
    direction: Direction = "in"
    connection: int | None = None
    how: End = "reset"


@dataclass(frozen=True, slots=True)
class Hang:
    """Take connections and say nothing, not even the SSH banner."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse connections, as a router does whose SSH server is not running."""


@dataclass(frozen=True, slots=True)
class WrongHostKey:
    """Show another host key than the one in :attr:`EmbeddedRouter.host_key`."""


@dataclass(frozen=True, slots=True)
class FlashFull:
    """Fill the flash: writes fail with "no space left"; files that are there can be read.

    nvram has no room left either: no key can be set, and nothing can be committed.
    """

    left: int = 0


@dataclass(frozen=True, slots=True)
class ReadOnlyFlash:
    """Mount the flash read-only, as a router does whose file system has errors."""


@dataclass(frozen=True, slots=True)
class SlowFlash:
    """Let every ``nvram commit``, ``uci commit`` and ``sync`` take that many seconds more."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ClockJump:
    """Move the wall clock, as NTP does after boot; time that passes is not affected."""

    seconds: int


@dataclass(frozen=True, slots=True)
class PowerCut:
    """Reboot at once when a tool is called as ``event`` (``nvram commit``, ``fw4 reload``); once.

    ``after``: let the call do its work first. The events that there were stand in
    :attr:`RouterState.log`.
    """

    event: str
    after: bool = False


@dataclass(frozen=True, slots=True)
class ToolFails:
    """Let a tool do nothing when it is called as ``event``, with ``status`` as its exit status.

    With status 0 it fails in silence, as ``service restart_firewall`` and ``fw4 reload`` do.
    """

    event: str
    status: int = 1


Fault = (
    DropLine
    | Hang
    | Refuse
    | WrongHostKey
    | FlashFull
    | ReadOnlyFlash
    | SlowFlash
    | ClockJump
    | PowerCut
    | ToolFails
)


class Standing:
    """The faults of one router that hold now."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, fault: Fault, connections: int) -> None:
        """Let something go wrong, with a router that has had so many connections."""
        if isinstance(fault, DropLine) and fault.connection is None:
            fault = replace(fault, connection=connections + 1)
        self._faults.append(fault)

    def has(self, kind: type[Fault]) -> bool:
        """Tell whether there is a fault of a kind."""
        return any(isinstance(fault, kind) for fault in self._faults)

    def end(self, kind: type[Fault]) -> None:
        """End the faults of a kind."""
        self._faults = [fault for fault in self._faults if not isinstance(fault, kind)]

    def clear(self) -> None:
        """End all."""
        self._faults.clear()

    def take_drop(self, connection: int) -> DropLine | None:
        """Give what cuts a connection, once."""
        for fault in self._faults:
            if isinstance(fault, DropLine) and fault.connection == connection:
                self._faults.remove(fault)
                return fault
        return None
