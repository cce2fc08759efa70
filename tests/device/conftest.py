"""Servers and embedded routers, each started once for all tests that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.embedded import EmbeddedFleet
from tests.device import servers


@pytest.fixture(scope="session")
def fleet() -> Iterator[EmbeddedFleet]:
    with EmbeddedFleet() as found:
        yield found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ssh")
    servers.make_keys(folder)
    return folder
