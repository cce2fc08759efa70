"""Single faults at every step, on every family: afterwards the router is fully new or fully old.

For each fault: 1. the router has OLD; 2. the fault is set, and NEW is pushed; 3. without the fault,
what the router has is what the result said, it is reachable, and NEW can be pushed; 4. no process
and no file of the push is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.device.job import Result, State
from compiler.device.push import push
from compiler.embedded import (
    ClockJump,
    DropLine,
    EmbeddedFleet,
    Fault,
    FlashFull,
    PowerCut,
    ReadOnlyFlash,
    Refuse,
    ToolFails,
)
from tests.device.routers import FAMILIES, Site
from tests.device.support import NEW, OLD, OPTIONS

FAST = replace(OPTIONS, confirm_timeout=10, step_timeout=15.0, connect_timeout=10.0)
#: Calls of the router's own tools in a push, by family.
EVENTS = {
    "linux": ("systemctl enable passthru.service",),
    "openwrt": ("fw4 check", "fw4 reload"),
    "asuswrt": ("service restart_firewall", "nvram commit"),
    "ddwrt": ("nvram commit", "startservice firewall"),
    "freshtomato": ("nvram commit", "service firewall restart"),
    "netgear": ("net-wall restart", "nvram commit"),
    "edgeos": ("commit", "save /config/config.boot"),
    "vyos": ("commit", "save /config/config.boot"),
}
#: Bytes of the first connection: in the log-in, the questions, the files, and right before the end.
LINES = [DropLine(after, "in") for after in (1500, 3000, 9000, 16000)] + [
    DropLine(after, "out") for after in (2000, 3500)
]
#: Bytes of the second connection.
AGAIN = [(1000, "in"), (3100, "in"), (3300, "out")]
HOLDS = {
    State.CHANGED: "new",
    State.ROLLED_BACK: "old",
    State.FAILED: "old",
    State.REFUSED: "old",
    State.UNREACHABLE: "old",
}


def faults(family: str) -> Iterator[Fault]:
    yield from LINES
    yield from (FlashFull(), ReadOnlyFlash(), Refuse(), ClockJump(86400), ClockJump(-86400))
    for event in EVENTS[family]:
        yield from (PowerCut(event), PowerCut(event, after=True), ToolFails(event, 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_fully_new_or_fully_old(fleet: EmbeddedFleet, tmp_path: Path, family: str) -> None:
    if not fleet.namespaces:
        pytest.skip("the routers need namespaces of their own here")
    second: list[Fault] = [
        DropLine(after, "in" if way == "in" else "out", -1) for after, way in AGAIN
    ]
    cases = [*faults(family), *second]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda case: _judged(fleet, tmp_path, family, *case), enumerate(cases))
        wrong = [text for text in found if text]
    assert not wrong, "\n".join(wrong)


def _judged(fleet: EmbeddedFleet, folder: Path, family: str, number: int, fault: Fault) -> str:
    site = Site(fleet, family, f"{family}-fault-{number}", folder)
    assert push(site.job(OLD), OPTIONS).state is State.CHANGED
    _wait(site)
    if isinstance(fault, DropLine) and fault.connection == -1:
        fault = replace(fault, connection=site.router.state().connections + 2)
    site.router.fault(fault)
    result = push(site.job(NEW), FAST)
    site.router.clear()
    problem = _problem(site, result)
    shown = [finding.message for finding in result.findings]
    return problem and f"{family}, {fault}: {result.state} at {result.step}: {problem} {shown}"


def _problem(site: Site, result: Result) -> str:
    for _ in range(50):
        if site.router.state().up:
            break
        time.sleep(0.2)
    old, new = site.has(OLD), site.has(NEW)
    holds = "old" if old else "new" if new else "neither"
    if HOLDS.get(result.state) != holds:
        return f"the router has {holds}"
    after = push(site.job(NEW), OPTIONS)
    if after.state not in (State.CHANGED, State.UNCHANGED):
        return f"the next push: {after.state} {[finding.message for finding in after.findings]}"
    left = _wait(site)
    return f"left behind: {left}" if left else ""


def _wait(site: Site) -> list[str]:
    """Wait for the timer, which looks once a second whether it is still wanted."""
    left: list[str] = []
    for _ in range(100):
        left = [line for line in site.router.state().processes if "guard" in line]
        if not left:
            break
        time.sleep(0.1)
    return left
