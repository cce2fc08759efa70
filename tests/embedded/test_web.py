"""The web interfaces, by clients that follow the public descriptions of their log-ins."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from compiler.embedded import (
    DropLine,
    EmbeddedError,
    EmbeddedFleet,
    EmbeddedHttp,
    ReadOnlyFlash,
    Refuse,
)
from tests.embedded.support import client

HNAP = "http://purenetworks.com/HNAP1/"
JNAP = "http://linksys.com/jnap/"


def post(
    site: EmbeddedHttp, path: str, body: str, headers: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Post; give status, body and cookie."""
    line = http.client.HTTPConnection(site.host, site.port, timeout=20)
    try:
        line.request("POST", path, body, dict(headers or {}))
        answer = line.getresponse()
        text = answer.read().decode()
        return answer.status, text, answer.getheader("Set-Cookie", "").partition(";")[0]
    finally:
        line.close()


def seal(text: bytes, public: list[str]) -> str:
    """PKCS #1 v1.5, as browsers do it with big integers."""
    modulus, exponent = (int(part, 16) for part in public)
    size = (modulus.bit_length() + 7) // 8
    found = ""
    for at in range(0, len(text), size - 11):
        part = text[at : at + size - 11]
        fill = bytes(1 + secrets.randbelow(255) for _ in range(size - 3 - len(part)))
        block = b"\0\2" + fill + b"\0" + part
        found += pow(int.from_bytes(block), exponent, modulus).to_bytes(size).hex()
    return found


def luci(site: EmbeddedHttp, stok: str, page: str, body: str, cookie: str = "") -> Any:
    path = f"/cgi-bin/luci/;stok={stok}/{page}"
    status, text, given = post(site, path, body, {"Cookie": cookie} if cookie else {})
    return status, json.loads(text) if text else None, given


def login(site: EmbeddedHttp, password: str) -> tuple[str, str]:
    _, keys, _ = luci(site, "", "login?form=keys", "operation=read")
    sealed = seal(password.encode(), keys["data"]["password"])
    body = urlencode({"operation": "login", "username": "admin", "password": sealed})
    _, answer, cookie = luci(site, "", "login?form=login", body)
    return (answer["data"]["stok"], cookie) if answer["success"] else ("", "")


@pytest.fixture(scope="module")
def tplink(fleet: EmbeddedFleet) -> EmbeddedHttp:
    return fleet.add_http("tplink", password="s3cret & co")


def test_tplink_reads_and_writes_the_whole_form(tplink: EmbeddedHttp) -> None:
    stok, cookie = login(tplink, tplink.password)
    page = "admin/nat?form=alg"
    _, answer, _ = luci(tplink, stok, page, "operation=read", cookie)
    assert answer["data"]["pptp"] == "on"
    body = urlencode({"operation": "write", **answer["data"], "l2tp": "off"})
    assert luci(tplink, stok, page, body, cookie)[1]["data"]["l2tp"] == "off"
    assert tplink.state()["settings"]["l2tp"] == "off"
    part = luci(tplink, stok, page, "operation=write&pptp=off", cookie)[1]
    assert part["success"] is False
    assert tplink.state()["writes"] == 1


def test_tplink_lets_nobody_in_without_the_password(tplink: EmbeddedHttp) -> None:
    """And one administrator at a time: a new log-in ends the old one."""
    assert login(tplink, "wrong") == ("", "")
    assert luci(tplink, "", "admin/nat?form=alg", "operation=read")[0] == 403
    stok, cookie = login(tplink, tplink.password)
    assert luci(tplink, stok, "admin/nat?form=alg", "operation=read")[0] == 403
    login(tplink, tplink.password)
    assert luci(tplink, stok, "admin/nat?form=alg", "operation=read", cookie)[0] == 403


class Sealed:
    """A client of firmware that takes requests in AES only."""

    def __init__(self, site: EmbeddedHttp) -> None:
        self.site = site
        self.key, self.vector = os.urandom(8).hex().encode(), os.urandom(8).hex().encode()
        _, keys, _ = luci(site, "", "login?form=keys", "operation=read")
        _, auth, _ = luci(site, "", "login?form=auth", "operation=read")
        self.auth = auth["data"]
        self.stok = self.cookie = ""
        password = seal(site.password.encode(), keys["data"]["password"])
        status, answer, cookie = self.ask(
            "login?form=login", f"operation=login&password={password}&confirm=true"
        )
        assert status == 200
        self.stok, self.cookie = answer["data"]["stok"], cookie

    def ask(self, page: str, plain: str, wrong: int = 0) -> Any:
        cipher = Cipher(algorithms.AES(self.key), modes.CBC(self.vector))
        padder, encryptor = padding.PKCS7(128).padder(), cipher.encryptor()
        padded = padder.update(plain.encode()) + padder.finalize()
        data = base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
        digest = hashlib.md5(f"admin{self.site.password}".encode()).hexdigest()  # noqa: S324 - the protocol
        signed = f"h={digest}&s={self.auth['seq'] + len(data) + wrong}"
        if not self.stok:
            signed = f"k={self.key.decode()}&i={self.vector.decode()}&{signed}"
        body = urlencode({"sign": seal(signed.encode(), self.auth["key"]), "data": data})
        status, answer, cookie = luci(self.site, self.stok, page, body, self.cookie)
        if status != 200:
            return status, None, ""
        decryptor, unpadder = cipher.decryptor(), padding.PKCS7(128).unpadder()
        opened = decryptor.update(base64.b64decode(answer["data"])) + decryptor.finalize()
        text = unpadder.update(opened) + unpadder.finalize()
        return status, json.loads(text), cookie


