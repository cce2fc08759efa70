"""The line from a client to the process of its fleet."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from concurrent.futures import Future
from typing import Any

_READY_SECONDS = 60.0


class EmbeddedError(Exception):
    """The fleet cannot do what was asked; the message says why."""


class Control:
    """Requests and answers, one JSON line each, over a socket to the fleet's process."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._file = line.makefile("rb")
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        #: Answer 0 comes unasked: the fleet has started.
        self._waiting: dict[int, Future[dict[str, Any]]] = {0: Future()}
        self._started = self._waiting[0]
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="embedded-fleet", daemon=True)
        self._reader.start()

    def started(self) -> Any:
        """Wait for the fleet.

        Raises:
            EmbeddedError: it does not start.
        """
        return self._result(self._started, _READY_SECONDS)

    def ask(self, word: str, **values: Any) -> Any:
        """Send a request and give its answer.

        Raises:
            EmbeddedError: it cannot be done, or the fleet has ended.
        """
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            if self._ended:
                raise EmbeddedError("the fleet has ended")
            self._waiting[number] = future
            try:
                self._line.sendall(
                    json.dumps({"id": number, "do": word, **values}).encode() + b"\n"
                )
            except OSError as error:
                raise EmbeddedError(f"the fleet has ended: {error}") from error
        return self._result(future, None)

    def _result(self, future: Future[dict[str, Any]], timeout: float | None) -> Any:
        try:
            found = future.result(timeout)
        except TimeoutError:
            raise EmbeddedError("the fleet does not start") from None
        if "error" in found:
            raise EmbeddedError(found["error"])
        return found.get("is")

    def _read(self) -> None:
        with self._file, contextlib.suppress(OSError, ValueError):
            for line in self._file:
                answer = json.loads(line)
                self._waiting.pop(answer["id"]).set_result(answer)
        with self._lock:
            self._ended = True
            for future in self._waiting.values():
                future.set_result({"error": "the fleet has ended"})
            self._waiting.clear()

    def close(self) -> None:
        """End the line, and with it the fleet."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._line.close()
