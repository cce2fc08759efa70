"""One lab for all tests of a file: its router gets new rules for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compiler.prove.lab import Lab
from tests.probe.support import opened


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield opened(built)
