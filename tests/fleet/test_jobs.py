"""Jobs from a site: connection variables, secrets that stay closed, and how small they travel."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from compiler.build.plan import Compiled, RouterCompiler
from compiler.build.registry import installed
from compiler.build.site import Request, Site, load_site
from compiler.device.job import Options, Result, State
from compiler.errors import InventoryError, PassthruError
from compiler.fleet.history import History
from compiler.fleet.jobs import done_before, reach_of, site_jobs
from compiler.fleet.journal import Entry, Journal, Kind
from compiler.fleet.work import Batch, Teller, device_driver
from compiler.inventory import load
from compiler.source.secrets import Secret, plain
from tests.fleet.fakes import observed

HOSTS = """
all:
  vars:
    secret_of_all: !env ROUTER_PASSWORD
    other: 5
  hosts:
    r1:
      ansible_host: 192.0.2.1
      ansible_port: 2222
      ansible_user: "{{ 'ro' ~ 'ot' }}"
      ansible_password: hunter2
      passthru_via: bastion
      ansible_python_interpreter: /usr/bin/python3
    r2: {ansible_password: "{{ secret_of_all }}", ansible_become_pass: 12345}
    r3: {passthru_via: admin@gate.example:2022}
    r4: {passthru_via: r5}
    r5: {passthru_via: r4}
    bastion: {ansible_host: 192.0.2.99, ansible_private_key_file: ~/.ssh/bastion, passthru_via: far}
    far: {ansible_host: 192.0.2.98}
"""


def travelled(pickled: bytes) -> Any:
    """Unpickle what was pickled here."""
    return pickle.loads(pickled)  # noqa: S301 - our own


@pytest.fixture
def inventory(tmp_path: Path) -> Any:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    return load([tmp_path / "hosts.yml"])


def test_connection_variables_are_rendered_and_others_left_out(inventory: Any) -> None:
    reach = reach_of(inventory, "r1")
    assert reach["ansible_host"] == "192.0.2.1"
    assert reach["ansible_user"] == "root"
    assert "other" not in reach
    assert "ansible_python_interpreter" not in reach


def test_a_host_on_the_way_comes_with_its_own_variables(inventory: Any) -> None:
    via = reach_of(inventory, "r1")["passthru_via"]
    assert (via["name"], via["ansible_host"]) == ("bastion", "192.0.2.99")
    assert via["passthru_via"]["name"] == "far"
    assert reach_of(inventory, "r3")["passthru_via"] == "admin@gate.example:2022"


def test_ways_in_a_circle_are_refused(inventory: Any) -> None:
    with pytest.raises(InventoryError, match="r4 -> r5 -> r4"):
        reach_of(inventory, "r4")


def test_secrets_stay_closed_and_plain_passwords_become_secrets(
    inventory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = reach_of(inventory, "r1")
    assert isinstance(reach["ansible_password"], Secret)
    assert plain(reach)["ansible_password"] == "hunter2"
    assert "hunter2" not in repr(reach)
    assert b"hunter2" not in pickle.dumps(reach)
    with pytest.raises(PassthruError, match="does not travel"):
        plain(travelled(pickle.dumps(reach)))
    second = reach_of(inventory, "r2")
    assert second["ansible_password"].source == "!env ROUTER_PASSWORD"
    assert plain(second["ansible_become_pass"]) == "12345"
    monkeypatch.setenv("ROUTER_PASSWORD", "on the worker")
    assert plain(travelled(pickle.dumps(second["ansible_password"]))) == "on the worker"


def test_a_secret_inside_of_a_text_is_no_password(tmp_path: Path) -> None:
    """`x{{ secret }}` would otherwise be sent to the router as "x<secret ...>"."""
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {r1: {s: !env X, ansible_password: 'x{{ s }}'}}}"
    )
    with pytest.raises(PassthruError):
        reach_of(load([tmp_path / "hosts.yml"]), "r1")


OFFICE = Path(__file__).parents[2] / "inventories" / "office"


def office(limit: str = "") -> tuple[Site, dict[str, Compiled]]:
    registry = installed()
    request = Request((str(OFFICE / "hosts.yml"),), (OFFICE / "policies",), limit)
    site = load_site(request, registry)
    compiler = RouterCompiler(registry)
    compiled = {}
    for name, router, _ in site.routers():
        assert router
        item, _ = compiler.compile(router)
        assert item
        compiled[name] = item
    return site, compiled


def test_jobs_travel_small() -> None:
    """A batch of 20 branches takes few kilobytes each: what they share is pickled once."""
    site, compiled = office("branches")
    jobs, _ = site_jobs(site, compiled)
    some = tuple(jobs.job(entry.host) for entry in jobs.entries[:20])
    assert len(some) == 20
    batch = Batch(some, Options("r", "o"), device_driver(), Teller(None))
    size = len(pickle.dumps(batch))
    assert size / 20 < 4000, size
    back = travelled(pickle.dumps(batch))
    assert back.jobs == some


def test_routers_that_no_push_can_go_to_are_said_and_left_out() -> None:
    site, compiled = office()
    jobs, findings = site_jobs(site, compiled)
    pushed = {entry.host for entry in jobs.entries}
    left_out = {finding.host for finding in findings}
    assert pushed | left_out == set(compiled)
    assert not pushed & left_out
    for host in left_out:
        item = compiled[host]
        target = site.registry.get(item.router.device.target)
        procedure = target.procedure(item.outcome.settings, item.router.device)
        assert procedure.transport != "ssh" or procedure.guard is None


@pytest.mark.parametrize(
    ("state", "policy", "bundle", "done"),
    [
        (State.CHANGED, "p", "b", True),
        (State.UNCHANGED, "p", "b", True),
        (State.CHANGED, "other", "b", False),
        (State.CHANGED, "p", "other", False),
        (State.ROLLED_BACK, "p", "b", False),
        (State.UNCLEAR, "p", "b", False),
    ],
)
def test_done_is_what_the_newest_run_did_for_this_very_bundle(
    tmp_path: Path, state: State, policy: str, bundle: str, *, done: bool
) -> None:
    journal = Journal(tmp_path)
    for run, ended in (("run-1", State.FAILED), ("run-2", state)):
        journal.begin(run, Kind.PUSH, "me", policy, [Entry("r1", "fake", bundle)])
        journal.begin_hosts(run, ["r1"])
        journal.record(run, Result("r1", ended, before=observed("x"), after=observed("y")))
    journal.begin("run-3", Kind.PUSH, "me", "p", [Entry("r1", "fake", "b")])  # never began with r1
    found = done_before(History(journal.store), "p", [Entry("r1", "fake", "b")])
    journal.close()
    assert found == ({"r1": observed("y").sha256} if done else {})
