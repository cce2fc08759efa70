"""Sessions with a real OpenSSH and a real dropbear."""

from __future__ import annotations

import contextlib
import logging
import pickle
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from compiler.device.reach import Way, way_of
from compiler.device.session import Session
from compiler.errors import PassthruError
from compiler.model.finding import Code, Place
from compiler.source.secrets import Origin, Secret
from tests.device import servers
from tests.device.servers import Server, needs_sshd, sshd

pytestmark = servers.MAY_LOG_IN


@pytest.fixture(scope="module", params=servers.EITHER)
def server(request: pytest.FixtureRequest, keys: Path) -> Iterator[Server]:
    with servers.STARTS[request.param](keys) as found:
        yield found


def session(server: Server, timeout: float = 20.0, **more: Any) -> AbstractContextManager[Session]:
    return Session(way_of("r1", server.reach(**more)), timeout)


def refused(way: Way, **more: Any) -> PassthruError:
    with pytest.raises(PassthruError) as caught:
        Session(way, 20.0, **more).open()
    return caught.value


def code(error: PassthruError) -> Code:
    return error.findings[0].code


def test_scripts_run_and_say_how_they_ended(server: Server) -> None:
    with session(server) as found:
        for number in range(3):
            answer = found.shell.run(f"echo out; echo err >&2; mark x; exit {number}", 20)
            assert (answer.status, answer[""], answer.err) == (number, "out\n", "err\n")


def test_megabytes_either_way(server: Server) -> None:
    text = "0123456789abcde\n" * 100_000
    with session(server) as found:
        answer = found.shell.run(f"cat <<'END'\n{text}END\necho on err >&2", 120)
    assert answer[""] == text
    assert answer.err == "on err\n"


def test_errors_alone_do_not_stop_the_line(server: Server) -> None:
    """More on standard error than the window of a channel, and nothing on standard output."""
    script = "n=0; while [ $n -lt 60000 ]; do n=$((n + 1)); echo 0123456789012345678901234567890123456789012345678 >&2; done"  # noqa: E501
    with session(server) as found:
        assert len(found.shell.run(script, 120).err) == 3_000_000


def test_an_unknown_host_key_is_refused_until_it_is_accepted(
    server: Server, tmp_path: Path
) -> None:
    known = tmp_path / "a folder" / "known"
    arguments = f"-F none -o 'UserKnownHostsFile=\"{known}\"'"
    way = way_of("r1", server.reach(ansible_ssh_common_args=arguments))
    assert code(refused(way)) is Code.S802
    assert not known.exists()
    with Session(way, 20.0, accept_new=True) as found:
        assert found.shell.run("echo in", 20)[""] == "in\n"
    line = known.read_text()
    assert line.startswith(f"[127.0.0.1]:{server.port} ssh-")
    with Session(way, 20.0) as found:
        assert found.shell.run("echo in", 20)[""] == "in\n"
    assert known.read_text() == line


def test_a_changed_host_key_is_refused_even_with_accept_new(server: Server, tmp_path: Path) -> None:
    other = (server.folder / "user_key.pub").read_text().split()[:2]
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{server.port} {' '.join(other)}\n")
    arguments = f"-F none -o UserKnownHostsFile={known} -o StrictHostKeyChecking=no"
    way = way_of("r1", server.reach(ansible_ssh_common_args=arguments))
    assert code(refused(way, accept_new=True)) is Code.S803


def test_a_known_rsa_key_is_asked_for(keys: Path, tmp_path: Path) -> None:
    """The server would show its ed25519 key first; only its RSA key is known."""
    if servers.SSHD is None:
        pytest.skip("sshd is not installed")
    public = (keys / "host_rsa.pub").read_text().split()[:2]
    known = tmp_path / "known"
    with sshd(keys) as server:
        known.write_text(f"[127.0.0.1]:{server.port} {' '.join(public)}\n")
        arguments = f"-F none -o UserKnownHostsFile={known}"
        with session(server, ansible_ssh_common_args=arguments) as found:
            assert found.shell.run("echo in", 20)[""] == "in\n"


