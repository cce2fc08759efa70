"""The lab itself: nothing of it stays, two do not meet, and it says what it lacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from compiler.errors import ProofError
from compiler.prove.lab import OFFICE, Lab, Namespace, Packet, missing
from compiler.prove.lab.packets import TCP, UDP
from compiler.prove.packets.trace import traced

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
ROOT = Path(__file__).parents[3]
ANYBODY = 65534


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as built:
        yield built


def udp(lab: Lab, source: str, to: str, tos: int = 0) -> Packet:
    ends = ip_address(source), ip_address(to)
    return Packet(UDP, *ends, lab.token(), 40000, 5000, b"hello", tos=tos)


def namespaces() -> Iterator[tuple[Path, int]]:
    """Give what leads to the network namespaces that other processes are in or hold open."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        for link in (
            *process.glob("ns/net"),
            *process.glob("task/*/ns/net"),
            *process.glob("fd/*"),
        ):
            try:
                target = link.readlink().name
            except OSError:
                continue
            if target.startswith("net:["):
                yield link, int(target[5:-1])


@contextmanager
def kept(inodes: set[int]) -> Iterator[None]:
    """Hold namespaces of others too: nobody else's gets one of these numbers meanwhile."""
    with ExitStack() as files:
        found = {inode: link for link, inode in namespaces() if inode in inodes}
        assert set(found) == inodes
        for link in found.values():
            files.enter_context(link.open("rb"))
        yield


def held_here() -> set[str]:
    """Give what this process holds open."""
    return {path.readlink().name for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


@contextmanager
def holding(user: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Have a process that holds a lab; it is ended at the latest where the block ends."""
    command = [sys.executable, "-m", "tests.prove.lab.holder"]
    if user:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        try:
            yield holder
        finally:
            holder.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_of_a_lab_whose_process_ends(how: signal.Signals) -> None:
    """1. hold a lab with a listener in it, 2. end the process, 3. look for all that it had."""
    mounts = Path("/proc/mounts").read_text()
    with holding() as holder:
        assert holder.stdout
        listener, *numbers = map(int, holder.stdout.readline().split())
        inodes = set(numbers)
        assert len(inodes) == 1 + len(OFFICE.clients) + 1
        # it is started by a program that enters and one that arms, each of which becomes the next
        assert soon(lambda: name(listener) == "sleep")
        with kept(inodes):
            holder.send_signal(how)
            holder.wait()
            # the kernel ends them when their parent ends, in its own time
            assert soon(lambda: name(listener) != "sleep")
            assert soon(lambda: not inodes & {inode for _, inode in namespaces()})
    assert Path("/proc/mounts").read_text() == mounts
    assert not list(Path("/run/netns").glob("*")) or not any(
        path.stat().st_ino in inodes for path in Path("/run/netns").glob("*")
    )


def soon(holds: Callable[[], bool]) -> bool:
    """Say whether something comes to hold within half a minute."""
    for _ in range(3000):
        if holds():
            return True
        time.sleep(0.01)
    return False


def name(process: int) -> str:
    """Give the name of a running process; nothing for one that is gone or waits to be reaped."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return ""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return "" if fields["State"].startswith(("Z", "X")) else fields["Name"]


def test_a_closed_lab_leaves_no_file_open() -> None:
    def files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with Lab():
        pass
    before = files()
    with Lab() as lab, traced(lab):
        pass
    assert files() == before


def test_a_lab_that_fails_halfway_is_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    before = held_here()
    monkeypatch.setattr(Lab, "_build_internet", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Lab()
    assert held_here() == before


def test_two_labs_do_not_meet(lab: Lab) -> None:
    """Both have the same addresses and the same interfaces."""
    with Lab() as other:
        first, second = (udp(one, "192.168.1.11", "192.0.2.1") for one in (lab, other))
        first_seen = lab.deliver([("c1", first)])
        assert first.token in first_seen["internet"]
        assert not any(first.token in seen for seen in other.settle().values())
        other.load(
            "table inet t { chain f { type filter hook forward priority 0; policy drop; }; }"
        )
        assert other.reaches(second, "c1", "internet") is None
        assert lab.reaches(first.again(lab.token()), "c1", "internet")
        assert "table inet t" not in lab.router.run("nft", "list", "ruleset")


@pytest.mark.usefixtures("anybodys_python")
def test_an_ordinary_user_has_a_lab_too() -> None:
    """In a user namespace, where this system allows one."""
    if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
        pytest.skip("no user namespaces here")
    with holding(ANYBODY) as holder:
        assert holder.stdout
        assert holder.stdout.readline().split()
        users = Path(f"/proc/{holder.pid}/uid_map").read_text().split()
    assert users == ["0", str(ANYBODY), "1"], "root in there, nobody out here"


def test_packets_go_by_the_link_that_they_ask_for(lab: Lab) -> None:
    lab.load("table inet n { chain m { type nat hook postrouting priority 100; masquerade; }; }")
    for wan in OFFICE.wans:
        lab.forget()
        seen = lab.reaches(udp(lab, "192.168.1.11", "192.0.2.1", tos=wan.tos), "c1", "internet")
        assert seen
        assert seen.source == wan.ipv4
        back = seen.answer(lab.token())
        assert back.token in lab.deliver([("internet", back)], wan.interface)["c1"]


def test_every_address_of_a_lan_is_at_a_client(lab: Lab) -> None:
    for to, host in (("192.168.1.200", "c1"), ("192.168.1.12", "c2"), ("2001:db8:2::77", "g1")):
        source = "192.0.2.1" if "." in to else "2001:db8:99::1"
        assert lab.reaches(udp(lab, source, to), "internet", host), to


def test_a_foreign_address_can_be_at_a_client(lab: Lab) -> None:
    packet = udp(lab, "192.0.2.1", "10.9.8.7")
    assert lab.reaches(packet, "internet", "g1") is None
    lab.route([ip_address("10.9.8.7")], "g1")
    assert lab.reaches(packet.again(lab.token()), "internet", "g1")


def test_no_packet_is_missed_however_many_there_are(lab: Lab) -> None:
    packets = [udp(lab, "192.168.1.11", "192.0.2.1") for _ in range(180)]
    for _ in range(20):
        again = [packet.again(lab.token()) for packet in packets]
        seen = lab.deliver(("c1", one) for one in again)["internet"]
        assert {one.token for one in again} <= set(seen)


def test_packets_are_what_they_say() -> None:
    packet = Packet(TCP, ip_address("192.0.2.1"), ip_address("192.0.2.2"), 7, 1, 2, b"data")
    answer = packet.answer(8)
    assert (answer.source_port, answer.destination_port, answer.acknowledged) == (2, 1, 1001)


def test_a_command_that_fails_is_told_with_what_it_said(lab: Lab) -> None:
    with pytest.raises(ProofError) as caught:
        lab.load("table inet t { nonsense }")
    assert caught.value.findings[0].code.name == "E802"
    assert "nonsense" in caught.value.findings[0].message


def test_missing_tools_are_named_with_their_packages() -> None:
    said = missing(("ip", "conntrack-9", "iptables-restore-9"))
    assert said.startswith("conntrack-9 and iptables-restore-9 are not installed")


def test_a_kernel_that_lets_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, label: str) -> None:
        raise PermissionError(1, f"Operation not permitted: {label}")

    monkeypatch.setattr(Namespace, "__init__", refuse)
    assert missing().startswith("no network namespaces here")
