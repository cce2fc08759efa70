"""The suite's own options, as a pytest plugin: a ``conftest`` is too late for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--target``, ``--cases`` and ``--examples``."""
    group = parser.getgroup("passthru conformance")
    group.addoption("--target", help="only this target (default: every installed one)")
    group.addoption("--cases", help="where the target's own cases are, as MODULE:NAME")
    group.addoption("--examples", type=int, help="examples for each law and case")
