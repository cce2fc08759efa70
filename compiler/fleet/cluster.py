"""Jobs on a Dask cluster: an existing scheduler, whose workers have passthru installed.

A worker that is lost makes the scheduler run its tasks again elsewhere. The transaction bears
that (lease and idempotence), and the steps that the workers tell of show that it happened.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any

from compiler.errors import UsageError
from compiler.fleet.crew import Crew, Tls
from compiler.fleet.work import Hear, Relay, Told
from compiler.model.finding import Code
from compiler.model.step import StepName

_CONNECT_SECONDS = 15
_WATCH_SECONDS = 0.5
_BATCH = 20
_RUNNING = "running"
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", re.ASCII)


def open_cluster(address: str, forks: int, tls: Tls) -> Crew:
    """Connect to the scheduler at ``HOST:PORT``.

    Raises:
        UsageError: S822, the extra is missing, the TLS files are, or nobody answers.
    """
    if not _ADDRESS.fullmatch(address):
        raise UsageError.of(Code.S822, f"{address[:60]!r} is not HOST:PORT of a Dask scheduler")
    try:
        from distributed import Client  # noqa: PLC0415
    except ImportError:
        raise UsageError.of(
            Code.S822, "--executor dask:// needs Dask", hint="pip install 'passthru[dask]'"
        ) from None
    # What goes wrong is said as findings; the library's own log would be torn into the progress.
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    client = _connect(Client, address, tls)
    threads = sum(worker["nthreads"] for worker in _workers(client))
    if not threads:
        client.close()
        raise UsageError.of(Code.S822, f"the Dask scheduler {address} has no workers")
    batch = min(_BATCH, -(-forks // threads))
    window = min(forks, batch * threads)

    executor = _Submitter(client)

    def connect(run: str, hear: Hear) -> Relay:
        client.subscribe_topic(_topic(run), lambda event: hear(_read(event[1])))
        return from_worker

    return Crew(executor, window, batch, executor.close, connect)


class _Submitter(Executor):
    """Dask's executor, whose tasks also end when the scheduler goes away: Dask's own never do."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._inner = client.get_executor(pure=False)
        self._waiting: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="passthru-dask", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call on some worker."""
        if self._client.status != _RUNNING:
            raise RuntimeError("the scheduler is gone")
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        with self._lock:
            self._waiting.add(outer)
        inner = self._inner.submit(fn, *args, **kwargs)
        inner.add_done_callback(lambda done: self._pass_on(done, outer))
        return outer

    def _pass_on(self, inner: Future[Any], outer: Future[Any]) -> None:
        if not self._take(outer):
            return
        try:
            outer.set_result(inner.result())
        except (Exception, CancelledError) as error:  # noqa: BLE001 - the future carries it
            outer.set_exception(error)

    def _take(self, outer: Future[Any]) -> bool:
        with self._lock:
            known = outer in self._waiting
            self._waiting.discard(outer)
        return known

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH_SECONDS):
            if self._client.status != _RUNNING:
                for outer in list(self._waiting):
                    if self._take(outer):
                        outer.set_exception(ConnectionError("the scheduler is gone"))

    def close(self) -> None:
        """Let go without waiting; what runs on the workers ends there in its own way."""
        self._closed.set()
        self._client.close(timeout=2)


def _connect(factory: Any, address: str, tls: Tls) -> Any:
    options: dict[str, Any] = {"set_as_default": False, "timeout": _CONNECT_SECONDS}
    url = f"tcp://{address}"
    if tls != Tls():
        url = f"tls://{address}"
        options["security"] = _security(tls)
    try:
        with warnings.catch_warnings():
            # About versions that differ on the workers: those that matter fail loudly.
            warnings.simplefilter("ignore")
            return factory(url, **options)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        message = f"cannot reach the Dask scheduler {address}: {reason}"
        raise UsageError.of(Code.S822, message) from None


def _security(tls: Tls) -> Any:
    from distributed import security  # noqa: PLC0415

    missing = [name for name in (tls.ca, tls.cert, tls.key) if name and not Path(name).is_file()]
    if missing:
        raise UsageError.of(Code.S822, f"there is no file {missing[0][:80]!r}")
    make: Any = security.Security
    return make(
        tls_ca_file=tls.ca or None,
        tls_client_cert=tls.cert or None,
        tls_client_key=tls.key or None,
        require_encryption=True,
    )


def _workers(client: Any) -> list[dict[str, Any]]:
    return list(client.scheduler_info(n_workers=-1)["workers"].values())


def _topic(run: str) -> str:
    return f"passthru-{run}"


def from_worker(run: str) -> Hear:
    """Give what tells of steps from within a worker, through the scheduler."""
    from distributed import get_worker  # noqa: PLC0415

    worker = get_worker()
    topic = _topic(run)
    return lambda told: worker.log_event(
        topic, [told.host, str(told.step) if told.step else "", told.attempt]
    )


def _read(message: Any) -> Told:
    host, step, attempt = message
    return Told(host, StepName(step) if step else None, attempt)
