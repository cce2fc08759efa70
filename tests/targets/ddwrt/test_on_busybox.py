"""apply.sh with a multi-line nvram value, run by BusyBox ash with a stub of the router's commands.

The stub keeps a value in a file without the newline that ``nvram get`` adds, as nvram does.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.model.device import Device
from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.toggles.scripted import ScriptedTarget
from targets.ddwrt import TARGET as DDWRT
from targets.freshtomato import TARGET as TOMATO
from tests.toggles.intents import block, device, let

BUSYBOX = shutil.which("busybox")
pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")

APPLETS = ("ash", "sh", "cat", "grep", "rm", "sed", "uname")
NVRAM = """#!/bin/sh
echo "nvram $1 ${2%%=*}" >>"$STUBS/log"
case $1 in
get) [ ! -f "$STUBS/$2" ] || { cat "$STUBS/$2"; echo; } ;;
set) printf %s "${2#*=}" >"$STUBS/${2%%=*}" ;;
unset) rm -f "$STUBS/$2" ;;
commit) ;;
*) exit 1 ;;
esac
"""
LOGGING = '#!/bin/sh\necho "${0##*/} $*" >>"$STUBS/log"\n'
CASES = {
    "ddwrt": (DDWRT, "rc_firewall", ["stopservice firewall", "startservice firewall"]),
    "freshtomato": (TOMATO, "script_fire", ["service ctnf restart", "service firewall restart"]),
}


@dataclass(frozen=True, slots=True)
class Router:
    """A folder that stands for a router: its nvram and its commands."""

    root: Path
    name: str

    @property
    def target(self) -> ScriptedTarget:
        return CASES[self.name][0]

    @property
    def key(self) -> str:
        return CASES[self.name][1]

    @property
    def device(self) -> Device:
        return device(self.name, {"ipv6": True}, scripts=True)

    def put(self, wanted: Intent) -> None:
        found = self.target.settings(wanted, self.device)
        for file in self.target.render(found, self.device).files:
            (self.root / file.path).write_bytes(file.content)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.root / "bin"), "STUBS": str(self.root / "nvram")}
        return subprocess.run(
            [BUSYBOX or "", "ash", "-c", text],
            cwd=self.root, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def fill(self, values: Mapping[str, str]) -> None:
        for key, value in values.items():
            (self.root / "nvram" / key).write_bytes(value.encode())

    def nvram(self) -> dict[str, str]:
        paths = [p for p in (self.root / "nvram").iterdir() if p.name != "log"]
        return {path.name: path.read_bytes().decode() for path in paths}

    def log(self) -> list[str]:
        path = self.root / "nvram/log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return [line.strip() for line in lines if not line.startswith("nvram get")]


@pytest.fixture(params=CASES)
def router(tmp_path: Path, request: pytest.FixtureRequest) -> Router:
    for folder in ("bin", "nvram"):
        (tmp_path / folder).mkdir()
    for applet in APPLETS:
        (tmp_path / "bin" / applet).symlink_to(BUSYBOX or "")
    for name in ("service", "stopservice", "startservice"):
        (tmp_path / "bin" / name).write_text(LOGGING)
    (tmp_path / "bin/nvram").write_text(NVRAM)
    for path in (tmp_path / "bin").iterdir():
        path.chmod(0o755)
    return Router(tmp_path, request.param)


OWN = "echo mine\n\nFOO='a b'\n# no newline at the end $(id)"


@pytest.mark.parametrize(
    "value", [None, OWN, "#!/bin/sh\n" + OWN, "x\n\n\n", "#!/bin/sh", ".", "-n"]
)
def test_the_procedure_forth_and_back(router: Router, value: str | None) -> None:
    before = {"filter": "on", "pptp_pass": "1", "wl_wpa_psk": "secret"}
    router.fill(before if value is None else {**before, router.key: value})
    before = router.nvram()
    wanted = block("pptp", "l2tp", "wireguard")
    found = router.target.settings(wanted, router.device)
    router.put(wanted)
    steps = {s.name: s.script for s in router.target.procedure(found, router.device).steps}
    for name in (StepName.CHECK, StepName.ARM, StepName.APPLY, StepName.VERIFY):
        done = router.run(steps[name])
        assert (done.returncode, done.stderr) == (0, ""), name
    log = router.log()
    assert log.count("nvram commit") == 1
    assert log[-len(CASES[router.name][2]) :] == CASES[router.name][2]
    listing = router.run(steps[StepName.READ])
    assert "secret" not in listing.stdout + listing.stderr
    read = router.target.parse(listing.stdout, router.device)
    assert read.rules == found.rules
    assert found.toggles.as_dict().items() <= read.toggles.as_dict().items()
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.log() == []

    assert router.run(steps[StepName.ROLLBACK]).returncode == 0
    after = router.nvram()
    if value == "#!/bin/sh":  # a line of its own now ends the first one
        after[router.key] = after[router.key].removesuffix("\n")
    assert after == before


def test_the_value_is_merged_as_in_python(router: Router) -> None:
    router.fill({router.key: OWN})
    place = router.target._place
    for wanted in (block("wireguard"), block("ipsec", "pptp"), let("l2tp")):
        router.put(wanted)
        assert router.run("sh ./apply.sh").returncode == 0
        rules = router.target.settings(wanted, router.device).rules
        assert router.nvram()[router.key] == place.merge(OWN, rules)
    assert router.nvram()[router.key] == OWN


def test_damaged_markers_change_nothing(router: Router) -> None:
    router.fill({router.key: "# >>> passthru\necho open", "filter": "off"})
    before = router.nvram()
    router.put(block("wireguard", "pptp"))
    done = router.run("sh ./apply.sh")
    assert (done.returncode, "markers" in done.stderr) == (1, True)
    assert router.nvram() == before
    assert router.log() == []


LINES = st.lists(
    st.sampled_from(["", "#!/bin/sh", "a=1", "# >>> passthru ", "exit 0", "\\", "'", "%s", "é"]),
    max_size=5,
)


@given(lines=LINES, end=st.booleans())
@settings(max_examples=8)
def test_any_script_survives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], *, end: bool
) -> None:
    root = tmp_path_factory.mktemp("router")
    for folder in ("bin", "nvram"):
        (root / folder).mkdir()
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to(BUSYBOX or "")
    for name in ("stopservice", "startservice", "nvram"):
        (root / "bin" / name).write_text(NVRAM if name == "nvram" else LOGGING)
        (root / "bin" / name).chmod(0o755)
    router = Router(root, "ddwrt")
    value = "\n".join(lines) + ("\n" if end else "")
    router.fill({router.key: value})
    router.put(block("wireguard"))
    assert router.run("sh ./apply.sh").returncode == 0
    rules = router.target.settings(block("wireguard"), router.device).rules
    place = router.target._place
    merged = place.merge(value, rules)
    assert router.nvram()[router.key] == merged
    router.put(let("l2tp"))
    assert router.run("sh ./apply.sh").returncode == 0
    assert router.nvram().get(router.key, "") == place.merge(merged, ())
