"""Flash and RAM, reboot and boot hooks, and what goes wrong with them."""

from __future__ import annotations

import pytest

from compiler.embedded import (
    ClockJump,
    EmbeddedError,
    EmbeddedFleet,
    EmbeddedRouter,
    FlashFull,
    PowerCut,
    ReadOnlyFlash,
    SlowFlash,
    ToolFails,
)
from tests.embedded.support import client, run, until

#: Where a file outlives a reboot, and where it does not.
KEPT = {
    "openwrt": ("/etc/x", "/tmp/x"),  # noqa: S108 - a router's
    "asuswrt": ("/jffs/x", "/tmp/x"),  # noqa: S108
    "ddwrt": ("/jffs/x", "/tmp/x"),  # noqa: S108
    "linux": ("/var/lib/x", "/run/x"),
    "edgeos": ("/config/x", "/tmp/x"),  # noqa: S108
}


@pytest.mark.parametrize("family", KEPT)
def test_a_reboot_empties_ram_and_keeps_flash(walled: EmbeddedFleet, family: str) -> None:
    """1. write both; 2. leave a daemon; 3. reboot; 4. one file is left, the daemon is not."""
    router = walled.add(family)
    flash, ram = KEPT[family]
    assert router.run(f"echo 1 > {flash} && echo 2 > {ram}").status == 0
    router.run("setsid sleep 600 < /dev/null > /dev/null 2>&1 &")
    before = router.run("cat /proc/sys/kernel/random/boot_id").stdout
    router.reboot(0)
    assert router.read(flash) == b"1\n"
    with pytest.raises(EmbeddedError, match="No such file"):
        router.read(ram)
    found = router.state()
    assert (found.boots, found.processes) == (2, ())
    assert router.run("cat /proc/sys/kernel/random/boot_id").stdout not in ("", before)


def test_a_firmware_with_a_read_only_root(walled: EmbeddedFleet) -> None:
    router = walled.add("asuswrt")
    assert router.run("touch /new").status != 0
    assert router.run("touch /bin/new").status != 0
    assert router.run("touch /etc/new").status == 0
    router.reboot(0)
    assert router.run("[ -e /etc/new ]").status != 0


def test_nvram_is_two_copies(walled: EmbeddedFleet) -> None:
    router = walled.add("ddwrt")
    router.run("nvram set pptp_pass=0")
    found = router.state()
    assert (found.nvram["pptp_pass"], found.nvram_flash["pptp_pass"]) == ("0", "1")
    router.reboot(0)
    assert router.state().nvram["pptp_pass"] == "1"
    router.run("nvram set pptp_pass=0; nvram commit")
    router.reboot(0)
    assert router.state().nvram["pptp_pass"] == "0"


HOOKS = {
    "asuswrt": "cat > /jffs/scripts/init-start; chmod +x /jffs/scripts/init-start",
    "ddwrt": 'nvram set rc_startup="$(cat)"; nvram commit',
    "freshtomato": 'nvram set script_init="$(cat)"; nvram commit',
    "openwrt": "cat > /etc/init.d/hook; chmod +x /etc/init.d/hook; /etc/init.d/hook enable",
    "linux": "cat > /etc/rc.local; chmod +x /etc/rc.local",
    "netgear": "cat > /etc/rc.local",
    "edgeos": "cat > /config/scripts/post-config.d/x; chmod +x /config/scripts/post-config.d/x",
    "vyos": "f=/config/scripts/vyos-postconfig-bootup.script; cat > $f; chmod +x $f",
}
TEXTS = {"openwrt": "#!/bin/sh /etc/rc.common\nSTART=18\nboot() { echo hook > /tmp/ran; }\n"}


@pytest.mark.parametrize("family", HOOKS)
def test_boot_hooks_run(walled: EmbeddedFleet, family: str) -> None:
    router = walled.add(family)
    text = TEXTS.get(family, "#!/bin/sh\necho hook > /tmp/ran\n")
    assert router.run(HOOKS[family], text).status == 0
    router.reboot(0)
    assert router.read("/tmp/ran") == b"hook\n"  # noqa: S108 - a router's


def test_systemd_units_run_at_boot_when_they_are_enabled(walled: EmbeddedFleet) -> None:
    router = walled.add("linux")
    unit = "[Service]\nExecStart=/bin/sh -c 'echo up > /run/ran'\n[Install]\nWantedBy=x.target\n"
    router.write("/etc/systemd/system/mine.service", unit)
    router.reboot(0)
    assert router.run("cat /run/ran").status != 0
    assert router.run("systemctl daemon-reload; systemctl enable mine.service").status == 0
    router.reboot(0)
    assert router.read("/run/ran") == b"up\n"
    assert router.run("systemctl is-active mine").stdout == "active\n"


def test_uci_defaults_run_once(walled: EmbeddedFleet) -> None:
    router = walled.add("openwrt")
    router.write("/etc/uci-defaults/99-x", "echo x >> /etc/times\nexit 0\n")
    router.reboot(0)
    router.reboot(0)
    assert router.read("/etc/times") == b"x\n"


