"""``python -m compiler`` is the same as ``passthru``."""

from __future__ import annotations

from compiler.cli.main import run

run()
