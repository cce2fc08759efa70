"""nornir with nornir_netmiko: its steps as commands, over one connection or a new one."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from nornir.core import Nornir
from nornir.core.inventory import ConnectionOptions, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner
from nornir_netmiko.tasks import netmiko_send_command


def _push(task: Task, work: dict[str, Any]) -> Result:
    text = ""
    for step in work["steps"]:
        if step is None:
            task.host.close_connection("netmiko")
            continue
        found = task.run(
            netmiko_send_command,
            command_string=f'{step}; echo ended"-"$?',
            # faster and surer than looking for the prompt: the echo has no number there
            expect_string=r"ended-\d+",
            read_timeout=60,
            cmd_verify=False,  # the echo of a long line is not as it was typed
        )
        text = str(found.result)
    return Result(task.host, failed=work["after"] not in text)


def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    ConnectionPluginRegister.auto_register()
    hosts = Hosts({router["name"]: _host(router, work["key"]) for router in work["routers"]})
    nornir = Nornir(
        inventory=Inventory(hosts, Groups()), runner=ThreadedRunner(num_workers=work["forks"])
    )
    wall, cpu = time.perf_counter(), time.process_time()
    results = nornir.run(_push, work=work)
    nornir.close_connections()
    times = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**times, "failed": len(results.failed_hosts)}))


def _host(router: dict[str, Any], key: str) -> Host:
    extras = {"use_keys": True, "key_file": key, "fast_cli": True}
    return Host(
        router["name"],
        hostname=router["host"],
        port=router["port"],
        username=router["user"],
        connection_options={"netmiko": ConnectionOptions(platform="linux", extras=extras)},
    )


if __name__ == "__main__":
    main()