def test_firewall_start_runs_after_the_event_was_queued(walled: EmbeddedFleet) -> None:
    router = walled.add("asuswrt")
    script = "#!/bin/sh\niptables -I FORWARD 1 -p 47 -j DROP\n"
    router.write("/jffs/scripts/firewall-start", script, 0o755)
    router.run("nvram set fw_pt_l2tp=0; service restart_firewall")
    assert until(lambda: "-A FORWARD -p 47 -j DROP" in router.run("iptables -S").stdout)
    assert "--dport 1701 -j DROP" in router.state().loaded


@pytest.fixture
def router(walled: EmbeddedFleet) -> EmbeddedRouter:
    return walled.add("openwrt")


def test_a_reboot_ends_connections(router: EmbeddedRouter) -> None:
    with client(router) as connection:
        router.reboot(0)
        transport = connection.get_transport()
        assert transport is not None
        assert until(lambda: not transport.is_active())
    with client(router) as connection:
        assert run(connection, "echo back") == (0, "back\n", "")


def test_a_router_that_reboots_itself_comes_back(router: EmbeddedRouter) -> None:
    router.run("reboot")
    assert until(lambda: router.state().boots == 2)


def test_full_flash(router: EmbeddedRouter) -> None:
    """What is there can be read, and RAM can be written; new files cannot."""
    router.fault(FlashFull())
    done = router.run("cp /rom/bin/busybox /etc/new")
    assert done.status != 0
    assert "No space left" in done.stderr
    assert router.run("cp /rom/bin/busybox /tmp/new").status == 0
    assert "config zone" in router.read("/etc/config/firewall").decode()
    done = router.run("uci set firewall.x=rule; uci commit firewall")
    assert done.status != 0
    assert "config zone" in router.read("/etc/config/firewall").decode()
    router.clear()
    assert router.run("uci commit firewall && uci get firewall.x").stdout == "rule\n"


def test_full_nvram(walled: EmbeddedFleet) -> None:
    asus = walled.add("asuswrt")
    asus.fault(FlashFull())
    assert asus.run("nvram set fw_pt_pptp=0").status == 1
    assert asus.run("nvram commit").status == 1
    assert asus.state().nvram["fw_pt_pptp"] == "1"


def test_read_only_flash(router: EmbeddedRouter) -> None:
    router.fault(ReadOnlyFlash())
    done = router.run("touch /etc/new")
    assert (done.status, "Read-only file system" in done.stderr) == (1, True)
    assert router.run("touch /tmp/new").status == 0
    router.reboot(0)
    assert router.run("touch /etc/new").status == 1
    router.clear()
    assert router.run("touch /etc/new").status == 0


def test_slow_flash_takes_its_time(router: EmbeddedRouter) -> None:
    router.fault(SlowFlash(0.3))
    assert "0m 0.3" in router.run("time uci commit").stderr.replace("0m 0.4", "0m 0.3")


def test_clock_jump_moves_the_wall_clock_only(router: EmbeddedRouter) -> None:
    before = int(router.run("date +%s").stdout)
    router.fault(ClockJump(-86_400))
    assert -86_400 <= int(router.run("date +%s").stdout) - before < -86_000
    assert router.run("sleep 0.1").status == 0
    router.clear()
    assert 0 <= int(router.run("date +%s").stdout) - before < 600


def test_power_cut_before_and_after_a_tool_has_worked(walled: EmbeddedFleet) -> None:
    for after, kept in ((False, "1"), (True, "0")):
        asus = walled.add("asuswrt")
        asus.run("nvram set fw_pt_pptp=0")
        asus.fault(PowerCut("nvram commit", after=after))
        assert asus.run("nvram commit; sleep 5; echo alive").stdout == ""
        assert until(lambda asus=asus: asus.state().boots == 2)  # type: ignore[misc]  # early binding
        assert asus.state().nvram["fw_pt_pptp"] == kept
        assert asus.run("nvram commit").status == 0  # it was for once


def test_a_tool_that_fails_in_silence(router: EmbeddedRouter) -> None:
    router.fault(ToolFails("fw4 reload", status=0))
    router.run("uci set firewall.new=rule; uci set firewall.new.name=new; uci commit")
    assert router.run("fw4 reload").status == 0
    assert "!fw4: new" not in router.run("nft list table inet fw4").stdout
    router.clear()
    router.run("fw4 reload")
    assert router.state().log[-1] == "fw4 reload"


@pytest.mark.parametrize("applet", ["base64", "timeout", "setsid", "nohup"])
def test_applets_can_be_left_out(walled: EmbeddedFleet, applet: str) -> None:
    assert walled.add("openwrt").run(f"command -v {applet}").status in (0, 127)
    router = walled.add("openwrt", without=[applet])
    assert router.run(f"echo x | {applet} cat").status == 127
