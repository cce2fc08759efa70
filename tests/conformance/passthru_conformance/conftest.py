"""Choose the targets and their cases; pick up what the tests cannot do without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from compiler.build.registry import installed
from hypothesis import HealthCheck, settings

from .cases import Case, cases_of, imported

EXAMPLES = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a ``case`` once for each case of each target."""
    if "case" in metafunc.fixturenames:
        cases = chosen(metafunc.config)
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])


def chosen(config: pytest.Config) -> tuple[Case, ...]:
    """Give the cases that the command line asks for."""
    return tuple(_chosen(config))


def _chosen(config: pytest.Config) -> Iterator[Case]:
    only = config.getoption("--target", default=None)
    where = config.getoption("--cases", default=None)
    if where:
        yield from (case for case in imported(where) if only in (None, case.target))
        return
    for name in [only] if only else installed().names:
        yield from cases_of(name)


@pytest.fixture(autouse=True, scope="session")
def _profile(request: pytest.FixtureRequest) -> Iterator[None]:
    """Use the suite's own number of examples, and leave no folder behind."""
    before = settings.get_current_profile_name()
    settings.register_profile(
        "passthru-conformance",
        settings.get_profile(before),
        max_examples=request.config.getoption("--examples", default=None) or EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    settings.load_profile("passthru-conformance")
    yield
    settings.load_profile(before)
