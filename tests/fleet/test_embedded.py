"""The whole way: the command line, the real transaction, SSH, and embedded routers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.embedded import EmbeddedFleet, EmbeddedRouter
from compiler.embedded.faults import Refuse
from tests.cli.support import Site, make_site
from tests.embedded.inventory import CONFIG, openwrt_hosts

BLOCK = "- hosts: all\n  passthrough: {pptp: block}\n"
PASS = "- hosts: all\n  passthrough: {pptp: pass, l2tp: block}\n  on_deviation: warn\n"
NUMBER = 6


@pytest.fixture(scope="module")
def embedded() -> Iterator[list[EmbeddedRouter]]:
    with EmbeddedFleet() as fleet:
        yield [fleet.add("openwrt", f"r{number}") for number in range(1, NUMBER + 1)]


@pytest.fixture
def site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], embedded: list[EmbeddedRouter]
) -> Iterator[Site]:
    hosts = openwrt_hosts(embedded, tmp_path)
    for made in make_site(tmp_path, capsys):
        inventory = json.dumps({"all": {"hosts": hosts}})
        made.write({"hosts.json": inventory, "policy.yml": BLOCK, "passthru.toml": CONFIG})
        yield made


def firewall(router: EmbeddedRouter) -> bytes:
    return router.read("/etc/config/firewall")


def test_a_fleet_is_pushed_to_changed_and_brought_back(
    site: Site, embedded: list[EmbeddedRouter]
) -> None:
    """Push, push again, plan and push another policy with one router away, resume, roll back."""
    before = [firewall(router) for router in embedded]

    first = site.run("push", "--yes", "--serial", "1,100%", "--diff")
    assert first.code == 0, first.err
    assert first.out.splitlines()[-1].startswith(f"changed\t{NUMBER}\t")
    pushed = [firewall(router) for router in embedded]
    assert all(b"pptp" in text for text in pushed)

    second = site.run("push", "--yes")
    assert second.out.startswith(f"unchanged\t{NUMBER}\t"), second.err

    site.write({"policy.yml": PASS})
    planned = site.run("plan", "-o", "plan.json")
    assert planned.code == 0, planned.err
    assert [firewall(router) for router in embedded] == pushed
    embedded[2].fault(Refuse())
    third = site.run("push", "plan.json", "--yes", "--connect-timeout", "2")
    embedded[2].clear()
    assert third.code == 5, third.err
    assert "unreachable\t1\tr3" in third.out
    assert f"changed\t{NUMBER - 1}\t" in third.out
    assert firewall(embedded[2]) == pushed[2]
    resumed = site.run("push", "--yes", "--resume")
    assert resumed.out.splitlines()[0].startswith("changed\t1\t"), resumed.err
    assert resumed.out.splitlines()[1].startswith(f"done before\t{NUMBER - 1}\t")
    assert all(firewall(router) != old for router, old in zip(embedded, pushed, strict=True))

    runs = [run["run"] for run in reversed(site.run("history", "--output", "json").json["runs"])]
    back = site.run("rollback", "--to", runs[0], "--yes")
    assert back.code == 0, back.err + back.out
    assert [firewall(router) for router in embedded] == pushed
    undone = site.run("rollback", "--before", runs[0], "--yes")
    assert undone.code == 0, undone.err + undone.out
    assert [firewall(router) for router in embedded] == before
    for router in embedded:
        assert router.password not in json.dumps(
            site.run("history", router.name, "--output", "json").json
        )


def test_a_check_writes_nothing_on_real_sessions(
    site: Site, embedded: list[EmbeddedRouter]
) -> None:
    before = [firewall(router) for router in embedded]
    writes = [router.state().log for router in embedded]
    checked = site.run("push", "--check")
    assert checked.code == 0, checked.err
    assert checked.out.startswith(f"would-change\t{NUMBER}\t")
    assert [firewall(router) for router in embedded] == before
    assert [router.state().log for router in embedded] == writes
