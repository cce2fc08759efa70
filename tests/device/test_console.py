"""Pushes to a router without a shell: the same promises as to any other, and single faults.

The router is an emulated one; what a script of ours does there was written from the manual.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from compiler.device import console
from compiler.device.job import Progress, Result, State
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
    WrongHostKey,
)
from compiler.model.finding import Code
from compiler.model.intent import Action, Limits
from compiler.model.step import StepName
from tests.device.routers import Site, kill_at
from tests.device.support import NEW, OLD, OPTIONS
from tests.targets.openwrt.support import decision, intent

SOON = replace(OPTIONS, confirm_timeout=3, step_timeout=2.0)
NEVER = replace(OPTIONS, confirm_timeout=3000, step_timeout=2.0)
FAST = replace(OPTIONS, confirm_timeout=8, step_timeout=10.0, connect_timeout=5.0)
FILTER = "/ip firewall filter"


@pytest.fixture
def site(fleet: EmbeddedFleet, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    found = Site(fleet, "routeros", f"routeros-{abs(hash(request.node.nodeid))}", tmp_path)
    yield found
    found.router.clear()


def pushed(site: Site, wanted: object = OLD) -> None:
    result = push(site.job(wanted), OPTIONS)  # type: ignore[arg-type]
    assert (result.state, result.findings) == (State.CHANGED, ())


def config(site: Site) -> str:
    """Give what the router would start with; the dead-man's note is no setting."""
    text, _, scripts = site.router.state().loaded.partition("/system script\n")
    kept = [line for line in scripts.splitlines() if "passthru-note" not in line]
    return "\n".join((*text.splitlines(), *kept))


def codes(result: Result) -> list[Code]:
    return [finding.code for finding in result.findings]


def until(true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come")


def over(site: Site) -> bool:
    return site.router.state().up and "passthru-push-" not in site.router.state().loaded


def test_push_and_nothing_is_left_to_do(site: Site) -> None:
    """1. a push changes; 2. the second is empty: one connection, no write; 3. nothing is left."""
    foreign = config(site)
    steps: list[StepName] = []
    result = push(site.job(NEW), OPTIONS, lambda told: steps.append(told.step))
    assert (result.state, result.findings) == (State.CHANGED, ())
    assert steps == [*(StepName(n) for n in ["facts", "read", "stage", "check", "arm", "apply"]),
                     StepName.VERIFY, StepName.CONFIRM]  # fmt: skip
    assert result.after is not None
    assert result.after.facts["release"].startswith("7.")
    assert site.router.state().connections == 2
    now, calls = config(site), site.router.state().log
    again = push(site.job(NEW), OPTIONS)
    assert (again.state, again.changes) == (State.UNCHANGED, ())
    assert (config(site), site.router.state().log) == (now, calls)
    assert site.router.state().connections == 3
    assert "passthru-push" not in now
    assert [line for line in now.splitlines() if "passthru" not in line] == [
        *(line for line in foreign.splitlines()), "/ipv6 firewall filter"
    ]  # fmt: skip
    pushed(site)
    assert site.has(OLD)
    assert not site.has(NEW)


def test_a_check_writes_nothing(site: Site) -> None:
    before, calls = config(site), site.router.state().log
    result = push(site.job(NEW), replace(OPTIONS, check=True))
    assert result.state is State.WOULD_CHANGE
    assert (config(site), site.router.state().log) == (before, calls)


def test_the_helper_counts_although_an_export_does_not_show_it(site: Site) -> None:
    pushed(site)
    site.console("/ip firewall service-port set pptp disabled=yes")
    result = push(site.job(OLD), OPTIONS)
    assert (result.state, [change.item for change in result.changes]) == (
        State.CHANGED,
        ["/ip firewall service-port pptp"],
    )


def test_what_is_taken_back_is_what_there_was_each_at_its_place(site: Site) -> None:
    """A rule of ours that the owner turned off and a jump that he moved are brought back so."""
    pushed(site)
    site.console(f'{FILTER} set [find where comment~"wireguard"] disabled=yes')
    jump = '[find where comment="passthru:jump"]'
    site.console(f"{FILTER} move {jump} destination=[:pick [find where chain=forward] 2]")
    before = config(site)
    assert before.index("established,related\n") < before.index("passthru:jump")
    site.router.fault(
        ToolFails('/ipv6 firewall filter add action=drop chain=passthru comment="passthru:pptp')
    )
    result = push(site.job(NEW), FAST)
    assert (result.state, codes(result)) == (State.ROLLED_BACK, [Code.S815])
    assert config(site) == before


def test_a_way_back_that_fails_is_tried_again(site: Site) -> None:
    """1. applied, and then not as wanted; 2. the way back fails as well; 3. for a while."""
    pushed(site)
    before = config(site)

    def spoil(told: Progress) -> None:
        if told.step is StepName.VERIFY:
            site.console(f"{FILTER} remove [find where chain=passthru]")
        if told.step is StepName.ROLLBACK:
            site.router.fault(ToolFails('add action=drop chain=passthru comment="passthru:wireg'))
            threading.Timer(3, site.router.clear).start()

    result = push(site.job(NEW), OPTIONS, spoil)
    assert (result.state, codes(result)) == (State.ROLLED_BACK, [Code.S816])
    assert config(site) == before


def test_a_long_policy_goes_in_pieces(site: Site) -> None:
    networks = tuple(ip_network(f"192.0.{n // 128}.{n % 128 * 2}/32") for n in range(400))
    limits = Limits(destinations=networks)
    pushed(site, intent(decision("wireguard", Action.PASS, limits)))
    assert config(site).count("address=192.0.") == 400
    before = config(site)
    site.router.fault(ToolFails('add name="passthru-push-applied"'))
    assert push(site.job(NEW), FAST).state is State.ROLLED_BACK
    assert config(site) == before


def test_an_interface_that_is_not_there_stops_it_before_anything_is_written(site: Site) -> None:
    zones = tuple(replace(zone, devices=("moon",)) for zone in site.device.zones)
    site.device = replace(site.device, zones=zones)
    before = config(site)
    result = push(site.job(NEW), OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S813])
    assert "interface of a zone is missing" in result.findings[0].message
    assert config(site) == before


