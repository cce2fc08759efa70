"""What a command imports: heavy libraries only where they are used.

The law is about time, but a test that looks at a clock lies on a busy machine; the list of imported
modules does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Site

DRIVER = """
import json, sys
from compiler.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([int(code), sorted(sys.modules)]), file=sys.stderr)
"""
NEVER = {"netmiko", "paramiko", "distributed", "dask", "cryptography", "keyring", "requests"}
QUIET = NEVER | {"rich"}


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], QUIET | {"jsonschema", "jinja2", "ruamel", "asyncio", "importlib.metadata"}),
        (["--version"], QUIET | {"jsonschema", "jinja2", "asyncio"}),
        (["protocols"], QUIET | {"jsonschema", "jinja2"}),
        (["validate"], QUIET | {"asyncio", "urllib.request", "unittest"}),
        (["compile"], QUIET | {"asyncio"}),
    ],
)
def test_what_a_command_does_not_import(site: Site, arguments: list[str], absent: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments], capture_output=True, text=True, check=True,
        cwd=site.folder, env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert absent.isdisjoint(modules), absent & set(modules)
