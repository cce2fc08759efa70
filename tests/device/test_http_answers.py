"""Routers that answer with something else: refusals, locks, other people, pages, rubbish."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from compiler.device.http import transaction
from compiler.device.job import State
from compiler.model.finding import Code
from tests.device.http_support import QUICK, Answer, Asked, Jnap, codes, serve, told


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "_AT_WORK", 0.05)


#: 1024 bits; only what the far side would open matters, and nobody opens anything here.
MODULUS = f"{(1 << 1023) | 0x10001:X}"
PAGE = b"<!DOCTYPE html><html><body>Log in</body></html>"


class Luci:
    """A token interface: a test replaces what single pages answer."""

    def __init__(self, **pages: Any) -> None:
        self.pages = pages
        self.fields = dict.fromkeys(
            ("ftp", "tftp", "h323", "rtsp", "sip", "pptp", "l2tp", "ipsec"), "on"
        )

    def __call__(self, asked: Asked) -> Answer:
        page = asked.path.partition("form=")[2]
        operation = asked.body.decode().partition("operation=")[2].partition("&")[0]
        given = self.pages.get(operation if page == "alg" else page)
        if callable(given):
            given = given(asked)
        if isinstance(given, tuple):
            return given
        if given is not None:
            return told(given)
        return self.usual(page)

    def usual(self, page: str) -> Answer:
        match page:
            case "keys":
                return told({"success": True, "data": {"password": [MODULUS, "010001"]}})
            case "auth":
                return told(PAGE, 404, "text/html")
            case "login":
                cookie = {"Set-Cookie": "sysauth=abc; path=/"}
                answer = told({"success": True, "data": {"stok": "0123abc"}})
                return answer[0], {**answer[1], **cookie}, answer[2]
            case "alg":
                return told({"success": True, "data": self.fields})
        return told({"success": True})


def pages(asked: list[Asked]) -> list[str]:
    return [each.path.partition("form=")[2] for each in asked]


FAILED = {"success": False, "errorcode": "login failed"}
REFUSALS = [
    pytest.param(
        {"login": {**FAILED, "data": {"failureCount": 1, "attemptsAllowed": 9}}},
        State.UNREACHABLE, Code.S804, "9 tries left", id="wrong password",
    ),
    pytest.param({"login": FAILED}, State.UNREACHABLE, Code.S804, "login failed", id="no count"),
    pytest.param({"login": told(b"", 403)}, State.UNREACHABLE, Code.S804, "refuses", id="403"),
    pytest.param(
        {"login": {"success": False, "errorcode": "exceeded max attempts"}},
        State.UNREACHABLE, Code.S855, "no log-in for now", id="locked",
    ),
    pytest.param(
        {"login": {"success": False, "errorcode": "user conflict"}},
        State.REFUSED, Code.S854, "somebody else", id="somebody else",
    ),
    pytest.param(
        {"login": {"success": True, "data": {"stok": "../../x y"}}},
        State.UNREACHABLE, Code.S804, "refuses", id="no token",
    ),
    pytest.param({"login": {"success": True}}, State.UNREACHABLE, Code.S804, "", id="no data"),
    pytest.param(
        {"keys": {"success": True, "data": {"password": ["zz", "1"]}}},
        State.REFUSED, Code.S808, "no RSA key", id="no key",
    ),
    pytest.param(
        {"keys": {"success": True, "data": {"password": ["FFFF", "010001"]}}},
        State.REFUSED, Code.S808, "no RSA key", id="tiny key",
    ),
    pytest.param({"keys": told([1])}, State.REFUSED, Code.S808, "no JSON object", id="list"),
    pytest.param(
        {"keys": told(PAGE, kind="text/html")}, State.REFUSED, Code.S808, "web page", id="page"
    ),
    pytest.param({"keys": told(b"", 404)}, State.REFUSED, Code.S808, "HTTP 404", id="404"),
    pytest.param({"keys": told(b"", 500)}, State.REFUSED, Code.S808, "HTTP 500", id="500"),
    pytest.param(
        {"keys": told(b"", 302, Location="https://192.168.0.1/")},
        State.REFUSED, Code.S808, "redirects", id="redirect",
    ),
    pytest.param({"keys": told(b"{" * 90_000)}, State.REFUSED, Code.S808, "no JSON", id="deep"),
    pytest.param({"keys": told(b"\xff\xfe")}, State.REFUSED, Code.S808, "no UTF-8", id="binary"),
    pytest.param(
        {"keys": told(b" " * (2 << 20))}, State.REFUSED, Code.S808, "without end", id="endless"
    ),
    pytest.param(
        {"keys": (200, {"Content-Length": "900"}, b"{}")},
        State.UNREACHABLE, Code.S806, "no whole HTTP answer", id="cut off",
    ),
    pytest.param(
        {"auth": {"success": True, "data": {"seq": "x", "key": [MODULUS, "010001"]}}},
        State.REFUSED, Code.S808, "sequence number", id="no sequence",
    ),
    pytest.param(
        {"read": {"success": False, "errorcode": "timeout"}},
        State.REFUSED, Code.S854, "ended this session", id="kicked",
    ),
    pytest.param(
        {"read": told(PAGE, kind="text/html")}, State.REFUSED, Code.S808, "web page", id="no token"
    ),
    pytest.param(
        {"read": {"success": True, "data": {"pptp": "on"}}},
        State.REFUSED, Code.T407, "fields are missing", id="another object",
    ),
    pytest.param(
        {"read": {"success": False, "errorcode": "-1"}},
        State.REFUSED, Code.T407, "success", id="no object",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "state", "code", "message"), REFUSALS)
def test_a_token_interface_that_answers_otherwise(
    given: dict[str, Any], state: State, code: Code, message: str
) -> None:
    with serve(Luci(**given)) as server:
        result = server.push("tplink")
        seen = pages(server.asked)
    assert (result.state, codes(result)) == (state, [code])
    assert message in result.findings[0].message
    assert seen.count("login") <= 1
    assert not any(b"operation=write" in a.body and "alg" in a.path for a in server.asked)
    assert not any(b"confirm=" in each.body for each in server.asked)  # nobody is thrown out


def test_a_long_key_is_that_of_firmware_that_seals_the_password_only() -> None:
    """It offers a second key all the same, and refuses a log-in that is sealed with it."""
    second = {"success": True, "data": {"seq": 7, "key": [MODULUS, "010001"]}}
    long = {"success": True, "data": {"password": [f"{(1 << 2047) | 0x10001:X}", "010001"]}}
    with serve(Luci(keys=long, auth=second)) as server:
        result = server.push("tplink", replace(QUICK, check=True))
        login = next(each.body for each in server.asked if "form=login" in each.path)
    assert result.state is State.WOULD_CHANGE
    assert (b"sign=" in login, b"username=" in login) == (False, False)


def test_somebody_takes_the_session_over_before_the_write() -> None:
    """The write is refused; what holds is read with a log-in that ends the other session."""
    with serve(Luci(write=told(b"", 403))) as server:
        result = server.push("tplink")
        logins = [each.body for each in server.asked if "form=login" in each.path]
    assert (result.state, codes(result)) == (State.FAILED, [Code.S854])
    assert [b"confirm=true" in body for body in logins] == [False, False, True]


def test_somebody_takes_the_session_over_again_and_again() -> None:
    """What holds cannot be seen; the fight ends."""

    def kicked(asked: Asked) -> Answer | None:
        return told(b"", 403) if written(asked) else None

    site = Luci(write=told(b"", 403), read=kicked)

    def written(_: Asked) -> bool:
        return any(b"operation=write" in a.body and "alg" in a.path for a in server.asked)

    with serve(site) as server:
        result = server.push("tplink", replace(QUICK, confirm_timeout=1))
    assert (result.state, codes(result)) == (State.UNCLEAR, [Code.S854, Code.S818])


def test_a_write_that_is_refused() -> None:
    with serve(Luci(write={"success": False, "errorcode": "-40101"})) as server:
        result = server.push("tplink")
    assert (result.state, codes(result)) == (State.FAILED, [Code.S813])
    assert "-40101" in result.findings[0].message


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (told({"result": "_ErrorUnauthorized"}), State.UNREACHABLE, Code.S804),
        (told({"result": "ErrorInvalidAdminPassword"}), State.UNREACHABLE, Code.S804),
        (told(b"", 401), State.UNREACHABLE, Code.S804),
        (told({"result": "ErrorAdminAccountLocked"}), State.UNREACHABLE, Code.S855),
        (told({"result": "ErrorPasswordCheckDelayed"}), State.UNREACHABLE, Code.S855),
        (told({"result": "_ErrorNotReady"}), State.REFUSED, Code.T407),
        (told({"result": "_ErrorUnknownAction"}), State.REFUSED, Code.T407),
        (told({"result": ["x"]}), State.REFUSED, Code.T407),
        (told(PAGE, kind="text/html"), State.REFUSED, Code.S808),
        (told(b""), State.REFUSED, Code.S808),
    ],
)
def test_jnap_that_answers_otherwise(answer: Answer, state: State, code: Code) -> None:
    with serve(lambda _: answer) as server:
        result = server.push("linksys")
    assert (result.state, codes(result)) == (state, [code])
    assert len(server.asked) == 1


def refuses_and_stores(site: Jnap, wanted: dict[str, Any]) -> str:
    """Store it, and say that it was not."""
    first, site.settings = site.writes == 1, wanted
    return "_ErrorUnexpected" if first else "OK"


def spoils(site: Jnap, wanted: dict[str, Any]) -> str:
    """Store more than was asked for, once."""
    site.settings = {**wanted, "blockIDENT": False} if site.writes == 1 else wanted
    return "OK"


def spoils_always(site: Jnap, wanted: dict[str, Any]) -> str:
    site.settings = {**wanted, "blockIDENT": False}
    return "OK"


@pytest.mark.parametrize(
    ("store", "state", "found", "writes"),
    [
        (refuses_and_stores, State.ROLLED_BACK, [Code.S813], 2),
        (spoils, State.ROLLED_BACK, [Code.S816], 2),
        (spoils_always, State.UNCLEAR, [Code.S816, Code.S818], 3),
        (lambda *_: "_ErrorInvalidInput", State.FAILED, [Code.S813], 1),
    ],
)
def test_writes_that_do_something_else(
    store: Any, state: State, found: list[Code], writes: int
) -> None:
    """Fields that are nobody's business here count too: they come back, or it is said."""
    site = Jnap(store=store)
    before = dict(site.settings)
    with serve(site) as server:
        result = server.push("linksys")
    assert (result.state, codes(result)) == (state, found)
    assert site.writes == writes
    assert (site.settings == before) is (state is not State.UNCLEAR)
    if store is spoils:
        assert "blockIDENT" in result.findings[0].message


