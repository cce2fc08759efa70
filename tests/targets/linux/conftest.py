"""The lab, one for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compiler.prove.lab.namespaces import missing
from compiler.prove.lab.network import Lab


@pytest.fixture(scope="session")
def built_lab() -> Iterator[Lab]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def lab(built_lab: Lab) -> Lab:
    """Give the lab without rules and without connections."""
    built_lab.clear()
    return built_lab
