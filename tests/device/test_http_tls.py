"""HTTPS with certificates that routers sign for themselves, from here and through a real sshd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.device.http import certificates
from compiler.device.job import State
from compiler.model.finding import Code
from tests.device import servers
from tests.device.http_support import QUICK, Jnap, Server, certificate, codes, serve, shown
from tests.device.servers import sshd

ACCEPT = replace(QUICK, accept_new=True)
TLS: dict[str, Any] = {"passthru_https": True}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "passthru" / "known_certificates"


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Server]:
    with serve(Jnap(), certificate(tmp_path, "router")) as server:
        yield server


def test_an_unknown_certificate_is_refused(router: Server, home: Path) -> None:
    """Nothing is sent to it, the password least of all."""
    result = router.push("linksys", **TLS)
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S852])
    assert router.asked == []
    assert not home.exists()


def test_accepting_keeps_it_and_another_one_is_refused(
    router: Server, home: Path, tmp_path: Path
) -> None:
    assert router.push("linksys", ACCEPT, **TLS).state is State.CHANGED
    assert home.stat().st_mode & 0o777 == 0o600
    assert len(home.read_text().splitlines()) == 1
    assert router.push("linksys", **TLS).state is State.UNCHANGED
    known = home.read_text()
    with serve(Jnap(), certificate(tmp_path, "mallory")) as mallory:
        home.write_text(known.replace(f":{router.port} ", f":{mallory.port} "))
        result = mallory.push("linksys", ACCEPT, **TLS)
        assert mallory.asked == []
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S853])


def test_a_fingerprint_in_the_inventory(router: Server, home: Path, tmp_path: Path) -> None:
    """It counts alone, in any way of writing it."""
    printed = shown((tmp_path / "router.pem", tmp_path / "router.key"))
    for text in (printed, f"SHA256:{printed.replace(':', '').lower()}"):
        more = {**TLS, "passthru_https_fingerprint": text}
        assert router.push("linksys", **more).state in (State.CHANGED, State.UNCHANGED)
    asked = len(router.asked)
    wrong = {**TLS, "passthru_https_fingerprint": "00" * 32}
    result = router.push("linksys", ACCEPT, **wrong)
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S853])
    assert len(router.asked) == asked
    assert not home.exists()


def test_a_file_that_cannot_be_written(router: Server, home: Path) -> None:
    home.parent.parent.mkdir()
    home.parent.write_text("in the way")
    result = router.push("linksys", ACCEPT, **TLS)
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S852])
    assert router.asked == []


def test_https_where_there_is_none() -> None:
    with serve(Jnap()) as server:
        result = server.push("linksys", ACCEPT, **TLS)
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S801])
    assert "speaks no HTTPS" in result.findings[0].message


def test_http_where_there_is_https(router: Server) -> None:
    result = router.push("linksys")
    assert result.state is State.UNREACHABLE
    assert set(codes(result)) <= {Code.S806, Code.S807}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ab" * 32, f"SHA256:{'ab' * 32}"),
        (f"sha256 Fingerprint={':'.join(['AB'] * 32)}", f"SHA256:{'ab' * 32}"),
        (f"SHA256:{'ab' * 32}", f"SHA256:{'ab' * 32}"),
        (f" {'ab' * 32} ", f"SHA256:{'ab' * 32}"),
        ("ab" * 20, ""),
        ("", ""),
        ("x" * 64, ""),
    ],
)
def test_ways_to_write_a_fingerprint(text: str, found: str) -> None:
    assert certificates.normal(text) == found


@pytest.mark.skipif(servers.SSHD is None or servers.KEYGEN is None, reason="no OpenSSH server")
@pytest.mark.skipif(os.getuid() != 0, reason="a server that logs others in runs as root")
@pytest.mark.parametrize("command", [None, "/bin/false"])
def test_through_a_real_sshd(router: Server, keys: Path, command: str | None) -> None:
    """TLS over a channel; a bastion that only forwards gives no lease, which is said."""
    lines = [f"ForceCommand {command}"] if command else []
    with sshd(keys, *lines) as bastion:
        via = {"name": "bastion", **bastion.reach()}
        more = {**TLS, "passthru_via": via, "passthru_http_direct": False}
        result = router.push("linksys", ACCEPT, **more)
        assert result.state is State.CHANGED
        assert codes(result) == ([Code.S856] if command else [])
        assert router.push("linksys", **more).state is State.UNCHANGED
    assert not list(Path("/tmp").glob("passthru-*.lease.*"))  # noqa: S108 - where leases lie
