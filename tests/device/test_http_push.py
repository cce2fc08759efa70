"""Pushes to web interfaces behind a bastion: what is written, what is not, and who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.device import transports
from compiler.device.http import transaction as http_transaction
from compiler.device.http.lease import leased
from compiler.device.http.way import web_way
from compiler.device.job import Progress, State
from compiler.device.push import changes_of, observe, push
from compiler.device.session import Session
from compiler.embedded import DropLine, EmbeddedFleet, EmbeddedRouter, Hang, ReadOnlyFlash, Refuse
from compiler.errors import ApplyError
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.step import Step, StepName
from compiler.model.target import Procedure
from compiler.source.secrets import Origin, Secret
from tests.device.http_support import BLOCK, PASS, QUICK, TARGETS, Web, codes, embedded
from tests.device.support import OPTIONS

Make = Callable[[str], Web]
#: One of each sort; those that are left out differ in how requests are sealed only.
KINDS = ("sealed", "cgi", "omada", "jnap", "hnap")
#: A field that no policy decides, and another value for it.
OTHER: dict[str, tuple[str, Any]] = {
    "sealed": ("sip", "off"),
    "cgi": ("sipAlg", "0"),
    "omada": ("newerSetting", {"kept": [None, 2]}),
    "jnap": ("blockIDENT", False),
    "hnap": ("ALGSIP", "false"),
}
#: The requests of a log-in that are none: they hold no password.
ASKS = frozenset(
    {"login?form=keys", "login?form=auth", "/cgi/getGDPRParm", "/cgi/getBusy", "GET /api/info"}
)
#: The requests that begin a session and end it, where there is one.
ENDS: dict[str, tuple[str, str]] = {
    "tplink": ("login?form=login", "admin/system?form=logout"),
    "sealed": ("login?form=login", "admin/system?form=logout"),
    "cgi": ("cgi /cgi/login", "cgi /cgi/logout"),
    "omada": ("POST login", "POST logout"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_transaction, "_AT_WORK", 0.05)


@pytest.fixture(scope="module")
def bastion(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add_bastion()


@pytest.fixture
def make(
    fleet: EmbeddedFleet,
    bastion: EmbeddedRouter,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Make]:
    label = f"{abs(hash(request.node.nodeid))}"
    yield lambda kind: embedded(fleet, kind, bastion, tmp_path, label)
    bastion.clear()


def leases(bastion: EmbeddedRouter) -> str:
    return bastion.run("ls /tmp | grep passthru-").stdout


@pytest.mark.parametrize("kind", TARGETS)
def test_push_and_nothing_is_left_to_do(make: Make, bastion: EmbeddedRouter, kind: str) -> None:
    """1. a push changes; 2. the second is empty and writes nothing; 3. back again."""
    web = make(kind)
    before = web.settings
    steps: list[StepName] = []
    first = web.push(listen=lambda progress: steps.append(progress.step))
    assert (first.state, first.findings) == (State.CHANGED, ())
    assert steps == [
        StepName.READ, StepName.STAGE, StepName.CHECK, StepName.APPLY, StepName.VERIFY,
        StepName.CONFIRM,
    ]  # fmt: skip
    after = web.settings
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {change.item for change in first.changes}
    assert len(changed) == 1
    assert first.before is not None
    assert first.after is not None
    assert first.before.sha256 != first.after.sha256

    second = web.push()
    assert (second.state, second.changes, second.findings) == (State.UNCHANGED, (), ())
    assert web.site.state()["writes"] == 1
    assert web.push(PASS).state is State.CHANGED
    assert web.settings == before
    assert leases(bastion) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_writes_nothing(make: Make, bastion: EmbeddedRouter, kind: str) -> None:
    web = make(kind)
    result = web.push(options=replace(OPTIONS, check=True))
    assert result.state is State.WOULD_CHANGE
    assert result.changes
    assert web.site.state()["writes"] == 0
    assert leases(bastion) == ""
    job = web.job()
    assert result.before is not None
    assert observe(job, OPTIONS).sha256 == result.before.sha256
    assert changes_of(job, result.before) == result.changes


@pytest.mark.parametrize("kind", ENDS)
def test_the_session_is_ended_every_time(make: Make, kind: str) -> None:
    """Some routers take one administrator at a time; none keeps what nobody uses."""
    web = make(kind)
    web.push()
    requests = web.site.state()["requests"]
    begin, end = ENDS[kind]
    assert requests.count(begin) == requests.count(end) == 3
    assert requests[-1] == end


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_others_keep_what_they_have_now(make: Make, kind: str) -> None:
    """What a saved answer says of them (passthru_observed) is old by now."""
    web = make(kind)
    seen = web.push(options=replace(OPTIONS, check=True)).before
    assert seen is not None
    other, value = OTHER[kind]
    job = web.job()
    device = replace(job.device, options={**job.device.options, "observed": seen.native})
    web.site.put(**{other: value})
    assert push(replace(job, device=device), OPTIONS).state is State.CHANGED
    assert web.settings[other] == value


@pytest.mark.parametrize("kind", KINDS)
def test_a_router_that_changed_since_the_plan_is_refused(make: Make, kind: str) -> None:
    web = make(kind)
    job = replace(web.job(), expects="0" * 64)
    result = push(job, OPTIONS)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S811])
    assert web.site.state()["writes"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_router_that_changes_meanwhile_is_refused(make: Make, kind: str) -> None:
    """Somebody saves the page between the look and the write: their fields would be lost."""
    web = make(kind)
    other, value = OTHER[kind]

    def meddle(progress: Progress) -> None:
        if progress.step is StepName.STAGE:
            web.site.put(**{other: value})

    result = web.push(listen=meddle)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S811])
    assert web.settings[other] == value
    assert web.site.state()["writes"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_tried_once(make: Make, bastion: EmbeddedRouter, kind: str) -> None:
    web = make(kind)
    result = web.push(ansible_password="wrong")
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S804])
    state = web.site.state()
    tries = [request for request in state["requests"] if request not in ASKS]
    assert len(tries) == (2 if kind == "hnap" else 1)  # a challenge, and its answer
    assert (state["logins"], state["writes"]) == (0, 0)
    assert leases(bastion) == ""


def test_a_secret_is_opened_where_the_push_runs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make("jnap")
    secret = Secret(Origin.ENVIRONMENT, "WEB_PASSWORD", Place("hosts.yml"))
    missing = web.push(ansible_password=secret)
    assert codes(missing) == [Code.V305]
    assert web.site.state()["connections"] == 0
    monkeypatch.setenv("WEB_PASSWORD", web.site.password)
    assert web.push(ansible_password=secret).state is State.CHANGED


@pytest.mark.parametrize("kind", KINDS)
def test_settings_that_are_not_stored(make: Make, kind: str) -> None:
    """The router says that it took them; only a second look tells."""
    web = make(kind)
    before = web.settings
    web.site.fault(ReadOnlyFlash())
    result = web.push()
    assert (result.state, codes(result)) == (State.FAILED, [Code.S816])
    assert result.step is StepName.VERIFY
    assert web.settings == before


def test_two_operators_at_once(make: Make, bastion: EmbeddedRouter) -> None:
    """One gets the lease, the other is told who has it; or both, one after the other."""
    web = make("jnap")
    others = [replace(OPTIONS, run=f"run-{n}", operator=f"op{n}@desk") for n in range(4)]
    job = web.job()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda options: push(job, options), others))
    states = [result.state for result in results]
    assert states.count(State.CHANGED) == 1
    assert set(states) <= {State.CHANGED, State.REFUSED, State.UNCHANGED}
    for result in results:
        assert set(codes(result)) <= {Code.S810, Code.S811}
    assert web.site.state()["writes"] == 1
    assert leases(bastion) == ""


def test_a_lease_of_somebody_else(make: Make, bastion: EmbeddedRouter) -> None:
    """It is respected while it lasts; one that expired, or that a reboot ended, is passed over."""
    web = make("jnap")
    way = web_way("r1", web.job().reach)
    assert way.relay is not None
    notes: list[Finding] = []
    holder = replace(OPTIONS, run="held", operator="eve")
    with Session(way.relay, 20.0) as session, leased(session, way.relay, way, holder, notes.append):
        name = leases(bastion).strip()
        result = web.push()
        assert (result.state, codes(result)) == (State.REFUSED, [Code.S810])
        assert "eve/held" in result.findings[0].message
    assert notes == []
    assert leases(bastion) == ""

    boot = bastion.run("cat /proc/sys/kernel/random/boot_id").stdout.strip()
    for number, held in enumerate([f"eve/x/t/{boot}/1", "eve/x/t/other/99999999", "nonsense"], 1):
        bastion.run(f"ln -s {held} /tmp/{name.removesuffix('.1')}.{number}")
    assert web.push().state is State.CHANGED
    assert leases(bastion).count("\n") == 3
    bastion.run("rm -f /tmp/passthru-*")


def test_something_else_where_the_lease_belongs(make: Make, bastion: EmbeddedRouter) -> None:
    """Laid there by another user of the bastion: it is said, and nothing is written through it."""
    web = make("jnap")
    way = web_way("r1", web.job().reach)
    assert way.relay is not None
    notes: list[Finding] = []
    with (
        Session(way.relay, 20.0) as session,
        leased(session, way.relay, way, OPTIONS, notes.append),
    ):
        name = leases(bastion).strip()
    bastion.run(f"mkdir -p /tmp/trap; ln -s /tmp/trap /tmp/{name}")
    assert web.push(options=replace(OPTIONS, check=True)).state is State.WOULD_CHANGE
    first = web.push()
    assert (first.state, first.findings) == (State.CHANGED, ())
    assert bastion.run("ls -A /tmp/trap").stdout == ""
    bastion.run(f"rm -rf /tmp/passthru-* /tmp/trap; mkdir /tmp/{name}")
    second = web.push(PASS)
    assert (second.state, codes(second)) == (State.CHANGED, [Code.S856])
    bastion.run("rm -rf /tmp/passthru-*")


def test_no_way_is_named(make: Make) -> None:
    web = make("tplink")
    result = web.push(passthru_via=None)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S851])
    assert "passthru_http_direct" in result.findings[0].hint
    assert web.site.state()["connections"] == 0
    assert web.push(passthru_via=None, passthru_http_direct=True).state is State.CHANGED


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ansible_password": None}, "ansible_password is not set"),
        ({"ansible_host": "a b"}, "is no address"),
        ({"ansible_port": "http"}, "must be a port"),
        ({"passthru_https": "maybe"}, "must be true or false"),
        ({"passthru_https_fingerprint": "ab" * 32}, "without passthru_https"),
        ({"passthru_https": True, "passthru_https_fingerprint": "ab"}, "no SHA-256 fingerprint"),
        ({"passthru_via": "[x"}, "not [USER@]HOST[:PORT]"),
        ({"ansible_host": "r1\r\nX: y"}, "control characters"),
    ],
)
def test_variables_that_cannot_be_used(make: Make, variables: dict[str, Any], message: str) -> None:
    web = make("jnap")
    result = web.push(**variables)
    assert (result.state, codes(result)) == (State.REFUSED, [Code.S809])
    assert message in result.findings[0].message
    assert web.site.state()["connections"] == 0


def test_the_bastion_or_the_router_does_not_answer(make: Make, bastion: EmbeddedRouter) -> None:
    web = make("jnap")
    bastion.fault(Refuse())
    away = web.push()
    assert (away.state, codes(away)) == (State.UNREACHABLE, [Code.S801])
    bastion.clear()
    web.site.fault(Refuse())
    result = web.push()
    assert (result.state, codes(result)) == (State.UNREACHABLE, [Code.S801])
    assert "from 127.0.0.1" in result.findings[0].message
    web.site.clear()
    web.site.fault(Hang())
    slow = web.push(options=replace(OPTIONS, step_timeout=1.0))
    assert (slow.state, codes(slow)) == (State.UNREACHABLE, [Code.S807])


def test_no_new_connection_takes_everything_back(make: Make, bastion: EmbeddedRouter) -> None:
    """The first connection still stands: it writes the old object again."""
    web = make("jnap")
    before = web.settings

    def cut(progress: Progress) -> None:
        if progress.step is StepName.APPLY:
            bastion.fault(Refuse())

    result = web.push(options=QUICK, listen=cut)
    assert (result.state, codes(result)) == (State.ROLLED_BACK, [Code.S816])
    assert web.settings == before
    assert web.site.state()["writes"] == 2


def test_nothing_is_reached_again(make: Make) -> None:
    """Neither way: what holds is not known, and that is said."""
    web = make("jnap")

    def cut(progress: Progress) -> None:
        if progress.step is StepName.VERIFY:
            web.site.fault(Refuse())

    result = web.push(options=QUICK, listen=cut)
    assert result.state is State.UNCLEAR
    assert codes(result)[-1] is Code.S818
    web.site.clear()
    assert web.push().state is State.UNCHANGED


def test_a_password_that_is_refused_later_is_not_tried_again(make: Make) -> None:
    """Somebody changes the password during the push."""
    web = make("jnap")
    job = web.job()
    wrong = {"on": False}

    class Changing(Secret):
        def reveal(self) -> str:
            return "other" if wrong["on"] else web.site.password

    def change(progress: Progress) -> None:
        wrong["on"] = progress.step is StepName.VERIFY

    secret = Changing(Origin.ENVIRONMENT, "X", Place("x"))
    result = push(replace(job, reach={**job.reach, "ansible_password": secret}), QUICK, change)
    assert (result.state, codes(result)) == (State.UNCLEAR, [Code.S818])
    assert len(web.site.state()["requests"]) == 4  # look, look again, write, one refused look


def test_an_interface_that_nobody_can_log_in_to_is_not_pushed() -> None:
    """A target of somebody else, say, that has documents and no log-in."""
    step = Step(StepName.APPLY, "writes", request="write.json")
    with pytest.raises(ApplyError) as caught:
        transports.possible(Procedure("http", (step,)), "toy", "r1")
    (finding,) = caught.value.findings
    assert (finding.code, "OUT/r1/write.json" in finding.hint) == (Code.S819, True)


def test_a_log_out_that_fails_is_told(make: Make) -> None:
    web = make("tplink")
    web.site.fault(DropLine(0, "in", connection=5))
    result = web.push(options=replace(OPTIONS, check=True))
    assert result.state is State.WOULD_CHANGE
    assert codes(result) in ([Code.S801], [Code.S806])  # the bastion may notice first
    assert result.findings[0].severity is Severity.WARNING
    assert "log-out failed" in result.findings[0].message
    assert web.push(BLOCK).state is State.CHANGED


def test_the_way_to_a_router_is_that_of_its_relay() -> None:
    """The relay's own ways stay, its sudo does not: nothing there needs another account."""
    hop = {"name": "hop", "ansible_host": "192.0.2.1"}
    via = {"name": "nas", "ansible_host": "192.0.2.2", "ansible_become": True, "passthru_via": hop}
    reach = {"ansible_host": "fd00::1", "ansible_password": "x", "passthru_via": via}
    way = web_way("r1", reach)
    assert way.name == "[fd00::1]"
    assert (way.port, web_way("r1", {**reach, "passthru_https": "yes"}).port) == (80, 443)
    assert way.relay is not None
    assert (way.relay.address, way.relay.become) == ("192.0.2.2", None)
    assert [one.address for one in way.relay.via] == ["192.0.2.1"]
