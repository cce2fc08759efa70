"""apply.sh and firewall-start, run by BusyBox ash with a stub of the router's commands."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiler.model.device import Device
from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.toggles import script
from targets.asuswrt import TARGET
from targets.asuswrt.family import START
from tests.toggles.intents import block, device, let

BUSYBOX = shutil.which("busybox")
pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")

APPLETS = ("ash", "sh", "cat", "chmod", "grep", "head", "mkdir", "mv", "rm", "sed", "uname")
NVRAM = """#!/bin/sh
echo "nvram $*" >>"$STUBS/log"
case $1 in
get) [ ! -f "$STUBS/$2" ] || cat "$STUBS/$2" ;;
set) [ ! -f "$STUBS/refuses" ] || exit 1
	printf '%s\\n' "${2#*=}" >"$STUBS/${2%%=*}" ;;
unset) rm -f "$STUBS/$2" ;;
commit) ;;
*) exit 1 ;;
esac
"""
LOGGING = '#!/bin/sh\necho "${0##*/} $*" >>"$STUBS/log"\n'
STOCK = device("asuswrt")
MERLIN = device("asuswrt", {"merlin": True, "ipv6": True}, scripts=True)
OTHERS = "#!/bin/sh\nlogger started $1\n\n# >>> not ours\nexit 0 # \xe9, no newline"


@dataclass(frozen=True, slots=True)
class Router:
    """A folder that stands for a router: its nvram, its commands, its /jffs."""

    root: Path

    @property
    def start(self) -> Path:
        return self.root / "jffs/scripts/firewall-start"

    def put(self, bundle_of: Device, wanted: Intent) -> None:
        settings = TARGET.settings(wanted, bundle_of)
        for file in TARGET.render(settings, bundle_of).files:
            (self.root / file.path).write_bytes(file.content)

    def run(self, text: str, *more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.root / "bin"),
            "STUBS": str(self.root / "nvram"),
            "PASSTHRU_ROOT": str(self.root),
        }
        return subprocess.run(
            [BUSYBOX or "", "ash", "-c", text, "ash", *more],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def nvram(self) -> dict[str, str]:
        keys = [p for p in (self.root / "nvram").iterdir() if p.name not in ("log", "refuses")]
        return {path.name: path.read_text().removesuffix("\n") for path in keys}

    def log(self) -> list[str]:
        path = self.root / "nvram/log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return [line for line in lines if not line.startswith("nvram get")]


@pytest.fixture
def router(tmp_path: Path) -> Router:
    for folder in ("bin", "nvram", "jffs/scripts"):
        (tmp_path / folder).mkdir(parents=True)
    for applet in APPLETS:
        (tmp_path / "bin" / applet).symlink_to(BUSYBOX or "")
    for name, text in {"nvram": NVRAM, "service": LOGGING}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return Router(tmp_path)


def fill(router: Router, values: Mapping[str, str]) -> None:
    for key, value in values.items():
        (router.root / "nvram" / key).write_text(f"{value}\n")


def test_only_what_differs_is_set_and_committed_once(router: Router) -> None:
    fill(router, {"fw_pt_pptp": "0", "fw_pt_ipsec": "1", "wl_wpa_psk": "secret"})
    router.put(STOCK, block("pptp", "ipsec"))
    done = router.run("sh ./apply.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert router.log() == ["nvram set fw_pt_ipsec=0", "nvram commit", "service restart_firewall"]
    assert router.nvram() == {"fw_pt_pptp": "0", "fw_pt_ipsec": "0", "wl_wpa_psk": "secret"}
    assert "secret" not in done.stdout
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.log() == []
    assert router.run("sh ./apply.sh --verify").returncode == 0


def test_the_helper_takes_a_restart_of_its_own(router: Router) -> None:
    """The firewall's restart does not read nf_pptp; the order is that of a boot."""
    fill(router, {"fw_pt_pptp": "1", "nf_pptp": "0"})
    router.put(STOCK, let("pptp"))
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.log()[-2:] == ["service restart_conntrack", "service restart_firewall"]


def test_a_refusing_nvram_is_an_error(router: Router) -> None:
    fill(router, {"refuses": ""})
    router.put(STOCK, block("pptp"))
    done = router.run("sh ./apply.sh")
    assert (done.returncode, done.stderr) == (1, "passthru: nvram refuses fw_pt_pptp\n")
    assert "nvram commit" not in router.log()
    verified = router.run("sh ./apply.sh --verify")
    assert verified.returncode == 1
    assert "fw_pt_pptp is not what nvram.txt says" in verified.stderr


@pytest.mark.parametrize(
    "line", ["wl_wpa_psk=x", "garbage", "*=1", "fw_pt_pptp fw_pt_l2tp=0", "$(id)=1", "=1"]
)
def test_a_strange_file_changes_nothing(router: Router, line: str) -> None:
    router.put(STOCK, block("pptp"))
    (router.root / "nvram.txt").write_text(f"fw_pt_pptp=0\n{line}\n")
    done = router.run("sh ./apply.sh")
    assert done.returncode == 1
    assert done.stderr.startswith("passthru: nvram.txt: ")
    assert router.log() == []
    assert router.nvram() == {}


