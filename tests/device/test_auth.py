"""How a key signs: at once where the server is known to take that, else after its answer."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.common import MSG_NAMES

from compiler.device.auth import may_sign_at_once
from compiler.device.packets import Packets
from compiler.device.reach import way_of
from compiler.device.session import Session
from compiler.errors import PassthruError
from compiler.model.finding import Code
from tests.device import servers
from tests.device.servers import Server

pytestmark = servers.MAY_LOG_IN


@pytest.fixture(scope="module", params=servers.EITHER)
def server(
    request: pytest.FixtureRequest, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that lets the key of every kind in."""
    folder = tmp_path_factory.mktemp("server") / "keys"
    shutil.copytree(keys, folder)
    made = {
        "rsa": paramiko.RSAKey.generate(2048),
        "ecdsa": paramiko.ECDSAKey.generate(),
        "strange": paramiko.ECDSAKey.generate(),
    }
    for name, key in made.items():
        key.write_private_key_file(str(folder / name))
    with (folder / "authorized_keys").open("a") as file:
        for name in ("rsa", "ecdsa"):
            file.write(f"{made[name].get_name()} {made[name].get_base64()}\n")
    with servers.STARTS[request.param](folder) as found:
        yield found


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """The messages of the log-in; what is heard of the service waits until a key has signed.

    So many seconds, where a test says how many; who waits for that answer never gets one that has.
    """
    told: list[str] = []
    signed = threading.Event()
    send, read = Packets.send_message, Packets.read_message

    def sent(self: Packets, message: Any) -> None:
        told.append(f"> {MSG_NAMES[message.asbytes()[0]]}")
        if told[-1] == "> userauth-request":
            signed.set()
        send(self, message)

    def heard(self: Packets) -> Any:
        kind, message = read(self)
        if MSG_NAMES[kind] == "service-accept":
            signed.wait(getattr(request, "param", 10))
        told.append(f"< {MSG_NAMES[kind]}")
        return kind, message

    monkeypatch.setattr(Packets, "send_message", sent)
    monkeypatch.setattr(Packets, "read_message", heard)
    return told


def log_in(server: Server, key: str) -> None:
    reach = server.reach(ansible_ssh_private_key_file=str(server.folder / key))
    with Session(way_of("r1", reach), 20.0) as session:
        assert session.shell.run("echo in", 20)[""] == "in\n"


@pytest.mark.parametrize("key", ["user_key", "ecdsa"])
def test_the_signature_goes_with_the_request(server: Server, messages: list[str], key: str) -> None:
    log_in(server, key)
    assert messages.index("> userauth-request") < messages.index("< service-accept")
    assert messages.count("> userauth-request") == 1


@pytest.mark.parametrize("messages", [0], indirect=True)
def test_an_rsa_key_waits_for_what_the_server_says_of_signatures(
    server: Server, messages: list[str]
) -> None:
    log_in(server, "rsa")
    assert messages.index("> userauth-request") > messages.index("< service-accept")


def test_a_key_that_is_refused_is_said(server: Server, messages: list[str]) -> None:
    with pytest.raises(PassthruError) as caught:
        log_in(server, "strange")
    assert caught.value.findings[0].code is Code.S804
    assert "< userauth-failure" in messages


@pytest.mark.parametrize(
    ("greeting", "at_once"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", True),
        ("SSH-2.0-dropbear_2022.83", True),
        ("SSH-2.0-dropbear", True),
        ("SSH-2.0-ROSSSH", False),
        ("SSH-2.0-Cisco-1.25", False),
        ("SSH-2.0-not-OpenSSH", False),
        ("SSH-1.99-OpenSSH_3.0", False),
    ],
)
def test_servers_that_nobody_looked_into_are_waited_for(greeting: str, *, at_once: bool) -> None:
    assert may_sign_at_once(greeting, paramiko.ECDSAKey.generate()) is at_once
    assert not may_sign_at_once(greeting, paramiko.RSAKey.generate(1024))
