"""asyncssh, one exec that reads, writes and verifies: the practical limit for a Python client."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh


async def _all(work: dict[str, Any]) -> int:
    key = asyncssh.read_private_key(work["key"])
    room = asyncio.Semaphore(work["forks"])
    read, write, verify = work["steps"]
    command = f"{read}; {write} && {{ {verify}; }}"

    async def one(router: dict[str, Any]) -> bool:
        async with room:
            try:
                async with asyncssh.connect(
                    router["host"],
                    router["port"],
                    username=router["user"],
                    client_keys=[key],
                    known_hosts=None,
                    config=None,
                    agent_path=None,
                ) as connection:
                    ran = await connection.run(command)
            except (OSError, asyncssh.Error):
                return False
        return ran.exit_status == 0 and work["after"] in str(ran.stdout)

    good = await asyncio.gather(*(one(router) for router in work["routers"]))
    return good.count(False)


def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    wall, cpu = time.perf_counter(), time.process_time()
    failed = asyncio.run(_all(work))
    times = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**times, "failed": failed}))


if __name__ == "__main__":
    main()