def test_a_wrong_password_is_not_shown_anywhere(
    server: Server, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "s3cret-pass-phrase"
    caplog.set_level(logging.DEBUG)
    way = way_of("r1", server.reach(ansible_ssh_private_key_file=None, ansible_password=secret))
    error = refused(way)
    assert code(error) is Code.S804
    assert secret not in repr(way) + str(error) + repr(error) + caplog.text + str(
        capfd.readouterr()
    )


def test_a_secret_is_opened_where_the_job_runs(server: Server, tmp_path: Path) -> None:
    place = Place(str(tmp_path / "hosts.yml"))
    reach = {**server.reach(), "ansible_password": Secret(Origin.ENVIRONMENT, "PASSTHRU_NO", place)}
    way = way_of("r1", pickle.loads(pickle.dumps(reach)))  # noqa: S301 - our own
    assert code(refused(way)) is Code.V305


def test_through_another_host(server: Server) -> None:
    """passthru_via as the variables of an inventory host, and as ssh -J takes it."""
    here = f"{servers.USER}@127.0.0.1:{server.port}"
    by_mapping = session(server, passthru_via={"name": "bastion", **server.reach()})
    known = f"-F none -o UserKnownHostsFile={server.known_hosts}"
    with by_mapping as found:
        assert len(found._hops) == 2
        assert found.shell.run("echo there", 20)[""] == "there\n"
    way = way_of("r1", server.reach(ansible_ssh_common_args=f"{known} -J {here}"))
    assert [hop.port for hop in way.via] == [server.port]


def test_through_a_command(server: Server) -> None:
    proxy = f"-o ProxyCommand='busybox nc %h {server.port}'"
    known = f"-F none -o UserKnownHostsFile={server.known_hosts}"
    arguments = f"{known} {proxy}"
    with session(server, ansible_ssh_common_args=arguments) as found:
        assert found.shell.run("echo there", 20)[""] == "there\n"


def test_an_ssh_config_is_followed(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host router-alias\n  HostName 127.0.0.1\n  Port {server.port}\n  User {servers.USER}\n"
        f"  IdentityFile {server.key}\n  UserKnownHostsFile {server.known_hosts}\n"
    )
    way = way_of("router-alias", {"ansible_ssh_common_args": f"-F {config}"})
    assert (way.address, way.port, way.user) == ("127.0.0.1", server.port, servers.USER)
    with Session(way, 20.0) as found:
        assert found.shell.run("echo there", 20)[""] == "there\n"


@needs_sshd
@pytest.mark.parametrize(
    "line",
    [
        "KexAlgorithms diffie-hellman-group14-sha1",
        "HostKeyAlgorithms ssh-rsa",
        "Ciphers aes128-cbc",
        "MACs hmac-md5",
    ],
)
def test_old_algorithms_are_spoken_on_request_only(keys: Path, line: str, tmp_path: Path) -> None:
    public = (keys / "host_rsa.pub").read_text().split()[:2]
    with sshd(keys, line) as server:
        known = tmp_path / "known"
        both = server.known_hosts.read_text()
        known.write_text(f"[127.0.0.1]:{server.port} {' '.join(public)}\n{both}")
        arguments = f"-F none -o UserKnownHostsFile={known}"
        error = refused(way_of("r1", server.reach(ansible_ssh_common_args=arguments)))
        assert code(error) is Code.S805
        assert "passthru_ssh_legacy" in error.findings[0].hint
        reach = server.reach(ansible_ssh_common_args=arguments, passthru_ssh_legacy=True)
        with Session(way_of("r1", reach), 20.0) as found:
            assert found.shell.run("echo old", 20)[""] == "old\n"


def test_a_key_that_is_missing_or_locked_is_said(server: Server, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("no key\n")
    way = way_of("r1", server.reach(ansible_ssh_private_key_file=str(broken)))
    assert code(refused(way)) is Code.S804


def test_with_neither_key_nor_password_the_accounts_own_keys_are_tried(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    shutil.copy(server.key, tmp_path / ".ssh" / "id_ed25519")
    with session(server, ansible_ssh_private_key_file=None) as found:
        assert found.shell.run("echo there", 20)[""] == "there\n"
    (tmp_path / ".ssh" / "id_ed25519").unlink()
    error = refused(way_of("r1", server.reach(ansible_ssh_private_key_file=None)))
    assert code(error) is Code.S804
    assert "nothing to log in" in str(error)


@needs_sshd
def test_an_account_without_a_shell_is_said(keys: Path) -> None:
    with sshd(keys, "ForceCommand echo 'menu only'; exit 1") as server, session(server) as found:
        with pytest.raises(PassthruError) as caught:
            found.shell.run("echo", 20)
        assert code(caught.value) is Code.S808
        assert "menu only" in str(caught.value)


@needs_sshd
def test_a_banner_and_a_chatty_login_disturb_nothing(keys: Path, tmp_path: Path) -> None:
    banner = tmp_path / "banner"
    banner.write_text("passthru_run() { echo hacked; }\n" * 20)
    with sshd(keys, f"Banner {banner}") as server, session(server) as found:
        assert found.shell.run("echo ok", 20)[""] == "ok\n"


def test_no_server_is_unreachable(server: Server) -> None:
    way = way_of("r1", server.reach(ansible_port=1))
    assert code(refused(way)) is Code.S801
    assert code(refused(way_of("r1", server.reach(ansible_host="host.invalid")))) is Code.S801


def test_the_netmiko_filter_does_not_pile_up(server: Server) -> None:
    """Netmiko adds one log filter for each connection."""
    log = logging.getLogger("netmiko")
    with session(server) as found:
        found.shell.run("echo", 20)
    before = len(log.filters)
    with contextlib.suppress(PassthruError), session(server, ansible_host="host.invalid"):
        pass
    with session(server) as found:
        found.shell.run("echo", 20)
    assert len(log.filters) == before


def test_the_machine_itself() -> None:
    with Session(way_of("here", {"ansible_connection": "local"}), 20.0) as found:
        assert found.shell.run("echo here; exit 4", 20).status == 4


@needs_sshd
@pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed")
def test_another_user_by_sudo(keys: Path) -> None:
    with (
        sshd(keys) as server,
        session(server, ansible_become=True, ansible_become_user="nobody") as s,
    ):
        assert s.shell.run("id -un", 20)[""] == "nobody\n"


_ASKS = """#!/bin/sh
# Stands for a sudo that asks: -k -S -p PROMPT -u USER -- COMMAND...
[ "$1$2$3" = -k-S-p ] || exit 9
printf '%s' "$4" >&2
read -r given
[ "$given" = right ] || { printf '%s' "$4" >&2; read -r given; exit 1; }
shift 7
exec "$@"
"""


@needs_sshd
@pytest.mark.parametrize("asks", ["asks", "is free"])
def test_a_sudo_password_is_given_when_it_is_asked_for(
    keys: Path, tmp_path: Path, asks: str
) -> None:
    """Where sudo asks for none, the shell must not be given it as a command."""
    free = asks == "is free"
    tool = tmp_path / "sudo"
    tool.write_text('#!/bin/sh\nshift 7\nexec "$@"\n' if free else _ASKS)
    tool.chmod(0o755)
    path = f"SetEnv PATH={tmp_path}:/usr/bin:/bin"
    asked: dict[str, Any] = {"ansible_become": True, "ansible_become_password": "right"}
    with sshd(keys, path) as server:
        with session(server, **asked) as found:
            answer = found.shell.run("echo in", 20)
            assert (answer[""], answer.err) == ("in\n", "")
        if not free:
            asked["ansible_become_password"] = "wr0ng-one"
            with session(server, **asked) as found, pytest.raises(PassthruError) as caught:
                found.shell.run("echo in", 20)
            assert code(caught.value) is Code.S804
            assert "wr0ng-one" not in str(caught.value)
