"""What the tests of embedded routers share."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import paramiko

from compiler.embedded import EmbeddedFleet, EmbeddedRouter

NAMESPACES = "this machine allows no namespaces"


def has_namespaces() -> bool:
    """Tell whether a fleet gets namespaces here, by making one."""
    with EmbeddedFleet() as fleet:
        return fleet.namespaces


def has_busybox() -> bool:
    """Tell whether routers run BusyBox here."""
    return shutil.which("busybox") is not None


@contextlib.contextmanager
def client(router: EmbeddedRouter, **options: object) -> Generator[paramiko.SSHClient]:
    """Log in with plain paramiko; the host key must be the router's."""
    connection = paramiko.SSHClient()
    entry = paramiko.hostkeys.HostKeyEntry.from_line(router.known_hosts)
    assert entry is not None
    assert entry.key is not None
    connection.get_host_keys().add(entry.hostnames[0], entry.key.get_name(), entry.key)
    sock = socket.create_connection((router.host, router.port), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.connect(
            router.host,
            router.port,
            router.username,
            router.password,
            sock=sock,
            look_for_keys=False,
            allow_agent=False,
            timeout=20,
            banner_timeout=20,
            auth_timeout=20,
            **options,  # type: ignore[arg-type]  # options of paramiko, by the caller
        )
        yield connection
    finally:
        connection.close()
        sock.close()


def run(connection: paramiko.SSHClient, command: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command; give status, output and error.

    Who sends megabytes must read meanwhile: else both ends may wait for the other's window.
    """

    def send() -> None:
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()

    channel = connection.get_transport().open_session(timeout=20)  # type: ignore[union-attr]  # it is connected
    channel.settimeout(30)
    channel.exec_command(command)
    with ThreadPoolExecutor(1) as sender:
        sent = sender.submit(send)
        out, err = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
        sent.result()
    return channel.recv_exit_status(), out.decode(), err.decode()


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Wait until something is so; a test that fails takes long, one that passes does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