def test_a_write_that_is_still_at_work_when_it_is_looked_at() -> None:
    """Its answer was cut; the first look shows the old object, and a later one the new."""
    late: list[dict[str, Any]] = []

    def slowly(asked: Asked) -> Answer:
        if asked.headers["x-jnap-action"].endswith("SetFirewallSettings"):
            late.append(json.loads(asked.body))
            return 200, {"Content-Length": "900"}, b"{"
        answer = site(asked)
        if late:
            site.settings = late[0]
        return answer

    site = Jnap()
    with serve(slowly) as server:
        result = server.push("linksys")
    assert (result.state, codes(result)) == (State.CHANGED, [Code.S806])


def soap(action: str, fields: dict[str, str]) -> Answer:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    body = (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<{action}Response xmlns="http://purenetworks.com/HNAP1/">{inside}</{action}Response>'
        "</soap:Body></soap:Envelope>"
    )
    return told(body.encode(), kind="text/xml")


NOT_DONE = soap("SetFirewallSettings", {"SetFirewallSettingsResult": "ERROR"})


class Hnap:
    """HNAP that lets everybody in; a test replaces single answers."""

    def __init__(self, **given: Answer) -> None:
        self.given = given
        self.fields = dict.fromkeys(
            ("SPIIPv4", "AntiSpoof", "ALGPPTP", "ALGIPSec", "ALGRTSP", "ALGSIP"), "true"
        )

    def __call__(self, asked: Asked) -> Answer:
        action = asked.headers["soapaction"].strip('"').rpartition("/")[2]
        if action == "Login" and b"<Action>request" in asked.body:
            action = "Challenge"
        if action in self.given:
            return self.given[action]
        if action == "Challenge":
            keys = {"Challenge": "c", "Cookie": "k", "PublicKey": "p"}
            return soap("Login", {"LoginResult": "OK", **keys})
        if action == "Login":
            return soap("Login", {"LoginResult": "success"})
        return soap(action, {f"{action}Result": "OK", **self.fields})


