"""Pushes to an embedded router of every family: what is written, what is not, and who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.device.job import Progress, Result, State
from compiler.device.push import push
from compiler.embedded import EmbeddedFleet, WrongHostKey
from compiler.model.finding import Code
from compiler.model.step import StepName
from tests.device.routers import FAMILIES, Site
from tests.device.support import NEW, OLD, OPTIONS, device_of, job

Make = Callable[[str], Site]


@pytest.fixture
def make(fleet: EmbeddedFleet, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    if not fleet.namespaces:
        pytest.skip("the routers need namespaces of their own here")
    label = f"{abs(hash(request.node.nodeid))}"
    made: list[Site] = []

    def build(family: str) -> Site:
        made.append(Site(fleet, family, f"{family}-{label}-{len(made)}", tmp_path))
        return made[-1]

    yield build
    for site in made:
        site.router.clear()


def codes(result: Result) -> list[Code]:
    return [finding.code for finding in result.findings]


def pushed(site: Site) -> None:
    result = push(site.job(OLD), OPTIONS)
    assert result.state is State.CHANGED
    assert set(codes(result)) <= {Code.D503}


@pytest.mark.parametrize("family", FAMILIES)
def test_push_and_nothing_is_left_to_do(make: Make, family: str) -> None:
    """1. a push changes; 2. the second is empty: one connection, no write; 3. another, and back."""
    site = make(family)
    steps: list[StepName] = []
    before = site.observe(NEW)
    result = push(site.job(NEW), OPTIONS, lambda told: steps.append(told.step))
    assert result.state is State.CHANGED
    # Where no command shows whether the helper is assigned, the push says that it has not seen it.
    assert set(codes(result)) <= ({Code.D503} if family == "ddwrt" else set())
    assert steps == [
        *(StepName.FACTS, StepName.READ, StepName.STAGE, StepName.CHECK, StepName.ARM),
        *(StepName.APPLY, StepName.VERIFY, StepName.CONFIRM),
    ]
    assert result.before is not None
    assert result.after is not None
    assert result.before.sha256 == before.sha256 != result.after.sha256
    assert result.changes
    calls, connections = site.router.state().log, site.router.state().connections
    again = push(site.job(NEW), OPTIONS)
    assert (again.state, again.changes) == (State.UNCHANGED, ())
    assert site.router.state().log == calls
    assert site.router.state().connections == connections + 1
    pushed(site)
    assert site.has(OLD)
    assert not site.has(NEW)
    assert site.console(f"ls {site.keep} /jffs/scripts/init-start 2>/dev/null") == ""
    for key in ("passthru_undo", "rc_startup", "script_init"):
        assert not site.router.state().nvram_flash.get(key)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_check_writes_nothing(make: Make, family: str) -> None:
    site = make(family)
    everything = (
        "find / -xdev \\( -path /proc -o -path /sys -o -path /emulated \\) -prune -o -type f -print"
        ' 2>/dev/null | sort | while read -r file; do cksum "$file"; done; ls -lR /tmp /run'
        " 2>/dev/null | grep passthru"
    )
    before = site.console(everything)
    calls = site.router.state().log
    result = push(site.job(NEW), replace(OPTIONS, check=True))
    assert result.state is State.WOULD_CHANGE
    assert result.changes
    assert site.console(everything) == before
    assert site.router.state().log == calls


def test_an_old_plan_is_refused(make: Make) -> None:
    site = make("openwrt")
    plan = site.observe(NEW)
    job = replace(site.job(NEW), expects=plan.sha256)
    pushed(site)
    result = push(job, OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S811])
    assert site.has(OLD)
    now = replace(site.job(NEW), expects=site.observe(NEW).sha256)
    assert push(now, OPTIONS).state is State.CHANGED


def test_two_operators_do_not_meet(make: Make) -> None:
    """1. a lease that holds refuses; 2. an expired one is taken over; 3. so is one of before."""
    site = make("openwrt")
    folder = "/tmp/passthru-push"  # noqa: S108 - on the router
    site.console(f"mkdir -m 700 {folder}; ln -s eve/run-9/abc/99999999999 {folder}/lease.1")
    result = push(site.job(NEW), OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S810])
    assert "eve/run-9" in result.findings[0].message
    site.console(f"rm {folder}/lease.1; ln -s eve/run-9/abc/1 {folder}/lease.1")
    assert push(site.job(NEW), OPTIONS).state is State.CHANGED
    assert site.console(f"ls {folder}") == "lease.1\n"


def test_of_pushes_at_once_one_works(make: Make) -> None:
    site = make("ddwrt")
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: push(site.job(NEW), OPTIONS), range(4)))
    states = [result.state for result in results]
    assert State.CHANGED in states
    assert set(states) <= {State.CHANGED, State.UNCHANGED, State.REFUSED}
    assert states.count(State.CHANGED) == 1
    assert site.has(NEW)
    assert site.router.state().log.count("startservice firewall") == 2  # one is the boot


def test_unsaved_changes_of_others_are_refused_by_name(make: Make) -> None:
    site = make("openwrt")
    site.console("uci set firewall.@defaults[0].synflood_protect=0")
    result = push(site.job(NEW), OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S813])
    assert "synflood_protect" in result.findings[0].message
    assert "synflood_protect" in site.console("uci changes firewall")


def test_rules_that_are_in_the_file_and_not_loaded_are_loaded(make: Make) -> None:
    """`fw4 reload` once failed in silence, or somebody flushed the rules."""
    site = make("openwrt")
    pushed(site)
    site.console("fw4 flush")
    assert "passthru" not in site.console("nft list table inet fw4")
    result = push(site.job(OLD), OPTIONS)
    assert [change.item for change in result.changes] == ["loaded-rules"]
    assert result.state is State.CHANGED
    assert "passthru" in site.console("nft list table inet fw4")


def test_files_that_the_next_boot_would_load_are_a_part_of_it(make: Make) -> None:
    site = make("linux")
    pushed(site)
    site.console("rm /etc/passthru/passthru.nft")
    result = push(site.job(OLD), OPTIONS)
    assert [change.item for change in result.changes] == ["etc/passthru/passthru.nft"]
    assert result.state is State.CHANGED
    assert push(site.job(OLD), OPTIONS).state is State.UNCHANGED


def test_a_confirmation_that_comes_too_late_says_so(make: Make) -> None:
    """The dead-man is first by a hair: the push reports the old state, and the old state holds."""
    site = make("openwrt")
    pushed(site)
    before = site.observe(NEW).sha256

    def fire(told: Progress) -> None:
        if told.step is StepName.CONFIRM:
            site.console(f"sh {site.keep}/guard boot")

    result = push(site.job(NEW), OPTIONS, fire)
    assert (result.state, codes(result)[-1]) == (State.ROLLED_BACK, Code.S817)
    assert site.observe(NEW).sha256 == before


def test_no_secret_is_on_a_command_line(make: Make) -> None:
    site = make("openwrt")
    seen: list[str] = []
    for _ in range(2):
        push(site.job(NEW), OPTIONS, lambda _: seen.extend(site.router.state().processes))
    assert seen
    assert not any(site.router.password in line for line in seen)


def test_a_wrong_host_key_stops_everything(make: Make) -> None:
    site = make("asuswrt")
    site.router.fault(WrongHostKey())
    result = push(site.job(NEW), replace(OPTIONS, accept_new=True))
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S803])


def test_a_target_without_a_shell_is_not_pushed() -> None:
    result = push(job(device_of("netgear"), NEW, {}), OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S819])
