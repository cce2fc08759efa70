"""The dead-man: fires when nobody confirms, whatever became of who pushed, and only then."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.device.job import State
from compiler.device.push import push
from compiler.embedded import ClockJump, EmbeddedFleet
from compiler.model.finding import Code
from tests.device.routers import FAMILIES, Site, kill_at
from tests.device.support import NEW, OLD, OPTIONS

SOON = replace(OPTIONS, confirm_timeout=3)
NEVER = replace(OPTIONS, confirm_timeout=3000)


@pytest.fixture
def site(fleet: EmbeddedFleet, tmp_path: Path, request: pytest.FixtureRequest) -> Site:
    if not fleet.namespaces:
        pytest.skip("the routers need namespaces of their own here")
    family = request.param
    found = Site(fleet, family, f"{family}-{abs(hash(request.node.nodeid))}", tmp_path)
    assert push(found.job(OLD), OPTIONS).state is State.CHANGED
    return found


def until(true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        time.sleep(0.2)
    raise AssertionError("it does not come")


def guards(site: Site) -> list[str]:
    return [line for line in site.router.state().processes if "guard" in line]


@pytest.mark.parametrize("site", FAMILIES, indirect=True)
def test_fires_after_a_killed_client(site: Site, tmp_path: Path) -> None:
    """1. killed before it verifies; 2. the old state comes back; 3. the next push says so."""
    kill_at(site, "verify", SOON, tmp_path)
    until(lambda: not guards(site))
    assert site.has(OLD)
    result = push(site.job(NEW), OPTIONS)
    assert result.state is State.CHANGED
    assert [finding.code for finding in result.findings] == [Code.S817]
    assert "run-1" in result.findings[0].message


@pytest.mark.parametrize("site", FAMILIES, indirect=True)
def test_a_reboot_in_the_window_brings_back_the_old_state(site: Site, tmp_path: Path) -> None:
    """The timer, which would wait for long, dies with the router: what is left is its boot."""
    kill_at(site, "verify", NEVER, tmp_path)
    assert site.has(NEW)
    site.router.reboot()
    assert site.has(OLD)
    assert not guards(site)
    assert push(site.job(NEW), OPTIONS).state is State.CHANGED


@pytest.mark.parametrize("site", ["ddwrt", "freshtomato", "edgeos", "vyos"], indirect=True)
def test_also_where_somebody_else_saved_in_the_window(site: Site, tmp_path: Path) -> None:
    """What is only tried is not committed; a commit of somebody else's makes it last."""
    kill_at(site, "verify", NEVER, tmp_path)
    if site.family in ("edgeos", "vyos"):
        saved = (
            "vbash -s <<'END'\nsource /opt/vyatta/etc/functions/script-template\n"
            "configure\nsave\nexit\nEND\n"
        )
        site.console(saved)
    else:
        site.console("nvram commit")
    site.router.reboot()
    assert site.has(OLD)


@pytest.mark.parametrize("site", ["openwrt", "linux"], indirect=True)
@pytest.mark.parametrize("seconds", [86400 * 4000, -86400 * 4000])
def test_a_clock_that_jumps_fires_nothing(site: Site, tmp_path: Path, seconds: int) -> None:
    kill_at(site, "verify", NEVER, tmp_path)
    site.router.fault(ClockJump(seconds))
    time.sleep(2.5)  # the timer looks once a second
    assert site.has(NEW)
    assert guards(site)
    refused = push(site.job(OLD), OPTIONS)
    assert (refused.state, refused.findings[0].code) == (State.REFUSED, Code.S810)
    site.router.reboot()
    assert site.has(OLD)


@pytest.mark.parametrize("site", ["openwrt"], indirect=True)
@pytest.mark.parametrize("step", ["stage", "check", "arm", "apply"])
def test_a_client_killed_anywhere(site: Site, tmp_path: Path, step: str) -> None:
    kill_at(site, step, SOON, tmp_path)
    until(lambda: not guards(site) and not site.console("ls -d /tmp/passthru-push/[!l]*"))
    assert site.has(OLD) or site.has(NEW)
    assert push(site.job(NEW), OPTIONS).state in (State.CHANGED, State.UNCHANGED)
