"""The lab of the two oracles, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compiler.prove.lab.namespaces import missing
from compiler.prove.lab.network import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    made = Lab()
    yield made
    made.close()
