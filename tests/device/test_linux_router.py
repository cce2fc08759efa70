"""A linux router in namespaces: pushed to through a real OpenSSH, proven by packets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.device.job import Job, Progress, State
from compiler.device.push import observe, push
from compiler.model.finding import Code
from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.prove.lab.namespaces import missing
from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import UDP
from targets.linux import TARGET
from tests.device import servers
from tests.device.servers import Server, sshd
from tests.device.support import OPTIONS
from tests.targets.linux.support import device, intent
from tests.targets.linux.tunnels import out, passes

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
    pytest.mark.skipif(os.getuid() != 0, reason="a server that logs others in runs as root"),
    pytest.mark.skipif(servers.SSHD is None, reason="sshd is not installed"),
    pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed"),
]
#: A machine of its own: what it writes is gone with it. Its sh is BusyBox's.
_MACHINE = (
    "mount -t tmpfs t /run && mkdir -p /run/sshd /run/etc && cp -a /etc/. /run/etc && "
    "mount --bind /run/etc /etc && mount -t tmpfs t /var/lib && "
    'mount --bind "$(command -v busybox)" "$(readlink -f /bin/sh)" && exec "$@"'
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as found:
        yield found


@pytest.fixture(scope="module")
def router(lab: Lab, keys: Path) -> Iterator[Server]:
    inside = lab.router.command("unshare", "-m", "bash", "-c", _MACHINE, "machine")
    with sshd(keys, inside=inside) as found:
        yield found


def job(lab: Lab, server: Server, wanted: Intent) -> Job:
    known = f"-F none -o UserKnownHostsFile={server.known_hosts}"
    proxy = f"-o ProxyCommand='nsenter --net={lab.router.path} busybox nc 127.0.0.1 %p'"
    found = device()
    bundle = TARGET.render(TARGET.settings(wanted, found), found)
    reach = server.reach(ansible_ssh_common_args=f"{known} {proxy}")
    return Job("router", found, wanted, bundle, "policy", reach)


def test_what_is_pushed_is_what_packets_meet(lab: Lab, router: Server) -> None:
    """1. block and see it drop; 2. pass; 3. a push that is taken back leaves all as before."""
    l2tp = out(lab, UDP, 1701, b"\xff" * 40, version=4)
    for action, through in (("block", False), ("pass", True)):
        result = push(job(lab, router, intent({"l2tp": action})), OPTIONS)
        assert (result.state, result.findings) == (State.CHANGED, ())
        lab.forget()
        assert passes(lab, l2tp) is through
    again = push(job(lab, router, intent({"l2tp": "pass"})), OPTIONS)
    assert again.state is State.UNCHANGED

    seen: list[bool] = []

    def spoil(told: Progress) -> None:
        """While the new rules are in the kernel, take one away: the router is not as applied."""
        if told.step is StepName.VERIFY:
            lab.forget()
            seen.append(passes(lab, l2tp))
            lab.router.run("nft", "flush", "chain", "inet", "passthru", "forward", check=False)
            lab.router.run("nft", "delete", "table", "inet", "passthru", check=False)

    result = push(job(lab, router, intent({"l2tp": "block"})), OPTIONS, spoil)
    assert seen == [False]
    assert (result.state, result.findings[0].code) == (State.ROLLED_BACK, Code.S816)
    lab.forget()
    assert passes(lab, l2tp)
    assert "passthru" in lab.listing()


def test_rules_that_the_kernel_refuses_change_nothing(lab: Lab, router: Server) -> None:
    wanted = job(lab, router, intent({"l2tp": "block", "pptp": "pass"}))
    before = observe(wanted, OPTIONS)
    broken = tuple(
        replace(file, content=file.content + b"table inet other { chain x { bogus; } }\n")
        if file.path == wanted.bundle.native
        else file
        for file in wanted.bundle.files
    )
    result = push(replace(wanted, bundle=replace(wanted.bundle, files=broken)), OPTIONS)
    assert (result.state, result.step) == (State.REFUSED, StepName.CHECK)
    assert result.findings[0].code is Code.S813
    assert observe(wanted, OPTIONS).sha256 == before.sha256
