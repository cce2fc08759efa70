"""The whole ``passthru push``, with the journal; what the fleet's part of it costs is timed."""

from __future__ import annotations

import json
import sys
import time
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import paramiko
from paramiko.packet import Packetizer

from compiler.cli.main import run as passthru
from compiler.device import push  # noqa: F401 - loaded before anything is timed
from compiler.fleet.run import Fleet

#: Messages that are answered before anything else is done: channels, requests and data.
_ASKS = frozenset({paramiko.common.MSG_CHANNEL_OPEN, paramiko.common.MSG_CHANNEL_REQUEST})
_DATA = paramiko.common.MSG_CHANNEL_DATA


def _count(counted: dict[str, float]) -> None:
    """Count connections, and after the log-in every message that is sent and then answered.

    Some of what is sent is not asked for anything (the end of a channel) and waits for nothing.
    """
    start, send, read = (
        paramiko.Transport.start_client,
        Packetizer.send_message,
        Packetizer.read_message,
    )
    asked: set[int] = set()

    def started(self: paramiko.Transport, *arguments: Any, **options: Any) -> Any:
        counted["connections"] += 1
        return start(self, *arguments, **options)

    def sent(self: Packetizer, message: Any) -> Any:
        kind = message.asbytes()[0]
        if kind in _ASKS or kind == _DATA:
            asked.add(id(self))
        return send(self, message)

    def heard(self: Packetizer) -> Any:
        found = read(self)
        if id(self) in asked:
            asked.discard(id(self))
            counted["trips"] += 1
        return found

    replacements: tuple[tuple[Any, str, Any], ...] = (
        (paramiko.Transport, "start_client", started),
        (Packetizer, "send_message", sent),
        (Packetizer, "read_message", heard),
    )
    for owner, name, function in replacements:
        setattr(owner, name, function)


def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    times: dict[str, float] = {}
    run = Fleet.run

    def timed(self: Fleet, *arguments: Any, **options: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        summary = run(self, *arguments, **options)
        times.update(seconds=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        times["failed"] = summary.failures
        return summary

    Fleet.run = timed  # type: ignore[method-assign]
    if work.get("count"):
        times.update(connections=0, trips=0)
        _count(times)
    with redirect_stdout(StringIO()), suppress(SystemExit):
        passthru(["-q", "push", "--yes", *work["arguments"], "--forks", str(work["forks"])])
    print(json.dumps(times))


if __name__ == "__main__":
    main()
