"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Cluster:
    """A scheduler and its workers."""

    def __init__(self, folder: Path, tls: Sequence[str] = ()) -> None:
        self.folder = folder
        self.tls = list(tls)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler.json"
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0",
            "--scheduler-file", str(self.file), "--no-dashboard",
        )  # fmt: skip
        self.url = self._address()

    @property
    def address(self) -> str:
        return self.url.partition("://")[2]

    def add_worker(
        self, name: str, threads: int = 2, **environment: str
    ) -> subprocess.Popen[bytes]:
        worker = self._start(
            "dask_worker", self.url, "--name", name, "--nthreads", str(threads), "--no-nanny",
            "--no-dashboard", "--local-directory", str(self.folder), **environment,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{module}.log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments, *self.tls],
                stdout=log, stderr=log, cwd=self.folder,
                env={
                    **os.environ, "PYTHONPATH": str(ROOT),
                    # A lost worker is noticed by its closed connection; nothing waits for a clock.
                    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s",
                    **environment,
                },
            )  # fmt: skip

    def _address(self) -> str:
        while True:
            try:
                return str(json.loads(self.file.read_text())["address"])
            except (OSError, ValueError):
                if self.scheduler.poll() is not None:
                    log = (self.folder / "dask_scheduler.log").read_text()
                    raise AssertionError(log) from None
                time.sleep(0.05)


@contextmanager
def cluster(folder: Path, tls: Sequence[str] = ()) -> Iterator[Cluster]:
    """Start a scheduler, and end everything of it afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Cluster(folder, tls)
    try:
        yield made
    finally:
        made.close()
