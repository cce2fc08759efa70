"""What people and CI read of an audit. A report is an iterator of pieces: none is held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from compiler.audit.reports.view import View

#: Forms whose module has another name: ``json`` is the library's.
_MODULES = {"json": "data"}
Writer = Callable[[View], Iterator[str]]


def writer(form: str) -> Writer:
    """Give what writes a form: ``text``, ``json``, ``sarif``, ``junit`` ..."""
    found: Writer = import_module(f"compiler.audit.reports.{_MODULES.get(form, form)}").write
    return found
