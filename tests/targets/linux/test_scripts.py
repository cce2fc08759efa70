"""The scripts of a bundle and of a procedure, run by BusyBox ash in namespaces of their own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.model.target import Bundle
from compiler.prove.lab.namespaces import missing
from targets.linux import TARGET
from tests.targets.linux.support import device, intent, table

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
_BLOCK = {"pptp": "block", "ikev1": "block", "ikev2": "pass"}
_STATE = """
for name in passthru other; do
nft list table inet $name 2>/dev/null | sed 's/packets [0-9]* bytes [0-9]*//'
done
cat /proc/sys/net/ipv4/ip_forward
cd /etc; find . -type f | sort | while read -r file; do echo "$file"; cat "$file"; done
"""


def _bundle(found: Intent, folder: Path, **options: str) -> Bundle:
    router = device(**options)
    bundle = TARGET.render(TARGET.settings(found, router), router)
    for file in bundle.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    return bundle


def _run(script: str, folder: Path) -> str:
    """Run a script in a machine of its own: empty /etc and /var/lib, no rules, no forwarding."""
    prepare = "mount -t tmpfs t /etc && mount -t tmpfs t /var/lib && ip link set lo up\n"
    zero = "echo 0 > /proc/sys/net/ipv4/ip_forward\n"
    done = subprocess.run(
        ["unshare", "-mn", "busybox", "ash", "-c", f"{prepare}{zero}{script}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _step(name: StepName, found: Intent, **options: str) -> str:
    step = TARGET.procedure(table(found, **options), device(**options)).step(name)
    assert step is not None
    return f"busybox ash <<'STEP'\n{step.script}\nSTEP\n"


def test_scripts_are_posix_for_ash(tmp_path: Path) -> None:
    found = intent(_BLOCK)
    _bundle(found, tmp_path)
    scripts = [step.script for step in TARGET.procedure(table(found), device()).steps]
    for script in [*scripts, (tmp_path / "apply.sh").read_text("utf-8")]:
        subprocess.run(["busybox", "ash", "-n"], input=script, text=True, check=True)


def test_second_apply_changes_nothing(tmp_path: Path) -> None:
    _bundle(intent(_BLOCK), tmp_path)
    stamp = "find /etc -type f -exec stat -c '%n %i %Y %a' {} +; nft list ruleset"
    out = _run(
        f"./apply.sh; ({stamp}) > /tmp/$$.1; ./apply.sh; ({stamp}) > /tmp/$$.2\n"
        "cmp /tmp/$$.1 /tmp/$$.2 && rm /tmp/$$.1 /tmp/$$.2 && cat /proc/sys/net/ipv4/ip_forward",
        tmp_path,
    )
    assert "up to date" in out
    assert out.splitlines()[-1] == "1"


def test_refused_rules_change_nothing(tmp_path: Path) -> None:
    bundle = _bundle(intent(_BLOCK), tmp_path)
    (tmp_path / bundle.native).write_text("table inet passthru { chain fwd { } }\n", "utf-8")
    out = _run(
        f"({_STATE}) > a; ./apply.sh && exit 9; ({_STATE}) > b; cmp a b && echo same", tmp_path
    )
    assert out.splitlines()[-1] == "same"


def test_files_go_under_a_root_and_the_system_stays(tmp_path: Path) -> None:
    bundle = _bundle(intent({"pptp": "pass"}), tmp_path)
    out = _run(
        f"({_STATE}) > a; PASSTHRU_ROOT=$PWD/root ./apply.sh; ({_STATE}) > b; cmp a b", tmp_path
    )
    assert out == ""
    for file in bundle.files[1:]:
        assert (tmp_path / "root" / file.path).read_bytes() == file.content


def test_files_of_a_former_bundle_go(tmp_path: Path) -> None:
    _bundle(intent({"pptp": "pass"}), tmp_path / "one")
    _bundle(intent({"l2tp": "block"}), tmp_path / "two", mode="overlay")
    out = _run("one/apply.sh; two/apply.sh; cd /etc; find . -type f | sort", tmp_path)
    assert out.split() == ["./passthru/passthru.nft", "./systemd/system/passthru.service"]


@pytest.mark.parametrize("before", ["nothing", "a former bundle"])
def test_rollback_restores(tmp_path: Path, before: str) -> None:
    """1. keep what is there, 2. apply and verify, 3. roll back, 4. everything is as it was."""
    found = intent(_BLOCK)
    _bundle(found, tmp_path)
    _bundle(intent({"wireguard": "block", "pptp": "pass"}), tmp_path / "former")
    first = "former/apply.sh\n" if before != "nothing" else ""
    # Another program's table must survive as well.
    first += "nft add table inet other\n"
    out = _run(
        f"set -e\n{first}({_STATE}) > /tmp/a$$\n"
        + _step(StepName.ARM, found)
        + _step(StepName.CHECK, found)
        + _step(StepName.APPLY, found)
        + _step(StepName.VERIFY, found)
        + f"({_STATE}) > /tmp/c$$; ! cmp -s /tmp/a$$ /tmp/c$$\n"
        + _step(StepName.ROLLBACK, found)
        + f"({_STATE}) > /tmp/b$$; diff /tmp/a$$ /tmp/b$$; rm /tmp/[abc]$$; echo same",
        tmp_path,
    )
    assert out.splitlines()[-1] == "same"


def test_read_gives_what_parse_takes(tmp_path: Path) -> None:
    found = intent(_BLOCK)
    _bundle(found, tmp_path)
    empty = _run(_step(StepName.READ, found), tmp_path)
    assert TARGET.parse(empty, device()).chains == ()
    listed = _run("./apply.sh >/dev/null\n" + _step(StepName.READ, found), tmp_path)
    assert TARGET.parse(listed, device()) == table(found)


def test_held_connections_survive_the_way_into_the_saved_state(tmp_path: Path) -> None:
    found = intent(_BLOCK)
    _bundle(found, tmp_path)
    held = "192.168.1.11 . 4500 . 192.0.2.7 . 4500"
    out = _run(
        f"set -e\n./apply.sh\nnft add element inet passthru held_4_ '{{ {held} }}'\n"
        + _step(StepName.ARM, found)
        + "nft delete table inet passthru\n"
        + _step(StepName.ROLLBACK, found)
        + "nft list set inet passthru held_4_",
        tmp_path,
    )
    assert held in out


def test_confirm_forgets(tmp_path: Path) -> None:
    found = intent(_BLOCK)
    _bundle(found, tmp_path)
    out = _run(
        _step(StepName.ARM, found) + _step(StepName.CONFIRM, found)
        + "ls /var/lib/passthru/before 2>/dev/null || echo gone",
        tmp_path,
    )  # fmt: skip
    assert out == "gone\n"


def test_facts_are_told(tmp_path: Path) -> None:
    out = _run(_step(StepName.FACTS, intent(_BLOCK)), tmp_path)
    assert "nftables" in out
