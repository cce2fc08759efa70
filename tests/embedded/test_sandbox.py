"""A router's commands see the router and nothing of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from compiler.embedded import EmbeddedError, EmbeddedFleet
from tests.embedded.support import until

FAMILIES = ("openwrt", "asuswrt", "ddwrt", "freshtomato", "netgear", "linux", "edgeos", "vyos")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_boots(walled: EmbeddedFleet, family: str) -> None:
    router = walled.add(family)
    assert router.run("echo $((6*7)); id -u; hostname").stdout == f"42\n0\n{router.name}\n"
    assert router.state().boots == 1


def test_absolute_paths_are_those_of_the_router(walled: EmbeddedFleet, tmp_path: Path) -> None:
    """1. a file of the machine is not there; 2. what is written to /tmp is not on the machine."""
    (tmp_path / "secret").write_text("x")
    router = walled.add("openwrt")
    assert router.run(f"cat {tmp_path}/secret").status != 0
    mark = Path(f"/tmp/embedded-{os.getpid()}-{router.port}")  # noqa: S108 - shows that it is not made
    assert router.run(f"echo x > {mark} && cat {mark}").stdout == "x\n"
    assert not mark.exists()
    assert router.read(str(mark)) == b"x\n"


@pytest.mark.parametrize(
    "attack",
    [
        "echo 1 > /proc/sys/kernel/panic_on_oops",
        "echo b > /proc/sysrq-trigger",
        "mkdir -p /tmp/host && mount -t devtmpfs none /tmp/host",
        "mknod /tmp/disk b 8 0",
        "insmod /rom/bin/busybox",
        "date -s '2001-01-01 00:00:00' && busybox date +%Y | grep -q 2001",
        "chroot /proc/1/root/.. ls /home",
        "rm -rf /rom/bin && [ ! -e /rom/bin ]",
        "echo evil > /emulated/control/family",
        "renice -n -20 1 && nsenter -t 1 -m ls /work",
    ],
)
def test_root_in_a_router_is_nobody_outside(walled: EmbeddedFleet, attack: str) -> None:
    router = walled.add("openwrt")
    assert router.run(attack).status != 0
    assert router.run("true").status == 0


def test_processes_of_others_cannot_be_seen_or_killed(walled: EmbeddedFleet) -> None:
    """`kill -9 -1` takes what runs on this router, and nothing else."""
    one, two = walled.add("openwrt"), walled.add("openwrt")
    for router in (one, two):
        router.run("sleep 600 < /dev/null > /dev/null 2>&1 &")
    assert one.state().processes == ("sleep 600",)
    one.run("kill -9 -1")
    assert until(lambda: one.state().processes == ())
    assert two.state().processes == ("sleep 600",)


def test_every_router_has_a_network_of_its_own(walled: EmbeddedFleet) -> None:
    one, two = walled.add("linux"), walled.add("linux")
    one.run("echo 1 > /proc/sys/net/ipv4/ip_forward; nft add table inet mine")
    assert two.run("cat /proc/sys/net/ipv4/ip_forward").stdout == "0\n"
    assert two.run("nft list tables").stdout == ""
    assert "table inet mine" in one.run("nft list tables").stdout


def test_the_root_folder_can_be_looked_at(walled: EmbeddedFleet) -> None:
    router = walled.add("openwrt")
    router.write("/etc/x/y", "z")
    assert (router.root / "etc/x/y").read_text() == "z"


def test_without_namespaces() -> None:
    """The same tools in a plain folder; no more rights than nobody's or the user's own."""
    with EmbeddedFleet(namespaces=False) as fleet:
        assert not fleet.namespaces
        router = fleet.add("openwrt")
        assert router.run("uci get firewall.@zone[0].name").stdout == "lan\n"
        router.write("/etc/config/x", "config y 'z'\n")
        assert router.run("uci show x").stdout == "x.z=y\n"
        if os.geteuid() == 0:
            assert router.run("id -u").stdout == "65534\n"
            assert router.run("touch /etc/embedded-was-here").status != 0
        router.run("sleep 600 < /dev/null > /dev/null 2>&1 &")
        assert router.state().processes == ("sleep 600",)
        router.run("echo x > $PASSTHRU_ROOT/tmp/gone; echo x > $PASSTHRU_ROOT/etc/stays")
        router.reboot(0)
        assert router.state().processes == ()
        assert router.run("ls $PASSTHRU_ROOT/tmp/gone").status != 0
        assert router.read("/etc/stays") == b"x\n"
        with pytest.raises(EmbeddedError, match="needs namespaces"):
            fleet.add("vyos")
        asus = fleet.add("asuswrt")
        asus.run("nvram set fw_pt_pptp=0; nvram commit")
        asus.reboot(0)
        assert asus.state().nvram["fw_pt_pptp"] == "0"


STARTS = """
    import sys, time
    from compiler.embedded import EmbeddedFleet
    with EmbeddedFleet() as fleet:
        router = fleet.add("openwrt")
        router.run("sleep 7654 < /dev/null > /dev/null 2>&1 &")
        print(fleet.pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_process_that_started_it(number: signal.Signals) -> None:
    script = [sys.executable, "-c", textwrap.dedent(STARTS)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        session = _session(pid)
        assert len(session) >= 2
        started.send_signal(number)
        started.wait(timeout=20)
    assert until(lambda: not _session(pid) and not _sleeping()), (_session(pid), _sleeping())


def test_nor_the_process_of_the_fleet_when_that_is_killed() -> None:
    with EmbeddedFleet() as fleet:
        router = fleet.add("openwrt")
        router.run("sleep 7654 < /dev/null > /dev/null 2>&1 &")
        pid = fleet.pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(EmbeddedError, match="has ended"):
            router.run("true")
        assert until(lambda: not _session(pid) and not _sleeping())


def test_files_are_left_neither_by_fleets_that_end_nor_by_those_that_were_killed() -> None:
    """RouterOS keeps files on the machine's disk; the next fleet clears up after a killed one."""
    with EmbeddedFleet() as fleet:
        killed = Path(fleet.add("routeros").root)
        os.kill(fleet.pid, signal.SIGKILL)
    assert killed.exists()
    with EmbeddedFleet() as fleet:
        assert not killed.exists()
        folder = Path(fleet.add("routeros").root)
        assert folder.exists()
    assert not folder.exists()
    assert not folder.parent.parent.exists()


def _stat(pid: str) -> list[str]:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _session(leader: int) -> list[str]:
    """Give the processes of a session that are no zombies."""
    pids = [path.name for path in Path("/proc").glob("[0-9]*")]
    stats = {pid: _stat(pid) for pid in pids}
    return [p for p, s in stats.items() if s and s[3] == str(leader) and s[0] != "Z"]


def _sleeping() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"sleep\x007654\0":
                found.append(path.parent.name)
        except OSError:
            continue
    return found
