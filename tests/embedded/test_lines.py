"""SSH as clients see it: log-in, sessions and lines that break, with paramiko and Netmiko."""

from __future__ import annotations

import io
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import paramiko
import pytest
from netmiko import ConnectHandler
from paramiko.packet import Packetizer

from compiler.embedded import (
    DropLine,
    EmbeddedError,
    EmbeddedFleet,
    EmbeddedRouter,
    Hang,
    Refuse,
    WrongHostKey,
)
from compiler.embedded.faults import Direction
from tests.embedded.support import client, run, until


@pytest.fixture(scope="module")
def router(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add("openwrt", password="right")


def test_exec_tells_output_error_and_status_apart(router: EmbeddedRouter) -> None:
    with client(router) as connection:
        assert run(connection, "echo out; echo err >&2; exit 42") == (42, "out\n", "err\n")


def test_a_script_on_standard_input(router: EmbeddedRouter) -> None:
    with client(router) as connection:
        assert run(connection, "sh -s", b"read x <<E\nhi\nE\necho $x; exit 7\n") == (7, "hi\n", "")


def test_megabytes_both_ways(router: EmbeddedRouter) -> None:
    data = bytes(range(32, 127)) * 40_000
    with client(router) as connection:
        status, out, _ = run(connection, "cat", data)
        assert (status, out) == (0, data.decode())


def test_a_command_that_is_killed(router: EmbeddedRouter) -> None:
    with client(router) as connection:
        assert run(connection, "kill -9 $$")[0] == -1  # paramiko's word for an exit signal


def test_a_detached_process_keeps_no_session_open(fleet: EmbeddedFleet) -> None:
    """dropbear ends a session with its command; OpenSSH waits for all that holds the output."""
    slow, command = fleet.add("linux"), "sleep 600 & echo done"
    with client(fleet.add("openwrt")) as connection:
        assert run(connection, command)[1] == "done\n"
    with client(slow) as connection:
        transport = connection.get_transport()
        assert transport is not None
        channel = transport.open_session()
        channel.exec_command(command)
        assert channel.recv(10) == b"done\n"
        channel.settimeout(0.5)
        with pytest.raises(TimeoutError):
            channel.recv(10)


def test_the_wrong_password_and_the_right_key(fleet: EmbeddedFleet, router: EmbeddedRouter) -> None:
    connection = paramiko.SSHClient()
    connection.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - not tested here
    where: dict[str, Any] = {"hostname": router.host, "port": router.port}
    where |= {"allow_agent": False, "look_for_keys": False}
    for user, password in (("root", "wrong"), ("admin", "right"), ("root", "")):
        with pytest.raises(paramiko.AuthenticationException):
            connection.connect(username=user, password=password, **where)
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(fleet.client_key))
    connection.connect(username="root", pkey=key, **where)
    assert run(connection, "echo in")[1] == "in\n"
    connection.close()


@pytest.mark.parametrize("family", ["openwrt", "asuswrt", "linux"])
def test_netmiko_logs_in_and_runs_a_command(fleet: EmbeddedFleet, family: str) -> None:
    router = fleet.add(family, username="root")
    with ConnectHandler(
        device_type="linux",
        host=router.host,
        port=router.port,
        username=router.username,
        password=router.password,
    ) as connection:
        assert connection.send_command("echo $((6*7))") == "42"
        assert connection.find_prompt().startswith(f"root@{router.name}:")


def test_an_old_router_speaks_only_what_it_always_did(fleet: EmbeddedFleet) -> None:
    router = fleet.add("ddwrt", legacy=True)
    with client(router) as connection:
        transport = connection.get_transport()
        assert transport is not None
        assert transport.host_key_type == "ssh-rsa"
        assert run(connection, "echo old")[1] == "old\n"
    modern = {"kex": ["diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"]}
    with pytest.raises(paramiko.SSHException), client(router, disabled_algorithms=modern):
        pass


def test_a_hundred_connections_at_once(fleet: EmbeddedFleet) -> None:
    routers = [fleet.add("asuswrt") for _ in range(20)]

    def read(number: int) -> tuple[int, str, str]:
        with client(routers[number % 20]) as connection:
            return run(connection, f"nvram set mine{number}={number}; nvram get mine{number}")

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(read, range(100))) == [(0, f"{n}\n", "") for n in range(100)]


