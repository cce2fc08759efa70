"""One fleet for a module: routers are cheap, a fleet takes a second."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from compiler.embedded import EmbeddedFleet
from tests.embedded.support import NAMESPACES


@pytest.fixture(scope="module")
def fleet() -> Generator[EmbeddedFleet]:
    with EmbeddedFleet() as found:
        yield found


@pytest.fixture(scope="module")
def walled(fleet: EmbeddedFleet) -> EmbeddedFleet:
    if not fleet.namespaces:
        pytest.skip(NAMESPACES)
    return fleet
