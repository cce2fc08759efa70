"""What runs the commands of routers: behind namespaces (``walled``), or in a folder (``plain``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Sandbox(Protocol):
    """What the spawner needs of it."""

    def make(self, name: str, spec: dict[str, Any]) -> None:
        """Create a router's store."""

    def boot(self, name: str) -> int:
        """Empty RAM and give the router life; give the process that stands for it, or 0."""

    def kill(self, name: str) -> bool:
        """End every process of the router; tell whether :meth:`ended` is still to come."""

    def spawn(self, name: str, command: Mapping[str, Any], fds: list[int]) -> int:
        """Run ``argv`` with ``env`` and three descriptors; give the process id."""

    def ended(self, pid: int) -> str:
        """Be told that a child has ended; give the router whose life that was, if so."""

    def flash(self, name: str, full: int | None, *, readonly: bool) -> None:
        """Leave only ``full`` bytes of the flash free, or all; make it read-only or not."""

    def control(self, name: str, file: str, text: str) -> None:
        """Write a file that tells the tools something."""

    def processes(self, name: str) -> list[str]:
        """List the command lines of what runs."""

    def close(self) -> None:
        """End everything."""
