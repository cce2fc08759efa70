"""Where jobs run. Everybody else sees a :class:`concurrent.futures.Executor` and asks no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from compiler.errors import UsageError
from compiler.fleet.crew import Crew, Tls
from compiler.fleet.work import Hear
from compiler.model.finding import Code

P = ParamSpec("P")
T = TypeVar("T")
FORKS = 50


class Threads(Executor):
    """One daemon thread for each task; whoever submits bounds their number.

    Unlike a ThreadPoolExecutor's they do not keep the program from ending: after a second
    Ctrl-C nobody waits for a router that does not answer.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on a thread of its own."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - the future carries it
                future.set_exception(error)

        threading.Thread(target=run, name="passthru-push", daemon=True).start()
        return future


def open_crew(text: str = "threads", forks: int = FORKS, tls: Tls | None = None) -> Crew:
    """Open ``threads`` or ``dask://HOST:PORT``.

    Raises:
        UsageError: S822, no such executor, TLS files that mean nothing, or no cluster there.
    """
    if forks < 1:
        raise UsageError.of(Code.U801, "--forks must be at least 1")
    tls = tls or Tls()
    if text == "threads":
        if tls != Tls():
            raise UsageError.of(Code.S822, "TLS files mean nothing with --executor threads")
        return Crew(Threads(), forks, 1, _nothing, _here)
    if text.startswith("dask://"):
        from compiler.fleet.cluster import open_cluster  # noqa: PLC0415 - an optional extra

        return open_cluster(text.removeprefix("dask://"), forks, tls)
    raise UsageError.of(
        Code.S822, f"there is no executor {text[:60]!r}", hint="threads, or dask://HOST:PORT"
    )


def _nothing() -> None:
    """Close what needs no closing."""


def _here(run: str, hear: Hear) -> None:
    """Relay nothing: threads tell by themselves."""