def test_who_holds_the_lease(site: Site) -> None:
    """1. one that holds refuses; 2. an expired one, and one of before a boot, are taken over."""
    lease = "/system script add name=passthru-push-lease comment="
    site.console(f'{lease}"eve/run-9 abc 0 99999"')
    result = push(site.job(NEW), OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S810])
    assert "eve/run-9" in result.findings[0].message
    for stale in ("eve/run-9 abc 0 0", "eve/run-9 abc 9000 99999", "", 'odd \\" \\$x ]'):
        site.console("/system script remove [find]")
        site.console(f'{lease}"{stale}"')
        assert push(site.job(NEW), OPTIONS).state is State.CHANGED
        pushed(site)
    assert over(site)


def test_of_pushes_at_once_one_works(site: Site) -> None:
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: push(site.job(NEW), OPTIONS), range(4)))
    states = [result.state for result in results]
    assert states.count(State.CHANGED) == 1
    assert set(states) <= {State.CHANGED, State.UNCHANGED, State.REFUSED}
    assert site.has(NEW)
    assert over(site)


def test_who_changes_the_router_meanwhile_is_not_overwritten(site: Site) -> None:
    def meddle(told: Progress) -> None:
        if told.step is StepName.STAGE:
            site.console(f"{FILTER} add chain=forward comment=passthru:mine action=drop")

    result = push(site.job(NEW), OPTIONS, meddle)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S811])
    assert over(site)
    assert "passthru:mine" in config(site)


def test_a_confirmation_that_comes_too_late_says_so(site: Site) -> None:
    """The dead-man is first by a hair: the push reports the old state, and the old state holds."""
    pushed(site)
    before = config(site)

    def fire(told: Progress) -> None:
        if told.step is StepName.CONFIRM:
            site.console("/system script add name=passthru-push-end comment=fired")

    result = push(site.job(NEW), OPTIONS, fire)
    assert (result.state, codes(result)) == (State.ROLLED_BACK, [Code.S817])
    assert config(site) == before


