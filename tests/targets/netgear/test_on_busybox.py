"""The steps for Voxel's builds, run by BusyBox ash; the script, run against a real kernel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compiler.model.device import Device, Fact
from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.toggles.scripted import ScriptedSettings
from targets.netgear import TARGET
from targets.netgear.family import START
from tests.toggles.intents import block, device, let

BUSYBOX = shutil.which("busybox")
pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")

APPLETS = (
    "ash", "sh", "cat", "chmod", "cut", "echo", "grep", "head", "mkdir", "mv",
    "rm", "sed", "sleep", "uname",
)  # fmt: skip
NVRAM = """#!/bin/sh
echo "nvram $*" >>"$STUBS/log"
case $1 in
get) [ ! -f "$STUBS/$2" ] || cat "$STUBS/$2" ;;
set) printf '%s\\n' "${2#*=}" >"$STUBS/${2%%=*}" ;;
unset) rm -f "$STUBS/$2" ;;
esac
"""
#: It gives the status of the user's script, as Voxel's does; the path of that script is in it.
WALL = """#!/bin/sh
echo "net-wall $*" >>"$STUBS/log"
start=$PASSTHRU_ROOT/opt/scripts/firewall-start.sh
[ ! -x "$start" ] || "$start"
exit 3
"""
#: Rules are lines of a file; one rule a line is all that `-S` has to show.
IPTABLES = """#!/bin/sh
case $1 in
-F) : >"$STUBS/../rules" ;;
-A) echo "$*" >>"$STUBS/../rules" ;;
-S) cat "$STUBS/../rules" ;;
-D) exit 1 ;;
esac
"""
FACTS: dict[str, Fact] = {"firmware": "voxel", "kernel": "3.4.103", "vpn_passthrough": True}
KEYS = device("netgear", FACTS)
SCRIPT = device("netgear", FACTS, scripts=True)
OTHERS = "#!/bin/sh\n/opt/bolemo/scripts/aegis _fws\n# >>> not ours\nfalse # \xe9, no newline"


def solved(wanted: Intent, router: Device) -> ScriptedSettings:
    """Solve for Voxel's firmware."""
    found = TARGET.settings(wanted, router)
    assert isinstance(found, ScriptedSettings)
    return found


def read(text: str, router: Device) -> ScriptedSettings:
    """Parse what Voxel's firmware prints."""
    found = TARGET.parse(text, router)
    assert isinstance(found, ScriptedSettings)
    return found


class Router:
    """A folder that stands for a router."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.start = root / START.name.lstrip("/")
        for folder in ("bin", "nvram", "opt/scripts", "usr/sbin", "root"):
            (root / folder).mkdir(parents=True)
        for applet in APPLETS:
            (root / "bin" / applet).symlink_to(BUSYBOX or "")
        stubs = {"bin/nvram": NVRAM, "bin/iptables": IPTABLES, "usr/sbin/net-wall": WALL}
        for name, text in stubs.items():
            self.put(name, text, 0o755)

    def put(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.root / name.lstrip("/")
        path.write_text(text)
        path.chmod(mode)

    def bundle(self, wanted: Intent) -> None:
        for file in TARGET.render(solved(wanted, SCRIPT), SCRIPT).files:
            (self.root / file.path).write_bytes(file.content)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.root / "bin"),
            "STUBS": str(self.root / "nvram"),
            "PASSTHRU_ROOT": str(self.root),
        }
        return subprocess.run(
            [BUSYBOX or "", "ash", "-c", text],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def step(self, name: StepName, wanted: Intent) -> subprocess.CompletedProcess[str]:
        step = TARGET.procedure(solved(wanted, SCRIPT), SCRIPT).step(name)
        assert step is not None
        text = step.script
        if name is StepName.READ:  # the steps that only read know no other root
            text = text.replace(f" {START.name}", f" {self.start}").replace(
                f"echo {self.start}", f"echo {START.name}"
            )
        return self.run(text)

    def calls(self) -> list[str]:
        log = self.root / "nvram/log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.write_text("")
        return [line for line in lines if not line.startswith("nvram get")]


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path)


WANTED = block("pptp", "l2tp", "wireguard")


def test_the_steps_forth_and_back_with_a_script_that_fails(router: Router) -> None:
    """The status of net-wall is that of the user's last command: no reason to fail."""
    router.put(START.name, OTHERS, 0o755)
    router.put("nvram/forwarding1", "My&harr;VPN UDP 500 500 500 500 192.168.1.9 0\n")
    router.bundle(WANTED)
    for name in (StepName.CHECK, StepName.ARM, StepName.APPLY, StepName.VERIFY):
        done = router.step(name, WANTED)
        assert done.returncode == 0, (name, done.stderr)
    keys = ["nvram set wan_enable_l2tp=0", "nvram set wan_enable_pptp=0"]
    assert router.calls() == [*keys, "nvram commit", "net-wall restart"]
    rules = solved(WANTED, SCRIPT).rules
    assert router.start.read_text() == START.merge(OTHERS, rules)

    printed = router.step(StepName.READ, WANTED).stdout
    assert "forwarding1=My&harr;VPN UDP 500 500 500 500 192.168.1.9 0\n" in printed
    assert read(printed, SCRIPT).rules == rules

    assert router.step(StepName.ROLLBACK, WANTED).returncode == 0
    assert router.start.read_text() == OTHERS
    assert {"nvram unset wan_enable_l2tp", "nvram unset wan_enable_pptp"} <= set(router.calls())


