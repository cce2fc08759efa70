"""What all tests share: in CI a skip is a failure, and hypothesis runs the same everywhere."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

import compiler
import targets

#: Set in CI: every tool is there, so a test that skips hides something.
NO_SKIP = bool(os.environ.get("PASSTHRU_NO_SKIP"))

# Examples are the same in each run (a red build must be red again when it is looked at), and no
# test depends on a clock.
settings.register_profile(
    "passthru",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("passthru")

# A shell that runs the tests in the background lets them ignore Ctrl-C, nohup lets them ignore that
# the terminal goes, and so would every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_finish() -> None:
    """Load all of the project: hypothesis tries the constants of what is loaded when it draws.

    What the tests before it have loaded by then depends on which of them a worker was given.
    """
    for root in (compiler, targets):
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, None]:
    """Turn skips into failures where none are allowed."""
    outcome = yield
    report = outcome.get_result()
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"


@pytest.fixture(scope="session")
def anybodys_python() -> None:
    """Skip where only root can run this Python: below /root, for instance."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if (
        os.geteuid() == 0
        and subprocess.run([*nobody, sys.executable, "-c", ""], check=False).returncode
    ):
        pytest.skip(f"other users cannot run {sys.executable}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs OpenWrt's own programs unless somebody has built them.

    No distribution packages them, so these tests are run by hand; see CONTRIBUTING.md.
    """
    if os.environ.get("PASSTHRU_FW4_JUDGE"):
        return
    judged = [item for item in items if item.get_closest_marker("judge")]
    if judged:
        config.hook.pytest_deselected(items=judged)
        items[:] = [item for item in items if item not in set(judged)]
