"""Ask the real ansible-core: run by the Python that has it, never imported by the tests.

Reads a JSON list of requests from standard input, prints a JSON list of answers. Each request
runs in a child of its own, so that Ansible's caches cannot mix. Requests:

- ``{"do": "list", "cwd": DIR, "args": [...]}``: the text of ``ansible-inventory --list``
- ``{"do": "graph", ...}``: the text of ``ansible-inventory --graph``
- ``{"do": "match", "cwd": DIR, "sources": [...], "asked": [[pattern, limit], ...]}``: host names,
  ``null`` where Ansible gives an error
- ``{"do": "expand", "patterns": [...]}``: hosts and port of host lines, ``null`` for an error
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What is checked against this are ansible-core's defaults, not the machine's settings.
for _name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
    del os.environ[_name]
os.environ["ANSIBLE_CONFIG"] = str(Path(__file__).with_name("ansible-defaults.cfg"))
os.environ["ANSIBLE_LOCALHOST_WARNING"] = "false"
os.environ["ANSIBLE_NOCOLOR"] = "1"
os.environ["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] = "true"

from ansible.cli.inventory import InventoryCLI  # noqa: E402 - after the environment
from ansible.inventory.manager import InventoryManager  # noqa: E402
from ansible.parsing.dataloader import DataLoader  # noqa: E402
from ansible.plugins.inventory import BaseInventoryPlugin  # noqa: E402
from ansible.utils.path import unfrackpath  # noqa: E402


def _command(request: dict[str, Any]) -> str:
    os.chdir(request["cwd"])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        InventoryCLI(["ansible-inventory", *request["args"], f"--{request['do']}"]).run()
    return printed.getvalue()


def _match(request: dict[str, Any]) -> list[list[str] | None]:
    os.chdir(request["cwd"])
    sources = [one if "," in one else unfrackpath(one, follow=False) for one in request["sources"]]
    manager = InventoryManager(DataLoader(), sources)
    return [_match_one(manager, pattern, limit) for pattern, limit in request["asked"]]


def _match_one(manager: InventoryManager, pattern: str, limit: str) -> list[str] | None:
    try:
        if manager.localhost and manager.localhost.implicit:
            manager._inventory.localhost = None
        manager.clear_caches()
        manager.subset(limit or None)
        return [host.name for host in manager.get_hosts(pattern)] if pattern else []
    except Exception:  # noqa: BLE001 - any failure of Ansible's is the answer 'no'
        return None


def _expand(request: dict[str, Any]) -> list[list[Any] | None]:
    plugin = BaseInventoryPlugin()
    answers: list[list[Any] | None] = []
    for pattern in request["patterns"]:
        try:
            hosts, port = plugin._expand_hostpattern(pattern)
            answers.append([hosts, port])
        except Exception:  # noqa: BLE001
            answers.append(None)
    return answers


_DO: dict[str, Callable[[dict[str, Any]], Any]] = {
    "list": _command,
    "graph": _command,
    "match": _match,
    "expand": _expand,
}


def _in_child(request: dict[str, Any]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            json.dump(_DO[request["do"]](request), stream)
        os._exit(0)
    os.close(writing)
    answer = Path(f"/dev/fd/{reading}").read_text(encoding="utf-8")
    os.close(reading)
    os.waitpid(child, 0)
    return json.loads(answer) if answer else None


if __name__ == "__main__":
    json.dump([_in_child(request) for request in json.load(sys.stdin)], sys.stdout)
