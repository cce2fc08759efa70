"""`audit` and `diff` of routers that answer over SSH: embedded OpenWrt, through the fleet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.embedded import EmbeddedFleet, EmbeddedRouter
from compiler.embedded.faults import Refuse
from tests.cli.support import Result, Site, make_site
from tests.embedded.inventory import CONFIG, openwrt_hosts

BLOCK = "- hosts: r*\n  on_deviation: warn\n  passthrough:\n    pptp: block\n    wireguard: pass\n"
FOREIGN = (
    "\nconfig rule 'foreign'\n\toption name 'nobody knows'\n\toption src 'lan'\n"
    "\toption dest 'wan'\n\toption proto 'udp'\n\toption dest_port '51820'\n"
    "\toption target 'DROP'\n"
)


@pytest.fixture(scope="module")
def embedded() -> Iterator[list[EmbeddedRouter]]:
    with EmbeddedFleet() as fleet:
        yield [fleet.add("openwrt", f"r{number}") for number in (1, 2, 3)]


@pytest.fixture
def site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], embedded: list[EmbeddedRouter]
) -> Iterator[Site]:
    hosts = openwrt_hosts(embedded, tmp_path)
    hosts["r4"] = {"passthru_target": "netgear", "passthru_zones": {"lan": {}, "wan": {}}}
    for made in make_site(tmp_path, capsys):
        inventory = json.dumps({"all": {"hosts": hosts}})
        made.write({"hosts.json": inventory, "policy.yml": BLOCK, "passthru.toml": CONFIG})
        yield made


def audit(site: Site, embedded: list[EmbeddedRouter], *more: str) -> dict[str, list[str]]:
    result = site.run("audit", "--output", "json", *more)
    assert all(router.password not in result.out + result.err for router in embedded)
    return {
        row["host"]: [f["code"] for f in row["findings"] if f["severity"] != "info"]
        for row in result.json["routers"]
    }


def test_a_fleet_is_asked_and_nothing_is_written_on_it(
    site: Site, embedded: list[EmbeddedRouter]
) -> None:
    """Fresh, pushed, meddled with, away: each is told apart, and no router is changed by asking."""
    limit = ("-l", "r1:r2:r3")
    fresh = audit(site, embedded, *limit)
    assert all("A852" in found for found in fresh.values()), fresh
    assert site.run("push", "--yes", *limit).code == 0

    texts = [router.read("/etc/config/firewall") for router in embedded]
    states = [router.state().log for router in embedded]
    pushed = audit(site, embedded, *limit)
    assert all("A852" not in found and "A856" not in found for found in pushed.values()), pushed
    assert site.run("diff", "--exit-code", *limit).code == 0
    assert [router.read("/etc/config/firewall") for router in embedded] == texts
    assert [router.state().log for router in embedded] == states

    meddled = texts[0].replace(b"option target 'DROP'", b"option target 'ACCEPT'")
    meddled = meddled.replace(b"option target 'REJECT'", b"option target 'ACCEPT'")
    assert meddled != texts[0]
    embedded[0].write("/etc/config/firewall", meddled)
    embedded[1].write("/etc/config/firewall", FOREIGN.encode() + texts[1])
    embedded[2].fault(Refuse())
    found = audit(site, embedded, *limit, "--connect-timeout", "2")
    differs = site.run("diff", "--exit-code", *limit, "--connect-timeout", "2")
    embedded[2].clear()
    assert "A852" in found["r1"] or "A853" in found["r1"], found
    assert found["r3"] == ["A861"]
    assert differs.code == 5
    assert "openwrt: r1" in differs.out
    for router, text in zip(embedded, texts, strict=True):
        router.write("/etc/config/firewall", text)


def test_a_router_that_nothing_reaches_is_named(site: Site, embedded: list[EmbeddedRouter]) -> None:
    assert audit(site, embedded, "-l", "r4") == {"r4": ["A861"]}
    result: Result = site.run("audit", "-l", "r4")
    named = re.findall(r"\b\d{8}-\d{6}-[0-9a-f]{6}\b", result.out + result.err)
    assert len(named) == 2, "in the progress and in the report"
    assert len(set(named)) == 1
    assert result.code == 5
    assert "--from" in result.out