def test_tplink_with_sealed_requests(fleet: EmbeddedFleet) -> None:
    site = fleet.add_http("tplink", password="pw", encrypted=True)
    session = Sealed(site)
    page = "admin/nat?form=alg"
    settings = session.ask(page, "operation=read")[1]["data"]
    session.ask(page, urlencode({"operation": "write", **settings, "ipsec": "off"}))
    assert site.state()["settings"] == {**settings, "ipsec": "off"}
    assert session.ask(page, "operation=read", wrong=1)[0] == 403
    assert luci(site, session.stok, page, "operation=read", session.cookie)[0] == 403


def test_jnap_wants_the_password_and_the_whole_object(fleet: EmbeddedFleet) -> None:
    site = fleet.add_http("jnap", password="pw")
    token = base64.b64encode(b"admin:pw").decode()

    def ask(action: str, body: object, token: str = token) -> Any:
        headers = {"X-JNAP-Action": JNAP + action, "X-JNAP-Authorization": f"Basic {token}"}
        return json.loads(post(site, "/JNAP/", json.dumps(body), headers)[1])

    read = "firewall/GetFirewallSettings"
    assert ask(read, {}, "d3Jvbmc=")["result"] == "_ErrorUnauthorized"
    settings = ask(read, {})["output"]
    assert len(settings) == 9
    write = "firewall/SetFirewallSettings"
    assert ask(write, {"blockPPTP": True})["result"] == "_ErrorInvalidInput"
    assert ask(write, {**settings, "blockPPTP": True}) == {"result": "OK"}
    assert site.state()["settings"] == {**settings, "blockPPTP": True}
    both = ask("core/Transaction", [{"action": JNAP + read, "request": {}}] * 2)
    assert both["responses"][1]["output"]["blockPPTP"] is True


def soap(site: EmbeddedHttp, action: str, inside: str, private: str, cookie: str) -> str:
    stamp = str(int(time.time()))
    told = sign(private, f'{stamp}"{HNAP}{action}"')
    headers = {
        "SOAPAction": f'"{HNAP}{action}"',
        "HNAP_AUTH": f"{told} {stamp}",
        "Cookie": f"uid={cookie}",
    }
    envelope = (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<{action} xmlns="{HNAP}">{inside}</{action}></soap:Body></soap:Envelope>'
    )
    status, text, _ = post(site, "/HNAP1/", envelope, headers)
    return text if status == 200 else str(status)


def sign(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), "md5").hexdigest().upper()


def value(text: str, name: str) -> str:
    match = re.search(f"<{name}>(.*?)</{name}>", text)
    return match[1] if match else ""


def hnap_login(site: EmbeddedHttp, password: str) -> tuple[str, str, str]:
    asked = soap(site, "Login", "<Action>request</Action><Username>admin</Username>", "x", "")
    challenge, cookie = value(asked, "Challenge"), value(asked, "Cookie")
    private = sign(value(asked, "PublicKey") + password, challenge)
    inside = (
        "<Action>login</Action><Username>admin</Username>"
        f"<LoginPassword>{sign(private, challenge)}</LoginPassword>"
    )
    answer = soap(site, "Login", inside, private, cookie)
    return value(answer, "LoginResult"), private, cookie


def test_hnap_challenges_and_stores_what_is_missing_as_off(fleet: EmbeddedFleet) -> None:
    site = fleet.add_http("hnap", password="pw")
    assert hnap_login(site, "wrong")[0] == "failed"
    assert soap(site, "GetFirewallSettings", "", "x", "y") == "401"
    result, private, cookie = hnap_login(site, "pw")
    assert result == "success"
    read = soap(site, "GetFirewallSettings", "", private, cookie)
    assert value(read, "ALGPPTP") == "true"
    assert soap(site, "GetFirewallSettings", "", "stolen", cookie) == "401"
    written = soap(site, "SetFirewallSettings", "<ALGPPTP>true</ALGPPTP>", private, cookie)
    assert value(written, "SetFirewallSettingsResult") == "OK"
    settings = site.state()["settings"]
    assert (settings["ALGPPTP"], settings["ALGIPSec"], settings["ALGSIP"]) == (
        "true", "false", "false"
    )  # fmt: skip


def test_what_goes_wrong(fleet: EmbeddedFleet) -> None:
    """A write that is not stored, a line that is cut, a port that refuses."""
    site = fleet.add_http("jnap", password="pw")
    token = base64.b64encode(b"admin:pw").decode()
    headers = {"X-JNAP-Authorization": f"Basic {token}"}
    headers["X-JNAP-Action"] = f"{JNAP}firewall/SetFirewallSettings"
    settings = site.state()["settings"]
    site.fault(ReadOnlyFlash())
    body = json.dumps({**settings, "blockL2TP": True})
    assert json.loads(post(site, "/JNAP/", body, headers)[1]) == {"result": "OK"}
    assert site.state()["settings"] == settings
    site.fault(DropLine(20, "out"))
    with pytest.raises((http.client.HTTPException, OSError)):
        post(site, "/JNAP/", body, headers)
    site.fault(Refuse())
    with pytest.raises(ConnectionRefusedError):
        post(site, "/JNAP/", body, headers)
    site.clear()
    assert json.loads(post(site, "/JNAP/", body, headers)[1]) == {"result": "OK"}
    assert site.state()["settings"]["blockL2TP"] is True
    with pytest.raises(EmbeddedError, match="no kind 'fritz'"):
        fleet.add_http("fritz")


def test_through_a_bastion(fleet: EmbeddedFleet, tplink: EmbeddedHttp) -> None:
    with client(fleet.add_bastion()) as connection:
        transport = connection.get_transport()
        assert transport is not None
        where = ("127.0.0.1", 1)
        channel = transport.open_channel("direct-tcpip", (tplink.name, 80), where)
        channel.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert channel.makefile("rb").read().startswith(b"HTTP/1.1 404")
