"""A gate that lets some through at a time, and that one may leave before the work is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Gate:
    """Lets so many through at once."""

    def __init__(self, at_once: int) -> None:
        """Open for ``at_once``."""
        self._room = threading.Semaphore(at_once)

    @contextmanager
    def passed(self) -> Iterator[Callable[[], None]]:
        """Wait for room. Calling what is given makes room early; the end makes it anyway."""
        self._room.acquire()
        left = threading.Event()

        def leave() -> None:
            if not left.is_set():
                left.set()
                self._room.release()

        try:
            yield leave
        finally:
            leave()