def test_nothing_to_do_is_nothing_done(router: Router) -> None:
    router.bundle(WANTED)
    assert router.run("sh ./apply.sh").returncode == 0
    router.calls()
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.calls() == []
    router.bundle(let("l2tp"))
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.start.read_text() == "#!/bin/sh\n"


def test_a_firewall_that_does_not_load_the_rules_is_found(router: Router) -> None:
    router.put("usr/sbin/net-wall", f"#!/bin/sh\n: {START.name} is not run\n", 0o755)
    (router.root / "bin/sleep").unlink()
    router.put("bin/sleep", "#!/bin/sh\n", 0o755)
    router.put("rules", "")
    router.bundle(WANTED)
    router.run("sh ./apply.sh")
    done = router.step(StepName.VERIFY, WANTED)
    assert (done.returncode, "not loaded" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"usr/sbin/net-wall": ("#!/bin/sh\n", 0o755)}, "does not run"),
        ({START.name: (OTHERS, 0o644)}, "not executable"),
        ({"root/firewall-start.sh": (OTHERS, 0o755)}, "move it"),
    ],
)
def test_what_would_keep_a_script_from_running_is_found_before(
    router: Router, files: dict[str, tuple[str, int]], words: str
) -> None:
    """Stock firmware; a script that its owner switched off; one that ours would take over from."""
    for name, (text, mode) in files.items():
        router.put(name, text, mode)
    router.bundle(WANTED)
    done = router.step(StepName.CHECK, WANTED)
    assert (done.returncode, words in done.stderr) == (1, True)
    assert router.calls() == []


def test_a_script_that_is_not_run_is_not_shown_as_rules(router: Router) -> None:
    router.put(START.name, START.script(solved(WANTED, SCRIPT).rules), 0o644)
    found = read(router.step(StepName.READ, WANTED).stdout, SCRIPT)
    assert found.rules == ()
    router.start.chmod(0o755)
    found = read(router.step(StepName.READ, WANTED).stdout, SCRIPT)
    assert found.rules == solved(WANTED, SCRIPT).rules


def test_every_step_is_posix() -> None:
    for router in (KEYS, SCRIPT):
        procedure = TARGET.procedure(solved(WANTED, router), router)
        assert procedure.guard is not None
        for text in (
            *(step.script for step in procedure.steps),
            procedure.guard.hook,
            procedure.guard.unhook,
        ):
            command = [BUSYBOX or "", "ash", "-n"]
            subprocess.run(command, input=text, text=True, check=True)


TOOLS = ("unshare", "nsenter", "ip", "iptables", "bash")
#: A router with br0 and brwan, a client and a server in namespaces of their own; what reaches the
#: server is counted there, by destination port.
LAB = """
set -e
unshare -n sleep 60 & client=$!
unshare -n sleep 60 & server=$!
trap 'kill $client $server' EXIT
for one in $client $server; do
	until [ "$(readlink /proc/$one/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
done
at() { pid=$1; shift; nsenter -t "$pid" -n "$@"; }
ip link add br0 type veth peer name c netns $client
ip link add brwan type veth peer name s netns $server
ip addr add 10.7.1.1/24 dev br0; ip link set br0 up
ip addr add 10.7.2.1/24 dev brwan; ip link set brwan up
at $client ip addr add 10.7.1.2/24 dev c; at $client ip link set c up
at $client ip route add default via 10.7.1.1
at $server ip addr add 10.7.2.2/24 dev s; at $server ip link set s up
at $server ip route add default via 10.7.2.1
echo 1 >/proc/sys/net/ipv4/ip_forward
for port in 51820 51821; do at $server iptables -A INPUT -p udp --dport $port; done
count() {
	for port in 51820 51821; do
		at $client bash -c "echo x >/dev/udp/10.7.2.2/$port"
	done
	at $server iptables -nvxL INPUT | awk '/dpt:/ {print $1}' | tr '\\n' ' '
	at $server iptables -Z
}
count
busybox ash ./start; busybox ash ./start
count
echo; iptables -S
"""


def _may_unshare() -> bool:
    if not all(map(shutil.which, TOOLS)):
        return False
    command = ["unshare", "-rn", "iptables", "-S"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.kernel
def test_the_script_stops_packets_from_br0_to_brwan(tmp_path: Path) -> None:
    """1. both ports pass; 2. run twice, as net-wall does, the blocked one is dropped."""
    if not _may_unshare():
        pytest.skip("no namespace with iptables may be made here")
    text = START.script(solved(block("wireguard", "pptp"), SCRIPT).rules)
    (tmp_path / "start").write_text(text)
    command = ["unshare", "-rn", "sh", "-c", LAB]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 1 0 1 \n"), done.stdout
    assert done.stdout.count("-A FORWARD -i br0 ! -o br0 -j PASSTHRU") == 1
