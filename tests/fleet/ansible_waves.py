"""Ask the real ansible-core for the sizes of batches: run by the Python that has it.

Reads a JSON list of ``[serial, hosts]`` from standard input, prints a JSON list of sizes.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from ansible.executor.playbook_executor import PlaybookExecutor

answers = []
for serial, total in json.load(sys.stdin):
    everybody = list(range(total))
    inventory = SimpleNamespace(get_hosts=lambda *_, everybody=everybody, **__: list(everybody))
    play = SimpleNamespace(hosts="all", order=None, serial=serial)
    executor = SimpleNamespace(_inventory=inventory)
    batches = PlaybookExecutor._get_serialized_batches(executor, play)
    answers.append([len(batch) for batch in batches])
sys.stdout.write(json.dumps(answers))
