"""Signals that end the program: it leaves by every ``finally`` on the way, as after Ctrl-C."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from compiler.errors import ExitCode

#: What comes when a session ends; systemd may send both at once.
_ENDING = {signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.HUNG_UP}
_AGAIN = 0.1


@contextmanager
def heeded() -> Iterator[None]:
    """Let these signals end in order what is done meanwhile.

    One that is ignored (nohup, a background job) stays ignored. A push has its own way to take
    them while it runs.
    """
    mine = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    end = _End()
    for number in mine:
        signal.signal(number, end)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (*mine, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)


class _End:
    """Raises one exception, which cleaning up is not cut by.

    Some code loses exceptions (what runs as an object goes away, often while modules are loaded).
    So a clock looks again whether it is on its way, until all is left.
    """

    def __init__(self) -> None:
        self._raised: SystemExit | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        if self._raised is None:
            self._raised = SystemExit(_ENDING[signal.Signals(number)])
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        if not self._is_on_its_way():
            raise self._raised

    def _is_on_its_way(self) -> bool:
        handled = sys.exception()
        while handled is not None and handled is not self._raised:
            handled = handled.__context__
        return handled is not None
