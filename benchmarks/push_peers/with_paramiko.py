"""One bare paramiko connection and one exec for each router: the unit that CPU is counted in."""

from __future__ import annotations

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko


def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    key = paramiko.PKey.from_path(work["key"])

    def one(router: dict[str, Any]) -> bool:
        try:
            return _exec(router, key, work)
        except (OSError, paramiko.SSHException):
            return False

    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(work["forks"]) as pool:
        good = list(pool.map(one, work["routers"]))
    times = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**times, "failed": good.count(False)}))


def _exec(router: dict[str, Any], key: paramiko.PKey, work: dict[str, Any]) -> bool:
    sock = socket.create_connection((router["host"], router["port"]), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - loopback
    try:
        client.connect(
            router["host"],
            router["port"],
            router["user"],
            pkey=key,
            sock=sock,
            allow_agent=False,
            look_for_keys=False,
        )
        _, stdout, _ = client.exec_command(work["bare"][0])
        text = stdout.read().decode()
        return stdout.channel.recv_exit_status() == 0 and work["before"] in text
    finally:
        client.close()


if __name__ == "__main__":
    main()
