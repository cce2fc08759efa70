"""Ctrl-C while routers are being changed: once to begin nothing new, twice to leave."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: A closed terminal or an ending session must not cut a push any more than Ctrl-C may.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupts(told: Callable[[], None]) -> Iterator[None]:
    """Call ``told`` for every such signal, on the main thread, instead of ending the program.

    A signal that was ignored before (nohup, a background job) stays ignored. Off the main
    thread nothing is changed.
    """

    def handler(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        told()

    before: dict[signal.Signals, Any] = {}
    try:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    except ValueError:
        pass  # signals belong to the main thread
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
