"""apply.sh, run by bash against a stub of the configuration session."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from compiler.model.intent import Action
from targets.edgeos import TARGET as EDGEOS
from tests.targets.openwrt.support import decision, intent
from tests.vyatta.support import edgeos

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

#: Keeps the config as commands in a file; a node is deleted with all that is under it.
SESSION = """\
shopt -s expand_aliases
my_set() { local q="'" line="set"
	for w; do case $w in *' '*) line="$line $q$w$q" ;; *) line="$line $w" ;; esac; done
	grep -q -x -F -e "$line" new || echo "$line" >> new; }
my_delete() { awk -v n="set $* " 'index($0 " ", n) != 1' new > next; mv next new; }
alias set=my_set delete=my_delete run=my_run
my_run() { cat config; }
configure() { cp config new; }
commit() { [ ! -f refuse ] && mv new config; }
discard() { rm -f new; }
save() { [ -z "$1" ] || cp config "$1"; }
load() { cp "$1" new; }
exit() { [ "$#" = 0 ] && return; builtin exit "$@"; }
"""
CONFIG = """\
set firewall name WAN_OUT default-action accept
set firewall name WAN_OUT rule 9 action drop
set firewall name WAN6_OUT default-action accept
set firewall name WAN_OUT rule 3 action drop
set firewall name WAN_OUT rule 3 description 'passthru:old block'
set interfaces ethernet eth0 firewall out name WAN_OUT
"""
OURS = EDGEOS.settings(intent(decision("l2tp", Action.BLOCK)), edgeos())


@pytest.fixture
def router(tmp_path: Path) -> Path:
    for file in EDGEOS.render(OURS, edgeos()).files:
        (tmp_path / file.path).write_bytes(file.content)
    (tmp_path / "script-template").write_text(SESSION)
    (tmp_path / "config").write_text(CONFIG)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, script in (("sudo", '"$@"'), ("conntrack", 'echo "$@" >> "$STUB/cut"')):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return tmp_path


def run(router: Path, step: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{router}/bin:{os.environ['PATH']}",
        "STUB": str(router),
        "PASSTHRU_TEMPLATES": str(router),
        "PASSTHRU_BEFORE": str(router / "before"),
    }
    return subprocess.run(
        ["bash", "apply.sh", step], cwd=router, env=env, capture_output=True, text=True, check=False
    )


def test_puts_ours_in_the_place_of_what_was(router: Path) -> None:
    """1. verify fails before; 2. apply; 3. verify holds; 4. twice is once; 5. roll back."""
    assert run(router, "verify").returncode != 0
    for _ in range(2):
        done = run(router, "apply")
        assert (done.returncode, done.stderr) == (0, "")
        text = (router / "config").read_text()
        assert EDGEOS.parse(text, edgeos()).paths == OURS.paths
        assert "rule 9 action drop" in text
    assert run(router, "verify").returncode == 0
    cuts = (router / "cut").read_text()
    assert "-D -f ipv4 -p 17 --orig-port-dst 1701\n" in cuts
    assert run(router, "rollback").returncode == 0


def test_refuses_numbers_of_others_and_missing_rulesets(router: Path) -> None:
    taken = CONFIG + "set firewall name WAN_OUT rule 1 action accept\n"
    for text, told in ((taken, "with our numbers"), (CONFIG.replace("WAN6", "X"), "no ruleset")):
        (router / "config").write_text(text)
        done = run(router, "apply")
        assert done.returncode == 1
        assert told in done.stderr
        assert (router / "config").read_text() == text


def test_says_when_the_router_refuses(router: Path) -> None:
    (router / "refuse").touch()
    done = run(router, "apply")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert (router / "config").read_text() == CONFIG
