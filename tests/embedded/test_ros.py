"""RouterOS: its language as far as it goes, its scheduler, files, power, and our own scripts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netmiko import ConnectHandler

from compiler.embedded import (
    EmbeddedError,
    EmbeddedFleet,
    EmbeddedRouter,
    FlashFull,
    PowerCut,
    ToolFails,
)
from compiler.embedded.ros.language import Machine
from compiler.embedded.ros.menus import factory
from compiler.embedded.ros.words import ScriptError, quoted, unescaped
from compiler.model.intent import Action
from compiler.model.step import StepName
from targets.routeros import TARGET
from tests.embedded.support import client, run, until
from tests.targets.openwrt.support import decision, intent

FILTER = "/ip firewall filter"


@pytest.fixture
def router(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add("routeros")


def machine() -> Machine:
    return Machine(factory(("ether1", "bridge")), lambda *_: None, lambda _: "")


def printed(script: str) -> list[str]:
    found = machine()
    found.run(script)
    return found.output


@pytest.mark.parametrize(
    ("script", "output"),
    [
        (':put "a\\"b\\$c\\41"', ['a"b$cA']),
        (':local x 5; :put "x is $x"', ["x is 5"]),
        (":put [:len [/interface find]]", ["2"]),
        (":if (1 = 2) do={ :put no } else={ :put yes }", ["yes"]),
        (
            ":foreach i in=[/interface find] do={ :put [/interface get $i name] }",
            ["ether1", "bridge"],
        ),
        (':do { :error "x" } on-error={ :put caught }', ["caught"]),
        (f'{FILTER}\n:put [:len [find where comment~"^def" and action!=drop]]', ["2"]),
        (f"/ip/firewall/filter/remove [find]\n:put [:len [{FILTER} find]]", ["0"]),
        ("# a remark; :put no\n:put \\\n  yes", ["yes"]),
        ('{:put "a;b"; :put c}', ["a;b", "c"]),
        (":local x 1; :foreach i in=[/interface find] do={ :set x $i }; :put $x", ["*2"]),
        (":local x 1; { :local x 2 }; :put $x", ["1"]),
        (":set x 1", []),
        (':put ("a" . [:len [/interface find]] . "b")', ["a2b"]),
        (":if (1 = 2 or 00:01:05 > 1m and 1d > 23:59:59) do={ :put yes }", ["yes"]),
        (":put ([:totime 1m5s] + 5s)", ["70s"]),
        (":put [:totime x]", []),
        (':local code [:parse {:if (1=1) do={ :put "x }}]', []),
    ],
)
def test_scripts(script: str, output: list[str]) -> None:
    if not output:
        with pytest.raises(ScriptError):
            printed(script)
    else:
        assert printed(script) == output


@pytest.mark.parametrize(
    "script",
    [
        "/ip firewall nothing add x=y",
        f"{FILTER} add action=drop",
        f"{FILTER} remove *99",
        f"{FILTER} add chain=forward in-interface-list=missing",
        "/interface list add name=WAN",
        '/ip firewall service-port add name="x"',
        ':put "not closed',
        "/interface list member add interface=moon list=WAN",
    ],
)
def test_scripts_that_fail(script: str) -> None:
    with pytest.raises(ScriptError):
        printed(script)


@settings(max_examples=100)
@given(st.text())
def test_quoted_values_come_back(value: str) -> None:
    text = quoted(value)
    assert (unescaped(text[1:-1], {}) if text.startswith('"') else text) == value


def test_what_was_before_an_error_stays_and_the_status_is_0(router: EmbeddedRouter) -> None:
    script = f"{FILTER} add chain=forward comment=one\n/nonsense here\n{FILTER} add chain=forward"
    with client(router) as connection:
        status, out, _ = run(connection, script)
    assert (status, "bad command name" in out) == (0, True)
    assert "comment=one" in router.state().loaded
    router.reboot(0)
    assert "comment=one" in router.state().loaded


def test_files_come_by_sftp_and_are_imported(router: EmbeddedRouter) -> None:
    with client(router) as connection:
        with connection.open_sftp() as files, files.open("x.rsc", "w") as file:
            file.write(":put [/system resource get version]\n")
        assert "7.16.2" in run(connection, "/import file-name=x.rsc")[1]
        assert "no such file" in run(connection, "/import ../../../etc/passwd")[1]


def test_a_scheduler_fires_once_it_is_time_and_not_after_it_is_gone(router: EmbeddedRouter) -> None:
    """A dead-man: 1. armed and left alone it fires; 2. removed in time it does not."""
    arm = (
        f'/system scheduler add name=dead interval=1s on-event="{FILTER} add chain=forward '
        'comment=fired; /system scheduler remove dead"'
    )
    router.run(arm)
    assert until(lambda: "comment=fired" in router.state().loaded)
    assert until(lambda: "scheduler" not in router.state().loaded)
    router.run(arm.replace("fired", "too-late").replace("interval=1s", "interval=00:00:30"))
    router.run("/system scheduler remove dead")
    assert "too-late" not in router.state().loaded


def test_a_scheduler_with_an_interval_does_not_run_at_startup(router: EmbeddedRouter) -> None:
    """It counts how often it ran, until the next boot; it may name a script."""
    router.run(f'/system script add name=one source="{FILTER} add chain=forward comment=again"')
    router.run("/system scheduler add name=tick start-time=startup interval=1s on-event=one")
    count = ":put [/system scheduler get tick run-count]"
    assert router.run(count).stdout.strip() == "0"
    assert until(lambda: router.run(count).stdout.strip() == "1")
    assert "chain=forward comment=again\n/" in router.state().loaded
    router.reboot(0)
    assert router.run(count).stdout.strip() == "0"


def test_power_is_cut_and_commands_fail_in_the_middle_of_a_script(router: EmbeddedRouter) -> None:
    script = f"{FILTER} add chain=forward comment=one; {FILTER} add chain=forward comment=two"
    router.fault(ToolFails("comment=two"))
    assert "failure" in router.run(script).stdout
    assert "comment=two" not in router.state().loaded
    router.clear()
    router.fault(PowerCut("comment=two"))
    router.run(script)
    assert until(lambda: router.state().boots == 2)
    assert router.state().loaded.count("comment=one") == 2
    assert "comment=two" not in router.state().loaded


def test_a_scheduler_for_startup_runs_after_a_reboot(router: EmbeddedRouter) -> None:
    event = f"{FILTER} add chain=forward comment=booted"
    router.run(f'/system scheduler add name=boot start-time=startup on-event="{event}"')
    assert "chain=forward comment=booted" not in router.state().loaded.split("/system")[0]
    router.reboot(0)
    assert "add chain=forward comment=booted" in router.state().loaded.split("/system")[0]


def test_backup_and_load(router: EmbeddedRouter) -> None:
    before = router.state().loaded
    router.run("/system backup save name=before")
    router.run(f"{FILTER} remove [find]")
    router.run("/system backup load name=before")
    assert until(lambda: router.state().boots == 2)
    assert router.state().loaded == before


def test_power_cut_and_full_flash(router: EmbeddedRouter) -> None:
    router.fault(PowerCut("comment=new"))
    router.run(f"{FILTER} add chain=forward comment=new")
    assert until(lambda: router.state().boots == 2)
    assert "comment=new" not in router.state().loaded
    router.fault(FlashFull())
    assert "cannot write" in router.run(f"{FILTER} add chain=forward comment=new").stdout
    assert "comment=new" not in router.state().loaded
    router.clear()
    router.run(f"{FILTER} add chain=forward comment=new")
    assert "comment=new" in router.state().loaded


def test_netmiko_logs_in(router: EmbeddedRouter) -> None:
    with ConnectHandler(
        device_type="mikrotik_routeros",
        host=router.host,
        port=router.port,
        username=router.username,
        password=router.password,
    ) as connection:
        assert "masquerade" in connection.send_command("/export")


@pytest.mark.parametrize("device", TARGET.examples(), ids=lambda device: device.name)
def test_our_scripts_run_and_read_back(router: EmbeddedRouter, device: object) -> None:
    """1. import every document of the procedure; 2. what is read is what was wanted; 3. again."""
    wanted = TARGET.settings(intent(decision("l2tp", Action.BLOCK)), device)  # type: ignore[arg-type]
    files = {file.path: file.content for file in TARGET.render(wanted, device).files}  # type: ignore[arg-type]
    steps = {step.name: step.request for step in TARGET.procedure(wanted, device).steps}  # type: ignore[arg-type]
    for path, content in files.items():
        router.write(path, content)
    for name in (StepName.FACTS, StepName.CHECK, StepName.APPLY, StepName.APPLY, StepName.VERIFY):
        told = router.run(f"/import {steps[name]}").stdout
        assert "executed successfully" in told, (name, told)
    text = router.run(files[steps[StepName.READ]].decode()).stdout
    assert TARGET.parse(text, device).entries == wanted.entries  # type: ignore[arg-type]
    router.run(f'{FILTER} remove [find where comment="passthru:jump"]')
    assert "executed successfully" not in router.run(f"/import {steps[StepName.VERIFY]}").stdout


def test_a_shell_is_not_there(router: EmbeddedRouter) -> None:
    assert "bad command name" in router.run("uname -a").stdout
    with pytest.raises(EmbeddedError, match="no such file"):
        router.read("/etc/passwd")
