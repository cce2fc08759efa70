"""Choose the targets and their cases; pick up what the tests cannot do without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from compiler.build.registry import installed
from compiler.model.survey import Surveys

from .cases import Case, cases_of, imported
from .profile import register

if TYPE_CHECKING:
    import pytest

register()


def pytest_configure(config: pytest.Config) -> None:
    """Use the number of examples that the command line asks for."""
    register(config.getoption("--examples", default=None))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a ``case`` once for each case of each target.

    ``surveyed``: of each target that surveys; ``plain``: of those, the cases without options, which
    may say what a text cannot (where our rules are entered).
    """
    for name in {"case", "surveyed", "plain"} & set(metafunc.fixturenames):
        cases = [case for case in chosen(metafunc.config) if name == "case" or _surveys(case)]
        if name == "plain":
            cases = [case for case in cases if not case.options]
        metafunc.parametrize(name, cases, ids=[case.name for case in cases])


def _surveys(case: Case) -> bool:
    target: object = installed().get(case.target)
    return isinstance(target, Surveys)


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