def test_a_wrong_host_key_stops_everything(site: Site) -> None:
    site.router.fault(WrongHostKey())
    result = push(site.job(NEW), replace(OPTIONS, accept_new=True))
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S803])


@pytest.mark.parametrize(
    ("output", "verdict", "reason"),
    [
        ("", "", "the router says nothing"),
        ("M = read\nx\nM ok\n", "ok", ""),
        ("M = read\nx\nM ok\nfailure: it is full\n", "", "failure: it is full"),
        (
            "M = read\nbad command name x (line 1 column 2)\n",
            "",
            "bad command name x (line 1 column 2)",
        ),
        ("M = read\nx M ok\n", "", "x M ok"),
        ("M no held by eve\n", "no", "held by eve"),
        ("M wait\n", "wait", ""),
        ("M\n", "", "M"),
        ("M = ok\n", "", "the router says nothing"),
    ],
)
def test_only_a_verdict_as_the_last_line_counts(output: str, verdict: str, reason: str) -> None:
    said = console._judge(output, "M")
    assert (said.verdict, said.reason) == (verdict, reason)
    assert said.failed is (verdict != "ok")


# The dead-man


def test_fires_after_a_killed_client(site: Site, tmp_path: Path) -> None:
    """1. killed before it verifies; 2. the old state comes back; 3. the next push says so."""
    pushed(site)
    before = config(site)
    kill_at(site, "verify", SOON, tmp_path)
    until(lambda: over(site))
    assert config(site) == before
    result = push(site.job(NEW), OPTIONS)
    assert (result.state, codes(result)) == (State.CHANGED, [Code.S817])
    assert "run-1" in result.findings[0].message
    assert "passthru-note" not in site.router.state().loaded


@pytest.mark.parametrize("step", ["stage", "check", "arm", "apply", "verify", "confirm"])
def test_a_client_killed_anywhere(site: Site, tmp_path: Path, step: str) -> None:
    pushed(site)
    before = config(site)
    kill_at(site, step, SOON, tmp_path)
    until(lambda: "passthru-push-tick" not in site.router.state().loaded)
    until(lambda: push(site.job(NEW), OPTIONS).state is State.CHANGED)
    pushed(site)
    assert config(site) == before


def test_a_reboot_in_the_window_brings_back_the_old_state(site: Site, tmp_path: Path) -> None:
    pushed(site)
    before = config(site)
    kill_at(site, "confirm", NEVER, tmp_path)
    assert site.has(NEW)
    for wanted, state in ((NEW, State.UNCHANGED), (OLD, State.REFUSED)):
        told = push(site.job(wanted), OPTIONS)
        assert (told.state, codes(told)) == (state, [Code.S810])
    site.router.reboot()
    assert config(site) == before
    assert over(site)


def test_a_clock_that_jumps_fires_nothing(site: Site, tmp_path: Path) -> None:
    pushed(site)
    kill_at(site, "confirm", NEVER, tmp_path)
    site.router.fault(ClockJump(86400 * 4000))
    time.sleep(2.5)  # the timer looks once a second
    assert site.has(NEW)
    assert "passthru-push-tick" in site.router.state().loaded


def test_a_power_cut_on_the_way_back_is_made_good(site: Site, tmp_path: Path) -> None:
    """Half of the old entries are there again when the power goes: the next boot begins anew."""
    pushed(site)
    before = config(site)
    kill_at(site, "confirm", SOON, tmp_path)
    site.router.fault(PowerCut("/ipv6 firewall filter add action=drop"))
    until(lambda: site.router.state().boots == 2 and over(site))
    assert config(site) == before


# Single faults


