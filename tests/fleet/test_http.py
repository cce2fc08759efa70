"""The command line and web interfaces: routers of three kinds behind a bastion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.embedded import EmbeddedFleet, EmbeddedHttp, EmbeddedRouter
from compiler.embedded.faults import Refuse
from tests.cli.support import Site, make_site
from tests.device.http_support import secured

CONFIG = 'inventory = "hosts.json"\npolicy = ["policy.yml"]\njournal = "state"\n'
BLOCK = "- hosts: all\n  passthrough: {pptp: block}\n  on_deviation: warn\n"
#: Each with what the inventory says of it besides the way there.
KINDS: dict[str, dict[str, Any]] = {
    "cgi": {"passthru_target": "tplink", "passthru_facts": {"flavour": "cgi"}},
    "omada": {
        "passthru_target": "tplink",
        "passthru_facts": {"flavour": "omada"},
        "passthru_site": "Default",
    },
    "hnap": {"passthru_target": "dlink"},
}


@pytest.fixture(scope="module")
def fleet() -> Iterator[EmbeddedFleet]:
    with EmbeddedFleet() as made:
        yield made


@pytest.fixture(scope="module")
def bastion(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add_bastion("bastion")


@pytest.fixture
def routers(fleet: EmbeddedFleet, request: pytest.FixtureRequest) -> list[EmbeddedHttp]:
    label = f"{abs(hash(request.node.nodeid))}"
    return [fleet.add_http(kind, f"{kind}-{label}") for kind in KINDS]


@pytest.fixture
def site(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bastion: EmbeddedRouter,
    routers: list[EmbeddedHttp],
) -> Iterator[Site]:
    known = tmp_path / "known_hosts"
    known.write_text(bastion.known_hosts)
    hosts: dict[str, Any] = {
        router.name: {
            **KINDS[router.kind],
            **secured(router),
            "passthru_via": "bastion",
            "ansible_host": router.host,
            "ansible_port": router.port,
            "ansible_user": router.username,
            "ansible_password": router.password,
        }
        for router in routers
    }
    hosts["bastion"] = {
        "ansible_host": bastion.host,
        "ansible_port": bastion.port,
        "ansible_user": bastion.username,
        "ansible_password": bastion.password,
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known}",
    }
    hosts["wall"] = {"passthru_target": "dlink", "passthru_facts": {"flavour": "xmldb"}}
    inventory = {"all": {"children": {"web": {"hosts": hosts}}}}
    for made in make_site(tmp_path, capsys):
        made.write(
            {
                "hosts.json": json.dumps(inventory),
                "policy.yml": BLOCK.replace("all", "web:!bastion", 1),
                "passthru.toml": CONFIG,
            }
        )
        yield made


def stored(routers: list[EmbeddedHttp]) -> list[dict[str, Any]]:
    return [router.state()["settings"] for router in routers]


def test_push_push_again_and_roll_back(site: Site, routers: list[EmbeddedHttp]) -> None:
    """And a plan; no password is in the journal or in what is printed."""
    before = stored(routers)
    planned = site.run("plan", "-o", "plan.json")
    assert planned.code == 0, planned.err
    first = site.run("push", "plan.json", "--yes", "--diff")
    assert first.code == 0, first.err
    assert first.out.splitlines()[-1].startswith("changed\t3\t")
    after = stored(routers)
    assert all(one != other for one, other in zip(before, after, strict=True))
    second = site.run("push", "--yes")
    assert second.out.startswith("unchanged\t3\t"), second.err
    assert [router.state()["writes"] for router in routers] == [1, 1, 1]

    back = site.run("rollback", "--yes")
    assert back.code == 0, back.err
    assert stored(routers) == before
    printed = "".join(run.out + run.err for run in (planned, first, second, back))
    kept = b"".join(path.read_bytes() for path in site.folder.rglob("state/*") if path.is_file())
    plan = (site.folder / "plan.json").read_bytes()
    for router in routers:
        assert router.password not in printed
        assert router.password.encode() not in kept + plan


def test_routers_without_a_way_are_named_with_what_a_person_does(site: Site) -> None:
    ran = site.run("push", "--check", "--limit", "wall")
    assert ran.code == 0
    assert ran.codes.count("S819") == 1
    assert "OUT/wall/instructions.txt" in ran.err
    site.run("compile", "-o", "OUT")
    assert (site.folder / "OUT" / "wall" / "instructions.txt").is_file()


def test_one_that_is_away_does_not_hinder_the_others(
    site: Site, routers: list[EmbeddedHttp]
) -> None:
    routers[0].fault(Refuse())
    ran = site.run("push", "--yes", "--connect-timeout", "2")
    assert ran.code == 5, ran.err
    assert [router.state()["writes"] for router in routers] == [0, 1, 1]
    routers[0].clear()
    assert site.run("push", "--yes", "--resume").code == 0
    assert [router.state()["writes"] for router in routers] == [1, 1, 1]
