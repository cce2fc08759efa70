"""The whole ``passthru push``, with the journal; what the fleet's part of it costs is timed."""

from __future__ import annotations

import json
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from compiler.cli.main import main as passthru
from compiler.fleet.run import Fleet


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
    with redirect_stdout(StringIO()):
        passthru(["-q", "push", "--yes", *work["arguments"], "--forks", str(work["forks"])])
    print(json.dumps(times))


if __name__ == "__main__":
    main()