def cases() -> Iterator[Fault]:
    for after in (300, 1500, 2500, 3300, 4500, 6000, 9000, 12000, 15000, 17000, 18500):
        yield DropLine(after, "in")
    for after in (1500, 2500, 3500, 5000, 7000, 9000, 11000):
        yield DropLine(after, "out")
    yield from (DropLine(9000, "in", how="silence"), DropLine(5000, "out", how="close"))
    for after in (1500, 2500, 3500, 5000):
        yield DropLine(after, "in", -1)
        yield DropLine(after, "out", -1)
    yield from (FlashFull(), ReadOnlyFlash(), Refuse(), ClockJump(86400))
    for event in (
        'add name="passthru-push-lease"',
        'add name="passthru-push-undo-1"',
        'add name="passthru-push-guard"',
        'add policy=read,write,policy,test start-time=startup name="passthru-push-boot"',
        'add policy=read,write,policy,test start-time=startup name="passthru-push-tick"',
        'add name="passthru-push-go"',
        'add name="passthru-push-working"',
        "/ip firewall filter remove",
        "/ip firewall filter add",
        "/ip firewall filter move",
        "/ipv6 firewall filter add action=jump",
        'add name="passthru-push-applied"',
        'comment="confirmed"',
        'remove [find where name="passthru-push-boot"]',
        'remove [find where name="passthru-push-tick"]',
    ):
        yield from (PowerCut(event), PowerCut(event, after=True), ToolFails(event, 1))
        if event.startswith("/"):
            yield ToolFails(event, 0)


HOLDS = {
    State.CHANGED: "new",
    State.ROLLED_BACK: "old",
    State.FAILED: "old",
    State.REFUSED: "old",
    State.UNREACHABLE: "old",
}


def test_fully_new_or_fully_old(fleet: EmbeddedFleet, tmp_path: Path) -> None:
    """For each fault: 1. the router has OLD; 2. the fault is set, and NEW is pushed; 3. without
    the fault, what it has is what the result said, and NEW can be pushed; 4. nothing is left.
    """
    every = list(enumerate(cases()))
    with ThreadPoolExecutor(12) as threads:
        found = threads.map(lambda case: _judged(fleet, tmp_path, *case), every)
        wrong = [text for text in found if text]
    assert not wrong, "\n".join(wrong)


def _judged(fleet: EmbeddedFleet, folder: Path, number: int, fault: Fault) -> str:
    site = Site(fleet, "routeros", f"routeros-fault-{number}", folder)
    assert push(site.job(OLD), OPTIONS).state is State.CHANGED
    old = config(site)
    if isinstance(fault, DropLine) and fault.connection == -1:
        fault = replace(fault, connection=site.router.state().connections + 2)
    site.router.fault(fault)
    mended = threading.Timer(6, site.router.clear)
    if isinstance(fault, ToolFails):  # the way back needs what fails, too
        mended.start()
    result = push(site.job(NEW), FAST)
    mended.cancel()
    site.router.clear()
    problem = _problem(site, result, old)
    shown = [finding.message for finding in result.findings]
    return problem and f"{fault}: {result.state} at {result.step}: {problem} {shown}"


def _problem(site: Site, result: Result, old: str) -> str:
    until(lambda: site.router.state().up)
    unclear = result.state is State.UNCLEAR
    if unclear:
        until(lambda: over(site))
    holds = "old" if site.has(OLD) else "new" if site.has(NEW) else "neither"
    if HOLDS.get(result.state) != holds and not (unclear and holds != "neither"):
        return f"the router has {holds}"
    if holds == "old" and _settings(config(site)) != _settings(old):
        return f"the old settings are not as they were: {config(site)}"
    again = replace(OPTIONS, step_timeout=10.0)
    for _ in range(30):  # a lease of a push that was cut off has to expire
        after = push(site.job(NEW), again)
        if after.state is not State.REFUSED:
            break
        time.sleep(1)
    if after.state not in (State.CHANGED, State.UNCHANGED):
        return f"the next push: {after.state} {[finding.message for finding in after.findings]}"
    return "" if after.state is State.UNCHANGED or over(site) else "something is left behind"


def _settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if "passthru-push" not in line]