def test_latency_is_a_round_trip(fleet: EmbeddedFleet) -> None:
    """An exec takes two round trips at least; without latency it takes less than one of them."""
    router = fleet.add("openwrt", latency=0.25)
    router.run("true")
    with client(router) as connection:
        begin = time.monotonic()
        run(connection, "true")
        assert time.monotonic() - begin >= 0.5


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("after", [0, 1, 1000, 20_000])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_line_is_cut_after_that_many_bytes(
    fleet: EmbeddedFleet, direction: Direction, after: int, how: str
) -> None:
    """The fault is for one connection; the one before it and the one after it live."""
    router = fleet.add("openwrt")
    with client(router):
        router.fault(DropLine(after, direction, connection=2, how=how))  # type: ignore[arg-type]
    with (
        pytest.raises((OSError, EOFError, paramiko.SSHException, AssertionError)),
        client(router) as connection,
    ):
        assert run(connection, "cat", b"x" * 50_000)[:2] == (0, "x" * 50_000)
    with client(router) as connection:
        assert run(connection, "echo 3")[1] == "3\n"
    assert router.state().connections == 3


def test_what_came_in_before_the_cut_has_arrived_and_nothing_after(fleet: EmbeddedFleet) -> None:
    router = fleet.add("openwrt")
    router.fault(DropLine(10, "out", how="close"))
    with socket.create_connection((router.host, router.port), timeout=20) as sock:
        got = b""
        while data := sock.recv(100):
            got += data
        assert got == b"SSH-2.0-dr"


def test_a_line_that_falls_silent(fleet: EmbeddedFleet) -> None:
    """The client hears nothing at all; the router sees that the line has ended."""
    router = fleet.add("openwrt")
    router.fault(DropLine(5, "out", how="silence"))
    with socket.create_connection((router.host, router.port), timeout=20) as sock:
        assert sock.recv(100) == b"SSH-2"
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.recv(100)
        assert until(lambda: router.state().open == 0)


def test_hang_refuse_and_back(fleet: EmbeddedFleet) -> None:
    router = fleet.add("openwrt")
    router.fault(Hang())
    with socket.create_connection((router.host, router.port), timeout=20) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.recv(100)
    router.fault(Refuse())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((router.host, router.port), timeout=20)
    router.reboot(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((router.host, router.port), timeout=20)
    router.clear()
    with client(router) as connection:
        assert run(connection, "echo back")[1] == "back\n"


def test_a_wrong_host_key(fleet: EmbeddedFleet) -> None:
    router = fleet.add("openwrt")
    router.fault(WrongHostKey())
    with pytest.raises(paramiko.BadHostKeyException), client(router):
        pass
    router.clear()
    with client(router):
        pass


def test_a_bastion_forwards_to_routers_of_the_fleet_alone(fleet: EmbeddedFleet) -> None:
    bastion, router = fleet.add_bastion(), fleet.add("openwrt")
    with socket.create_server(("127.0.0.1", 0)) as stranger, client(bastion) as connection:
        transport = connection.get_transport()
        assert transport is not None
        for host, port in ((router.name, 22), (router.host, router.port)):
            channel = transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 1))
            assert channel.recv(8) == b"SSH-2.0-"
        with pytest.raises(paramiko.ChannelException, match="prohibited"):
            transport.open_channel("direct-tcpip", stranger.getsockname(), ("127.0.0.1", 1))
    with client(router) as connection:
        transport = connection.get_transport()
        assert transport is not None
        where = (bastion.host, bastion.port)
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", where, ("127.0.0.1", 1))


def test_what_cannot_be_asked_is_said(fleet: EmbeddedFleet) -> None:
    fleet.add("openwrt", "taken")
    with pytest.raises(EmbeddedError, match="has a router taken already"):
        fleet.add("openwrt", "taken")
    with pytest.raises(EmbeddedError, match="no family 'cisco'"):
        fleet.add("cisco")
    with pytest.raises(EmbeddedError, match="cannot be the name"):
        fleet.add("openwrt", "../x")
    with pytest.raises(EmbeddedError, match="not started"):
        EmbeddedFleet().add("openwrt")


def test_nothing_is_sent_to_be_ignored(
    router: EmbeddedRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As routers do; each packet costs whoever is measured."""
    kinds: list[int] = []
    read = Packetizer.read_message

    def counted(self: Packetizer) -> Any:
        kind, message = read(self)
        kinds.append(kind)
        return kind, message

    monkeypatch.setattr(Packetizer, "read_message", counted)
    with client(router) as connection:
        assert run(connection, "echo one") == (0, "one\n", "")
    assert kinds.count(paramiko.common.MSG_CHANNEL_DATA) == 1
    assert paramiko.common.MSG_IGNORE not in kinds
