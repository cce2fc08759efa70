"""What is carried into the guest: our program and its job, in one archive that Python runs.

The program uses the standard library only, and is the same package here and there. It is compiled
before it is packed, because a machine that is emulated compiles slowly.
"""

from __future__ import annotations

import importlib.util
import io
import json
import marshal
import zipfile
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

_PACKAGE = "compiler.prove.vpn.guest"
_MAIN = f"""import sys
from zipimport import zipimporter
from {_PACKAGE}.main import main
main(zipimporter(sys.argv[0]).get_data("job.json"), sys.argv[1])
"""


def pack(job: Mapping[str, Any]) -> bytes:
    """Pack the program with its job. ``python -I -S FILE RESULTS`` runs it."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as packed:
        for name, source in _sources():
            packed.writestr(name + "c", _compiled(source, name))
        packed.writestr("__main__.pyc", _compiled(_MAIN, "__main__.py"))
        packed.writestr("job.json", json.dumps(job))
    return into.getvalue()


def _sources() -> Iterator[tuple[str, str]]:
    """Give the guest's package; the packages around it are empty there."""
    parts = _PACKAGE.split(".")
    for length in range(1, len(parts)):
        yield "/".join([*parts[:length], "__init__.py"]), ""
    yield from _modules(resources.files(_PACKAGE), "/".join(parts))


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.name.endswith(".py"):
            yield f"{name}/{item.name}", item.read_text("utf-8")
        elif item.is_dir() and item.name != "__pycache__":
            yield from _modules(item, f"{name}/{item.name}")


def _compiled(source: str, name: str) -> bytes:
    """Give the bytes of a .pyc that Python takes without looking for its source (PEP 552)."""
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + b"\0" * 8 + marshal.dumps(code)
