"""TP-Link's cgi firmware and Omada controllers that answer with something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.device.http import transaction
from compiler.device.http.lease import leased
from compiler.device.http.textbook import Key
from compiler.device.http.way import web_way
from compiler.device.job import Result, State
from compiler.device.reach import Way
from compiler.embedded.sites.cgi import Cgi, md5
from compiler.embedded.sites.interface import Reply, Request, Stored
from compiler.embedded.sites.omada import Omada
from compiler.errors import TransportError
from compiler.model.finding import Code
from tests.device.http_support import (
    PASSWORD,
    QUICK,
    Answer,
    Asked,
    Server,
    certificate,
    codes,
    serve,
    shown,
    told,
)

PAGE = told(b"<!DOCTYPE html><html><body>Log in</body></html>", kind="text/html")
KIND: dict[str, Any] = {
    "username": "user", "password": PASSWORD, "encrypted": False, "kind": "cgi"
}  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "_AT_WORK", 0.05)


class Instead:
    """An embedded interface; a test replaces the answers to what holds a word."""

    def __init__(self, site: Stored, given: Mapping[str, Answer]) -> None:
        self.site = site
        self.given = given

    def __call__(self, asked: Asked) -> Answer:
        before = len(self.site.requests)
        request = Request(asked.method, asked.path, asked.headers, asked.body)
        reply: Reply = self.site.answer(request)  # type: ignore[attr-defined] # of what is stored
        seen = [*self.site.requests[before:], ""][0]
        for word, answer in self.given.items():
            if seen.endswith(word):
                return answer
        if isinstance(reply.body, bytes):
            return reply.status, {"Content-Type": reply.kind, **reply.headers}, reply.body
        return told(reply.body, reply.status, **reply.headers)


def js(**variables: str) -> Answer:
    text = "".join(f'var {name}="{value}";\n' for name, value in variables.items())
    return told(f"{text}$.ret=0;".encode(), kind="text/html")


def ret(code: int, more: str = "") -> Answer:
    return told(f"$.ret={code};{more}".encode(), kind="text/html")


KEY = {"ee": "010001", "nn": "C" * 127 + "D", "seq": "7"}
PARAMETERS, BUSY, LOGIN, GO = "/getGDPRParm", "/getBusy", "/cgi/login", "go DEV2_ALG_CFG"
CGI = [
    pytest.param(
        {PARAMETERS: told(b"", 404)}, State.REFUSED, Code.S819, "an older kind", id="older"
    ),
    pytest.param(
        {PARAMETERS: told({"eccPubKey_X_HEX": "00", "ret": 0})},
        State.REFUSED, Code.S819, "elliptic curve", id="newest",
    ),
    pytest.param({PARAMETERS: told(b"", 406)}, State.REFUSED, Code.S808, "406", id="406"),
    pytest.param({PARAMETERS: PAGE}, State.REFUSED, Code.S808, "web page", id="page"),
    pytest.param({PARAMETERS: js(seq="7")}, State.REFUSED, Code.S808, "no RSA key", id="no key"),
    pytest.param(
        {PARAMETERS: js(**{**KEY, "nn": "CD"})}, State.REFUSED, Code.S808, "no RSA key", id="tiny"
    ),
    pytest.param(
        {PARAMETERS: js(**{**KEY, "seq": "x"})}, State.REFUSED, Code.S808, "sequence", id="no seq"
    ),
    pytest.param(
        {BUSY: js(isLogined="1", isBusy="0")}, State.REFUSED, Code.S854, "somebody", id="busy"
    ),
    pytest.param({BUSY: told(b"", 404)}, State.REFUSED, Code.S808, "HTTP 404", id="not said"),
    pytest.param({BUSY: js(x="y")}, State.REFUSED, Code.S808, "whether somebody", id="no word"),
    pytest.param({LOGIN: ret(71233)}, State.UNREACHABLE, Code.S804, "71233", id="wrong"),
    pytest.param(
        {LOGIN: ret(71233, "var currAuthTimes=5;\nvar currForbidTime=600;")},
        State.UNREACHABLE, Code.S855, "for 600 s", id="locked",
    ),
    pytest.param({LOGIN: ret(71234)}, State.REFUSED, Code.S808, "71234", id="not understood"),
    pytest.param({LOGIN: told(b"", 403)}, State.UNREACHABLE, Code.S804, "refuses", id="403"),
    pytest.param({LOGIN: told(b"QUJD")}, State.REFUSED, Code.S808, "opened", id="sealed otherwise"),
    pytest.param({LOGIN: ret(0)}, State.REFUSED, Code.S808, "no session", id="no cookie"),
    pytest.param(
        {LOGIN: (200, {"Set-Cookie": "JSESSIONID=deleted"}, b"$.ret=0;")},
        State.REFUSED, Code.S808, "no session", id="deleted",
    ),
    pytest.param({"/": PAGE}, State.REFUSED, Code.S808, "no token", id="no token"),
    pytest.param({GO: told(b"", 406)}, State.REFUSED, Code.S854, "ended this", id="kicked"),
    pytest.param({GO: PAGE}, State.REFUSED, Code.S854, "ended this", id="log-in page"),
    pytest.param({GO: told(b"QUJDRA==")}, State.REFUSED, Code.S808, "opened", id="truncated"),
    pytest.param({GO: told(b"")}, State.REFUSED, Code.S808, "opened", id="empty"),
]  # fmt: skip


def push_cgi(given: Mapping[str, Answer], site: Cgi | None = None) -> tuple[Result, list[str]]:
    made = site or Cgi(KIND)
    with serve(Instead(made, given)) as server:
        return server.push("cgi"), made.requests


@pytest.mark.parametrize(("given", "state", "code", "message"), CGI)
def test_cgi_that_answers_otherwise(
    given: dict[str, Answer], state: State, code: Code, message: str
) -> None:
    result, requests = push_cgi(given)
    assert (result.state, codes(result)) == (state, [code])
    assert message in result.findings[0].message
    assert requests.count("cgi /cgi/login") <= 1
    assert "so DEV2_ALG_CFG" not in requests


def test_a_lock_that_nobody_holds() -> None:
    """A session that ended can leave isBusy behind."""
    result, _ = push_cgi({BUSY: js(isLogined="0", isBusy="1")})
    assert result.state is State.CHANGED


def test_a_session_that_is_there_is_left_there() -> None:
    """Nothing but that question is asked; and a log-in that fails half-way is ended."""
    made = Cgi(KIND)
    made._cookie = "abc"
    result, requests = push_cgi({}, made)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S854])
    assert requests == ["/cgi/getGDPRParm", "/cgi/getBusy"]
    assert made._cookie == "abc"
    with serve(Instead(Cgi(KIND), {"/": PAGE})) as server:
        server.push("cgi")
    assert [asked.path for asked in server.asked][-2:] == ["/", "/cgi_gdpr?9"]


def test_cgi_writes_that_are_refused_or_end_the_session() -> None:
    object_ = {"operation": "so", "oid": "DEV2_ALG_CFG", "success": False, "errorcode": 9007}
    made = Cgi(KIND)

    def stubborn(act: dict[str, Any]) -> dict[str, Any]:
        return object_ if act["operation"] == "so" else Cgi._act(made, act)

    made._act = stubborn  # type: ignore[method-assign]
    result, _ = push_cgi({}, made)
    assert (result.state, codes(result)) == (State.FAILED, [Code.S813])
    assert "9007" in result.findings[0].message
    result, requests = push_cgi({"so DEV2_ALG_CFG": told(b"", 406)})
    # it was stored, and nothing says so: what is there is read over whoever has come, and undone
    assert (result.state, codes(result)) == (State.ROLLED_BACK, [Code.S854])
    assert requests.count("/cgi/getBusy") == 2


class Vr(Cgi):
    """A VR1200v: it answers the log-in in the clear, and knows the account by its token then."""

    def _entered(self) -> bytes:
        return b"$.ret=0;"

    def _known(self) -> None:
        self._digest = md5(self._username + self._token)


def test_firmware_that_knows_the_account_by_its_token() -> None:
    made = Vr(KIND)
    result, requests = push_cgi({}, made)
    assert (result.state, codes(result)) == (State.CHANGED, [])
    assert requests[-1] == "cgi /cgi/logout"
    assert made.settings["pptpAlg"] == "0"


@pytest.mark.parametrize(("kind", "speaks"), [("cgi", "cgi-gcm"), ("cgi-gcm", "cgi")])
def test_the_other_cipher(kind: str, speaks: str) -> None:
    """It costs one log-in that is not understood, and the message says what to state."""
    made = Cgi({**KIND, "kind": speaks})
    with serve(Instead(made, {})) as server:
        result = server.push(kind)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S808])
    assert "cipher: gcm" in result.findings[0].hint
    assert made.requests.count("cgi /cgi/login") == 1


def test_textbook_rsa_in_numbers() -> None:
    """Blocks are filled at their end; a key that cannot be one is refused."""
    modulus = (1 << 511) | 0x10001
    text = "h=" + "0" * 70
    sealed = Key(modulus, 3).seal(text)
    blocks = [text[:64].encode(), text[64:].encode().ljust(64, b"\0")]
    expected = [pow(int.from_bytes(block), 3, modulus) for block in blocks]
    assert [int(sealed[:128], 16), int(sealed[128:], 16)] == expected
    assert len(sealed) == 256
    for numbers in ((modulus >> 1, 3), (modulus - 1, 3), (modulus, 1), (15, 3), (1 << 9000, 3)):
        with pytest.raises(ValueError, match="this is no"):
            Key(*numbers)


@pytest.fixture
def pem(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, "controller")


def push_omada(
    pem: tuple[Path, Path], given: Mapping[str, Answer], **more: Any
) -> tuple[Result, list[str], Server]:
    made = Omada({**KIND, "username": "admin"})
    secure: dict[str, Any] = {"passthru_https": True, "passthru_https_fingerprint": shown(pem)}
    with serve(Instead(made, given), pem) as server:
        return server.push("omada", **secure, **more), made.requests, server


def said(result: Any, code: int = 0, message: str = "Success.") -> Answer:
    return told({"errorCode": code, "msg": message, "result": result})


SITES = {"totalRows": 2, "data": [{"name": n, "id": n.lower()} for n in ("Berlin", "Wien")]}
OMADA = [
    pytest.param(
        {"/info": said({"controllerVer": "4.4.6"})}, State.REFUSED, Code.S819, "version 5", id="old"
    ),
    pytest.param(
        {"/info": said({"omadacId": "../x"})}, State.REFUSED, Code.S808, "no id", id="odd id"
    ),
    pytest.param({"/info": PAGE}, State.REFUSED, Code.S808, "web page", id="page"),
    pytest.param({"/info": told(b"", 302)}, State.REFUSED, Code.S808, "redirects", id="302"),
    pytest.param(
        {"/info": said(None, -1, "General error.")}, State.REFUSED, Code.S808, "General", id="info"
    ),
    pytest.param(
        {"login": said(None, -30109, "Invalid username or password.")},
        State.UNREACHABLE, Code.S804, "-30109", id="wrong",
    ),
    pytest.param(
        {"login": said(None, -30000, "The account is locked.")},
        State.UNREACHABLE, Code.S855, "locked", id="locked",
    ),
    pytest.param({"login": said({})}, State.UNREACHABLE, Code.S804, "no token", id="no token"),
    pytest.param(
        {"login": said({"token": "ž\r\n"})}, State.UNREACHABLE, Code.S804, "no token", id="odd"
    ),
    pytest.param({"sites": said(SITES)}, State.REFUSED, Code.S809, "is not set", id="two sites"),
    pytest.param(
        {"sites": said({"totalRows": 1, "data": [{"name": ["x"], "id": "../x"}]})},
        State.REFUSED, Code.S809, "", id="odd site",
    ),
    pytest.param({"sites": said([])}, State.REFUSED, Code.S808, "no result", id="no list"),
    pytest.param(
        {"sites": said({"totalRows": 9, "data": []})}, State.REFUSED, Code.S809, "", id="no sites"
    ),
    pytest.param({"sites": told(b"", 302)}, State.REFUSED, Code.S854, "ended", id="no session"),
    pytest.param({"/alg": PAGE}, State.REFUSED, Code.S854, "ended", id="log-in page"),
    pytest.param(
        {"/alg": said(None, -1200, "x")}, State.REFUSED, Code.S854, "ended", id="timed out"
    ),
    pytest.param(
        {"/alg": said(None, -1005, "x")}, State.REFUSED, Code.T407, "-1005", id="forbidden"
    ),
    pytest.param(
        {"/alg": told({"errorCode": [0], "result": {}})}, State.REFUSED, Code.T407, "", id="code"
    ),
    pytest.param({"/alg": told(b"{")}, State.REFUSED, Code.S808, "no JSON", id="truncated"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "state", "code", "message"), OMADA)
def test_omada_that_answers_otherwise(
    pem: tuple[Path, Path], given: dict[str, Answer], state: State, code: Code, message: str
) -> None:
    result, requests, _ = push_omada(pem, given)
    assert (result.state, codes(result)) == (state, [code])
    assert message in result.findings[0].message
    assert requests.count("POST login") <= 1
    assert not any(request.startswith("PUT") for request in requests)
    entered = "login" not in given and "POST login" in requests
    assert (requests[-1] == "POST logout") is entered


def test_omada_sites_by_name(pem: tuple[Path, Path]) -> None:
    """The one that is meant, and never one of two that have its name."""
    other, _, _ = push_omada(pem, {"sites": said(SITES)}, passthru_site="Graz")
    assert (other.state, codes(other)) == (State.REFUSED, [Code.S809])
    assert other.findings[0].hint == "the account sees: Berlin, Wien"
    twice = {"totalRows": 2, "data": [{"name": "Wien", "id": number} for number in "12"]}
    both, _, _ = push_omada(pem, {"sites": said(twice)}, passthru_site="Wien")
    assert (both.state, codes(both)) == (State.REFUSED, [Code.S809])
    result, requests, server = push_omada(pem, {}, passthru_site="Default")
    assert result.state is State.CHANGED
    assert requests.count("GET sites") == 3
    bodies = [
        asked.headers.get("content-length") for asked in server.asked if asked.method == "GET"
    ]
    assert set(bodies) == {None}


def test_omada_without_https_is_sent_nothing() -> None:
    with serve(Instead(Omada(KIND), {})) as server:
        result = server.push("omada")
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S809])
    assert server.asked == []


def test_omada_refuses_a_write(pem: tuple[Path, Path]) -> None:
    def answer(asked: Asked) -> Answer:
        refused = said(None, -1001, "Invalid request parameters.")
        return refused if asked.method == "PUT" else usual(asked)

    made = Omada({**KIND, "username": "admin"})
    usual = Instead(made, {})
    secure: dict[str, Any] = {"passthru_https": True, "passthru_https_fingerprint": shown(pem)}
    with serve(answer, pem) as server:
        result = server.push("omada", **secure)
        put = next(json.loads(a.body) for a in server.asked if a.method == "PUT")
    assert (result.state, codes(result)) == (State.FAILED, [Code.S813])
    assert "errorCode -1001" in result.findings[0].message
    assert put == {**made.settings, "pptp": False}


def test_every_site_is_a_router_of_its_own() -> None:
    """Two pushes to one controller do not hinder each other; two to one site do."""
    reach = {"ansible_host": "192.0.2.1", "ansible_password": "x", "passthru_http_direct": True}
    scripts: list[str] = []

    def run(script: str, _: float) -> None:
        scripts.append(script)
        raise TransportError.of(Code.S801, "no command runs here")

    session: Any = SimpleNamespace(shell=SimpleNamespace(run=run))
    for site in ("a", "b", "b"):
        way = web_way(site, {**reach, "passthru_site": site})
        with leased(session, Way("here", "", local=True), way, QUICK, lambda _: None):
            pass
    names = [re.findall(r"passthru-[0-9a-f]{16}", script)[0] for script in scripts]
    assert [name == names[0] for name in names] == [True, False, False]
    assert names[1] == names[2]
