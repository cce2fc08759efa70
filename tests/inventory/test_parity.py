"""Every site gives what ansible-core recorded for it, and what it says today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compiler.errors import InventoryError, PassthruError
from compiler.inventory import Inventory, load
from tests.inventory.support import Site, ask_ansible, request, sites

SITES = sites()
# Here we refuse what Ansible takes for every host, and report names that it only warns of.
REFUSED = {"~[", ",", ""}
# A listing that is read again is another inventory: it finds the group_vars beside it, a host of
# an 'ungrouped' that has a parent leaves it, and a host only in 'all' is in no list.
NO_ROUND_TRIP = {"precedence", "ungrouped", "namesake"}


@pytest.fixture(params=SITES, ids=lambda site: site.name)
def site(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Site:
    found: Site = request.param
    monkeypatch.chdir(found.folder)
    return found


def _as_json(data: Any) -> Any:
    """Drop what JSON cannot tell apart: tuples, keys that are numbers."""
    return json.loads(json.dumps(data))


def _match(inventory: Inventory, pattern: str, limit: str) -> list[str] | None:
    try:
        return list(inventory.match(pattern, limit=limit or ()))
    except PassthruError:
        return None


def test_list(site: Site) -> None:
    expected = json.loads((site.folder / "expected.json").read_text(encoding="utf-8"))
    assert _as_json(site.load().to_list_json()) == expected


def test_graph(site: Site) -> None:
    expected = (site.folder / "expected-graph.txt").read_text(encoding="utf-8").rstrip("\n")
    assert site.load().graph().split("\n") == expected.split("\n")


def test_patterns(site: Site) -> None:
    recorded = site.folder / "expected-patterns.json"
    answers = json.loads(recorded.read_text(encoding="utf-8")) if recorded.exists() else []
    inventory = site.load()
    for pattern, limit, recorded_hosts in answers:
        expected = site.order(recorded_hosts)
        found = _match(inventory, pattern, limit)
        if found is None:
            assert not expected or pattern in REFUSED, pattern
        else:
            assert (pattern, limit, site.order(found)) == (pattern, limit, expected)


def test_listing_of_ansible_gives_the_same_inventory(site: Site) -> None:
    """What ``ansible-inventory --list`` printed, used as an inventory, lists as itself."""
    recorded = site.folder / "expected.json"
    inventory = load([recorded])
    expected = json.loads(recorded.read_text(encoding="utf-8"))
    listed = _as_json(inventory.to_list_json())
    if site.name not in NO_ROUND_TRIP:
        assert listed == expected


def test_recorded_is_what_ansible_says_today() -> None:
    """The recordings and the installed ansible-core agree: see ``record_expected.py``."""
    wanted = [request(site, do) for site in SITES for do in ("list", "match")]
    answers = iter(ask_ansible(wanted))
    for site in SITES:
        listed, matched = json.loads(next(answers)), next(answers)
        assert listed == json.loads((site.folder / "expected.json").read_text(encoding="utf-8"))
        recorded = site.folder / "expected-patterns.json"
        if recorded.exists():
            lines = json.loads(recorded.read_text(encoding="utf-8"))
            today = [site.order(hosts) for hosts in matched]
            assert today == [site.order(hosts) for _, _, hosts in lines]


def test_groups_are_sorted_by_who_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    site = next(site for site in SITES if site.name == "precedence")
    monkeypatch.chdir(site.folder)
    host = site.load().host("h1")
    assert host.groups == ("all", "root1", "xeno", "yota", "zeta", "leaf")
    assert host.namespace["group_names"] == ["leaf", "root1", "xeno", "yota", "zeta"]


def test_unknown_names_are_findings_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    site = next(site for site in SITES if site.name == "patterns")
    monkeypatch.chdir(site.folder)
    with pytest.raises(InventoryError) as caught:
        site.load().match("branchs:!norht", limit="web99")
    messages = [(found.code.name, found.hint) for found in caught.value.findings]
    assert messages[0] == ("I203", "did you mean 'branches'?")
    assert len(messages) == 3


def test_places(monkeypatch: pytest.MonkeyPatch) -> None:
    site = next(site for site in SITES if site.name == "precedence")
    monkeypatch.chdir(site.folder)
    host = site.load().host("h1")
    assert str(host.place("own")) == "play/host_vars/h1.yml:1:6"
    assert str(host.place("own", key=True)) == "play/host_vars/h1.yml:1:1"
    assert str(host.place("m", "x")) == "hosts.yml:5:52"
    assert str(host.place("depth")) == "play/group_vars/leaf.yml:1:23"
    assert host.place("nothing") is None
    assert str(host.defined_at) == "hosts.yml:10:13"