def test_values_are_text_and_never_run(router: Router) -> None:
    router.put(STOCK, block("pptp"))
    hostile = "$(touch hit)`touch hit`;'\"\\ *"
    (router.root / "nvram.txt").write_text(f"fw_pt_pptp={hostile}\n")
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.nvram() == {"fw_pt_pptp": hostile}
    assert not (router.root / "hit").exists()


@pytest.mark.parametrize("device_", [STOCK, MERLIN])
@pytest.mark.parametrize("start", [None, OTHERS, "#!/bin/sh", "#!/bin/sh\n"])
def test_the_procedure_forth_and_back(router: Router, device_: Device, start: str | None) -> None:
    fill(router, {"fw_pt_pptp": "1", "jffs2_scripts": "0"})
    if start is not None:
        router.start.write_text(start)
    before = router.nvram()
    wanted = block("pptp", "l2tp", "wireguard")
    settings = TARGET.settings(wanted, device_)
    router.put(device_, wanted)
    procedure = TARGET.procedure(settings, device_)
    steps = {step.name: step.script for step in procedure.steps}
    for name in (StepName.CHECK, StepName.ARM, StepName.APPLY, StepName.VERIFY):
        assert router.run(steps[name]).returncode == 0, name
    listing = router.run(local(steps[StepName.READ], router)).stdout
    read = TARGET.parse(listing, device_)
    assert read.toggles.as_dict() == {
        "fw_pt_ipsec": "1",
        "nf_pptp": "1",
        **settings.toggles.as_dict(),
    }
    assert read.rules == settings.rules
    assert router.log().count("nvram commit") == 1

    assert router.run(steps[StepName.ROLLBACK]).returncode == 0
    assert router.nvram() == before
    if start is not None:
        assert router.start.read_text().rstrip("\n") == start.rstrip("\n")


def local(text: str, router: Router) -> str:
    return text.replace(f"-f {START.name}", f"-f {router.start}").replace(
        f"cat {START.name}", f"cat {router.start}"
    )


def test_the_script_is_merged_as_in_python(router: Router) -> None:
    router.start.write_text(OTHERS)
    for wanted in (block("wireguard"), block("ipsec", "pptp"), let("l2tp")):
        router.put(MERLIN, wanted)
        assert router.run("sh ./apply.sh").returncode == 0
        rules = TARGET.settings(wanted, MERLIN).rules
        assert router.start.read_text() == START.merge(OTHERS, rules)
        assert router.start.stat().st_mode & 0o777 == 0o755
        assert "service restart_firewall" in router.log()
        assert router.run("sh ./apply.sh").returncode == 0
        assert router.log() == []
    assert router.start.read_text() == OTHERS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo no shebang\n", "#! line"),
        (f"#!/bin/sh\n{script.BEGIN}\necho open\n", "markers"),
        (f"#!/bin/sh\n{script.END}\n{script.BEGIN}\n{script.BEGIN}\n", "markers"),
    ],
)
def test_a_damaged_script_is_left_alone(router: Router, text: str, words: str) -> None:
    router.start.write_text(text)
    router.put(MERLIN, block("wireguard"))
    done = router.run("sh ./apply.sh")
    assert done.returncode == 1
    assert words in done.stderr
    assert router.start.read_text() == text
    assert router.log() == []


def test_a_leftover_of_a_former_policy_is_removed(router: Router) -> None:
    router.put(MERLIN, block("wireguard"))
    assert router.run("sh ./apply.sh").returncode == 0
    plain = device("asuswrt", {"merlin": True})
    router.put(plain, let("l2tp"))
    assert router.run("sh ./apply.sh --verify").returncode == 1
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.start.read_text() == "#!/bin/sh\n"


def _may_unshare() -> bool:
    tools = [shutil.which(tool) for tool in ("unshare", "iptables", "ip6tables")]
    if not all(tools):
        return False
    command = ["unshare", "-rn", "sh", "-c", "iptables -S && ip6tables -S"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.kernel
def test_firewall_start_loads_into_a_kernel(tmp_path: Path) -> None:
    if not _may_unshare():
        pytest.skip("no namespace with iptables may be made here")
    settings = TARGET.settings(block("pptp", "l2tp", "ipsec", "wireguard"), MERLIN)
    path = tmp_path / "firewall-start"
    path.write_text(START.script(settings.rules))
    twice = f"busybox ash {path} eth0 && busybox ash {path} eth0 && iptables -S && ip6tables -S"
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", twice], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("-A FORWARD -i br+ ! -o br+ -j PASSTHRU") == 2
    assert done.stdout.count("-A PASSTHRU ") == len(settings.rules)
    for words in ("-p gre", "-p esp", "-p ah", "--dport 4500", "--dport 51820"):
        assert words in done.stdout
