"""What carries a session: packets, programs that a far end refuses, commands to go through."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.packet import NeedRekeyException

from compiler.device import push
from compiler.device.packets import Packets
from compiler.device.proxy import ProxyCommand
from compiler.device.reach import way_of
from compiler.device.session import Session
from compiler.device.transaction import Transaction
from compiler.errors import LostError, PassthruError
from compiler.model.finding import Code
from tests.device.support import NEW, OPTIONS, device_of, job


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_packets_that_come_together_are_taken_one_by_one(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    far.sendall(b"SSH-2.0-there\r\n" + b"abcdef" * 10_000)
    found = Packets(near)
    assert found.readline(5) == "SSH-2.0-there"
    assert [found.read_all(6) for _ in range(10_000)] == [b"abcdef"] * 10_000
    far.sendall(b"ab")
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        found.read_all(3)


def test_a_pause_is_for_new_keys_only_between_packets(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = pair
    near.settimeout(0.01)
    found = Packets(near)
    monkeypatch.setattr(found, "need_rekey", lambda: True)
    with pytest.raises(NeedRekeyException):
        found.read_all(4, check_rekey=True)
    far.sendall(b"ab")
    threading.Timer(0.2, far.sendall, (b"cd",)).start()
    assert found.read_all(4, check_rekey=True) == b"abcd"


def test_a_handshake_has_an_end_and_no_thread(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    near.settimeout(0.01)
    found = Packets(near)
    before = threading.active_count()
    found.start_handshake(0.05)
    assert threading.active_count() == before
    with pytest.raises(EOFError):
        found.read_all(1)
    found.complete_handshake()
    far.sendall(b"x")
    assert found.read_all(1) == b"x"


class _Server(paramiko.ServerInterface):
    """Lets everybody in, and starts no program: it says so, or hangs up."""

    def __init__(self, hang_up: threading.Event | None) -> None:
        self._hang_up = hang_up

    def check_auth_password(self, username: str, password: str) -> int:
        del username, password
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        del command
        if self._hang_up is not None:
            channel.get_transport().sock.close()
        return False


@contextlib.contextmanager
def served(known: Path, *, hangs_up: bool) -> Iterator[Session]:
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        transports: list[paramiko.Transport] = []

        def serve() -> None:
            sock, _ = listener.accept()
            transport = paramiko.Transport(sock)
            transports.append(transport)
            transport.add_server_key(key)
            event = threading.Event()
            transport.start_server(event, _Server(event if hangs_up else None))

        thread = threading.Thread(target=serve)
        thread.start()
        reach = {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": "someone",
            "ansible_password": "any",
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known}",
        }
        try:
            with Session(way_of("r1", reach), 10.0) as session:
                yield session
        finally:
            thread.join()
            for transport in transports:
                transport.close()


def test_a_program_that_is_refused_is_told_from_a_line_that_breaks(tmp_path: Path) -> None:
    """Its script is on its way before the answer is there, and must not be waited for."""
    began = time.monotonic()
    with (
        served(tmp_path / "known", hangs_up=False) as session,
        pytest.raises(PassthruError) as caught,
    ):
        session.shell.run("echo never", 60)
    assert not isinstance(caught.value, LostError)
    assert caught.value.findings[0].code is Code.S808
    assert "starts no command" in caught.value.findings[0].message
    assert time.monotonic() - began < 30
    with served(tmp_path / "known", hangs_up=True) as session, pytest.raises(LostError) as lost:
        session.shell.run("echo never", 60)
    assert lost.value.findings[0].code is Code.S806


def test_a_session_starts_no_timers(tmp_path: Path) -> None:
    with served(tmp_path / "known", hangs_up=False) as session:
        ours = session.connection.transport
        timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
        assert ours.is_alive()
    # the far end of this test is paramiko too, and has one
    assert len(timers) <= 1


def test_a_peer_that_greets_and_says_no_more_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"SSH-2.0-silent\r\n")
                while sock.recv(4096):
                    pass

        thread = threading.Thread(target=greet)
        thread.start()
        reach = {
            "ansible_host": "127.0.0.1",
            "ansible_port": listener.getsockname()[1],
            "ansible_password": "any",
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={tmp_path / 'known'}",
        }
        with pytest.raises(PassthruError) as caught:
            Session(way_of("r1", reach), 1.0).open()
        thread.join()
    assert caught.value.findings[0].code is Code.S801


def test_a_command_gives_what_has_come_and_its_end() -> None:
    command = ProxyCommand("sh -c 'printf abc; read -r line'")
    command.settimeout(30.0)
    try:
        assert command.recv(1 << 15) == b"abc"
        command.settimeout(0.01)
        with pytest.raises(TimeoutError):
            command.recv(1 << 15)
        command.settimeout(30.0)
        assert command.send(b"\n") == 1
        assert command.recv(1 << 15) == b""
    finally:
        command.end()


@pytest.mark.parametrize(
    "command", ["/no/such/program %h", "sh -c 'exit 3'", "sh -c 'echo \"not closed'"]
)
def test_a_command_that_leads_nowhere_is_unreachable(command: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host r1\n  ProxyCommand {command}\n  User someone\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(PassthruError) as caught:
        Session(way_of("r1", {"ansible_ssh_common_args": f"-F {config}"}), 5.0).open()
    assert caught.value.findings[0].code is Code.S801
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_tries_that_fail_leave_no_connections_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that is slow to come back is tried for minutes, and takes few connections."""
    closed: list[str] = []

    class Fake:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            closed.append(self.name)

    def connect(self: Any) -> Any:
        self._sessions.append(Fake(f"try {len(closed)}"))
        return self._sessions[-1]

    def conclude(self: Any, session: Any, problems: Any) -> None:
        raise LostError.of(Code.S806, "it broke off")

    monkeypatch.setattr(Transaction, "_connect", connect)
    monkeypatch.setattr(Transaction, "_conclude", conclude)
    pushed: Any = push._begun(job(device_of("openwrt"), NEW, {}), OPTIONS, None)
    first: Any = Fake("first")
    pushed._sessions.append(first)
    for _ in range(3):
        assert pushed._tried(None, ()) is None
    assert pushed._tried(first, ()) is None
    assert (closed, pushed._sessions) == (["try 0", "try 1", "try 2"], [first])
