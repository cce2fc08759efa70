"""What runs the jobs of a fleet, whatever it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from compiler.fleet.work import Hear, Relay


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a cluster's TLS: the CA, and the client's own certificate and key."""

    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Crew:
    """An executor and how to feed it: ``window`` jobs at once, ``batch`` of them in one task.

    ``connect`` is called with the run's name and whom to tell before the first task, and gives
    what a :class:`~compiler.fleet.work.Teller` relays through. ``close`` waits for nothing.
    """

    executor: Executor
    window: int
    batch: int
    close: Callable[[], None]
    connect: Callable[[str, Hear], Relay | None]