@pytest.mark.parametrize(
    ("given", "state", "code"),
    [
        ({"Login": soap("Login", {"LoginResult": "failed"})}, State.UNREACHABLE, Code.S804),
        ({"Login": soap("Login", {"LoginResult": "LOCKED"})}, State.UNREACHABLE, Code.S855),
        ({"Login": told(b"", 401)}, State.UNREACHABLE, Code.S804),
        ({"Challenge": soap("Login", {"LoginResult": "failed"})}, State.UNREACHABLE, Code.S804),
        ({"Challenge": told(PAGE, kind="text/html")}, State.REFUSED, Code.S808),
        ({"Challenge": told(b"<a>", kind="text/xml")}, State.REFUSED, Code.S808),
        (
            {"Challenge": told(b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', kind="text/xml")},
            State.REFUSED,
            Code.S808,
        ),
        ({"GetFirewallSettings": told(b"", 401)}, State.REFUSED, Code.S854),
        ({"GetFirewallSettings": soap("Other", {})}, State.REFUSED, Code.T407),
        ({"SetFirewallSettings": told(b"", 401)}, State.FAILED, Code.S854),
        ({"SetFirewallSettings": told(b"", 500)}, State.FAILED, Code.S808),
        ({"SetFirewallSettings": told(b"<a>", kind="text/xml")}, State.FAILED, Code.S813),
        ({"SetFirewallSettings": NOT_DONE}, State.FAILED, Code.S813),
    ],
)  # fmt: skip
def test_hnap_that_answers_otherwise(given: dict[str, Answer], state: State, code: Code) -> None:
    with serve(Hnap(**given)) as server:
        result = server.push("dlink")
    assert (result.state, codes(result)) == (state, [code])
    answers = [a for a in server.asked if b"<Action>login" in a.body]
    assert len(answers) <= (3 if state is State.FAILED else 1)  # one for each visit


def test_a_slow_answer_ends_in_time() -> None:
    """A byte now and then never lets a limit for single reads pass."""
    import time  # noqa: PLC0415

    def drip(_: Asked) -> Answer:
        time.sleep(0.3)
        return 200, {"Content-Length": "4000"}, b""

    with serve(drip) as server:
        result = server.push("linksys", replace(QUICK, step_timeout=0.1))
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S807])


def test_what_is_asked_is_what_a_browser_on_the_spot_would_ask() -> None:
    """Routers look at Host and Referer; the router's own address stands there, whatever the way."""
    with serve(Luci()) as server:
        server.push("tplink")
    first = server.asked[0].headers
    assert first["host"] == f"127.0.0.1:{server.port}"
    assert first["referer"] == f"http://127.0.0.1:{server.port}/webpages/index.html"
    assert json.dumps([dict(a.headers) for a in server.asked]).count("sysauth=abc") > 0
