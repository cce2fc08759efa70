"""The traps of TP-Link's cgi firmware and of Omada controllers, as the embedded ones have them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import ssl
from typing import Any

from compiler.device.http.cgiseal import Cbc, Seal
from compiler.device.http.textbook import Key
from compiler.embedded import EmbeddedFleet, EmbeddedHttp

Answer = tuple[int, str, str]


def ask(site: EmbeddedHttp, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Give status, body and cookie."""
    line: http.client.HTTPConnection
    if site.fingerprint:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        line = http.client.HTTPSConnection(site.host, site.port, timeout=20, context=trusting)
    else:
        line = http.client.HTTPConnection(site.host, site.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        line.request(method, path, body, named)
        answer = line.getresponse()
        cookie = answer.getheader("Set-Cookie", "").partition(";")[0]
        return answer.status, answer.read().decode(), cookie
    finally:
        line.close()


class Visitor:
    """A client of cgi firmware, logged in."""

    def __init__(self, site: EmbeddedHttp) -> None:
        self.site = site
        self.headers = {"Referer": f"http://{site.host}:{site.port}/"}
        _, text, _ = self.get("POST", "/cgi/getGDPRParm")
        told = dict(re.findall(r'var (\w+)="(\w+)"', text))
        digest = hashlib.md5(f"{site.username}{site.password}".encode())  # noqa: S324 - the protocol
        key = Key(int(told["nn"], 16), int(told["ee"], 16))
        self.seal = Seal(Cbc(), key, int(told["seq"]), digest.hexdigest())
        pair = [base64.b64encode(text.encode()).decode() for text in (site.username, site.password)]
        data = {"UserName": pair[0], "Passwd": pair[1], "Action": "1"}
        _, self.answer, cookie = self.act("cgi", "/cgi/login", data, login=True)
        self.headers["Cookie"] = cookie

    def get(self, method: str, path: str, body: bytes = b"") -> Answer:
        return ask(self.site, method, path, body, **self.headers)

    def token(self) -> None:
        found = re.search(r'token="(\w+)"', self.get("GET", "/")[1])
        self.headers["TokenID"] = found[1] if found else ""

    def act(
        self, operation: str, oid: str, data: dict[str, str], *, login: bool = False
    ) -> tuple[int, Any, str]:
        plain = json.dumps({"data": data, "operation": operation, "oid": oid}).encode()
        body = self.seal.close(plain, login=login)
        status, text, cookie = self.get("POST", "/cgi_gdpr?9", body)
        opened = self.seal.open(text) if status == 200 and text else ""
        return status, json.loads(opened) if opened.startswith("{") else opened, cookie


def test_cgi_wants_referer_token_and_sequence(fleet: EmbeddedFleet) -> None:
    site = fleet.add_http("cgi", password="pw")
    assert ask(site, "POST", "/cgi/getGDPRParm")[0] == 406
    first = Visitor(site)
    assert first.answer == "$.ret=0;\0"
    assert first.act("go", "DEV2_ALG_CFG", {})[0] == 406  # no token yet
    first.token()
    assert first.act("go", "DEV2_ALG_CFG", {})[1]["data"]["pptpAlg"] == "1"
    assert first.act("so", "DEV2_ALG_CFG", {"pptpAlg": "2"})[1]["errorcode"] == 9007
    assert first.act("so", "DEV2_OTHER", {"pptpAlg": "0"})[1]["errorcode"] == 9003
    assert first.act("so", "DEV2_ALG_CFG", {"pptpAlg": "0"})[1]["success"] is True
    assert site.state()["settings"]["pptpAlg"] == "0"
    sealed = first.seal.close(b"{}")
    line = sealed.split(b"data=")[1]
    longer = sealed.replace(line, line.replace(b"\r\n", b"AAAA\r\n"))
    assert first.get("POST", "/cgi_gdpr?9", longer)[1].startswith("$.ret=71234")


def test_cgi_lets_the_last_one_in(fleet: EmbeddedFleet) -> None:
    """A log-in says nothing of whom it ends; only getBusy does, to those who are not logged in."""
    site = fleet.add_http("cgi", password="pw")
    first = Visitor(site)
    first.token()
    assert first.get("POST", "/cgi/getBusy")[0] == 406
    headers = {"Referer": first.headers["Referer"]}
    assert "isLogined=1" in ask(site, "POST", "/cgi/getBusy", b"", **headers)[1]
    second = Visitor(site)
    assert second.answer == "$.ret=0;\0"
    assert first.act("go", "DEV2_ALG_CFG", {})[0] == 406
    site.expire()
    assert "isLogined=0" in ask(site, "POST", "/cgi/getBusy", b"", **headers)[1]
    site = fleet.add_http("cgi", password="other")
    site.password = "wrong"
    assert Visitor(site).answer == "$.ret=71233;\0"


def test_omada_puts_objects_whole(fleet: EmbeddedFleet) -> None:
    site = fleet.add_http("omada", password="pw")
    info = json.loads(ask(site, "GET", "/api/info")[1])["result"]
    base = f"/{info['omadacId']}/api/v2"
    wrong = json.dumps({"username": "admin", "password": "no"}).encode()
    assert json.loads(ask(site, "POST", f"{base}/login", wrong)[1])["errorCode"] == -30109
    assert ask(site, "GET", f"{base}/sites")[0] == 302
    right = json.dumps({"username": "admin", "password": "pw"}).encode()
    _, text, cookie = ask(site, "POST", f"{base}/login", right)
    keys = {"Cookie": cookie, "Csrf_Token": json.loads(text)["result"]["token"]}

    def told(method: str, page: str, body: Any = None, **headers: str) -> Any:
        sent = b"" if body is None else json.dumps(body).encode()
        return json.loads(ask(site, method, f"{base}/{page}", sent, **{**keys, **headers})[1])

    assert told("GET", "sites")["errorCode"] == -1001
    (found,) = told("GET", "sites?currentPage=1&currentPageSize=10")["result"]["data"]
    page = f"sites/{found['id']}/setting/transmission/alg"
    assert told("GET", page, Csrf_Token="x")["errorCode"] == -1400
    answer = told("GET", page)["result"]
    assert told("PATCH", page, {"pptp": False})["errorCode"] == -1600
    assert told("PUT", page, answer)["errorCode"] == -1001  # what the controller owns
    assert told("PUT", page, {"sip": True})["errorCode"] == 0
    assert told("PUT", page, {"pptp": False})["errorCode"] == 0
    settings = site.state()["settings"]
    assert (settings["pptp"], settings["sip"]) == (False, False)  # left out: the factory's
    assert told("POST", "logout")["errorCode"] == 0
    assert ask(site, "GET", f"{base}/{page}", **keys)[0] == 302
