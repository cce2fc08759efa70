"""Real SSH servers on loopback, each a process of its own in the foreground."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
DROPBEAR = shutil.which("dropbear") or shutil.which("dropbear", path="/usr/sbin:/sbin")
KEYGEN = shutil.which("ssh-keygen")
USER = pwd.getpwuid(os.getuid()).pw_name

#: For a module whose servers are real ones.
MAY_LOG_IN = [
    pytest.mark.skipif(KEYGEN is None, reason="ssh-keygen is not installed"),
    pytest.mark.skipif(os.getuid() != 0, reason="a server that logs others in runs as root"),
]
needs_sshd = pytest.mark.skipif(SSHD is None, reason="sshd is not installed")
needs_dropbear = pytest.mark.skipif(DROPBEAR is None, reason="dropbear is not installed")
#: What a fixture is given that starts one after the other: ``STARTS`` says how.
EITHER = [pytest.param("sshd", marks=needs_sshd), pytest.param("dropbear", marks=needs_dropbear)]


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and how it is reached with a key that only this test has."""

    port: int
    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "user_key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def reach(self, **more: Any) -> Mapping[str, Any]:
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={self.known_hosts}",
            **more,
        }


def make_keys(folder: Path) -> None:
    for name, kind in (("user_key", "ed25519"), ("host_ed25519", "ed25519"), ("host_rsa", "rsa")):
        command = [KEYGEN or "", "-q", "-t", kind, "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, capture_output=True)
    public = (folder / "host_ed25519.pub").read_text().split()
    (folder / "host_line").write_text(" ".join(public[:2]) + "\n")
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    (folder / "authorized_keys").chmod(0o600)


def knows(server: Server) -> None:
    line = (server.folder / "host_line").read_text()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {line}")


@contextlib.contextmanager
def sshd(folder: Path, *lines: str, inside: Sequence[str] = ()) -> Iterator[Server]:
    """OpenSSH, with its own config; ``inside`` is a command that it is started through."""
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(
        "\n".join(
            (
                *lines,
                f"Port {port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {folder}/host_ed25519",
                f"HostKey {folder}/host_rsa",
                f"AuthorizedKeysFile {folder}/authorized_keys",
                "PidFile none",
                "UsePAM no",
                "StrictModes no",
                "PermitRootLogin yes",
                "PasswordAuthentication no",
                "MaxStartups 100",
                "",
            )
        )
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with _running([*inside, SSHD or "", "-D", "-e", "-f", str(config)], port, folder):
        server = Server(port, folder)
        knows(server)
        yield server


@contextlib.contextmanager
def dropbear(folder: Path) -> Iterator[Server]:
    """Dropbear; its keys are where the account's home is said to be."""
    port = _free_port()
    convert = shutil.which("dropbearconvert") or "/usr/lib/dropbear/dropbearconvert"
    pem = folder / "host_pem"
    shutil.copy(folder / "host_ed25519", pem)
    made = folder / "dropbear_host"
    subprocess.run(
        [convert, "openssh", "dropbear", str(pem), str(made)], check=True, capture_output=True
    )
    # it looks for keys in the account's home: in a mount namespace, ours is laid over that
    home = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh"
    laid = f"mount --bind {folder} {home} && exec {DROPBEAR} -F -E -m -r {made} -p 127.0.0.1:{port}"
    home.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    with _running(["unshare", "-m", "sh", "-c", laid], port, folder):
        server = Server(port, folder)
        knows(server)
        yield server


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    with (folder / f"log-{port}").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(process, port, folder / f"log-{port}")
            yield
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise AssertionError(f"the server ended: {log.read_text()}")
        if b"listening on 127.0.0.1" in log.read_bytes():  # OpenSSH; it may be out of our reach
            return
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("the server does not listen")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


STARTS: Mapping[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "sshd": sshd,
    "dropbear": dropbear,
}
