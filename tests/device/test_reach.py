"""Connection variables as ways; what cannot be understood is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compiler.device.reach import VARIABLES, Way, way_of
from compiler.errors import InventoryError
from compiler.model.finding import Code, Place
from compiler.source.secrets import Origin, Secret

_NO_FILE = {"ansible_ssh_common_args": "-F none"}
_COMMON = Path(__file__).parents[2] / "schemas" / "variables.schema.json"


def way(**variables: Any) -> Way:
    return way_of("r1", {**_NO_FILE, **variables})


def refused(**variables: Any) -> str:
    with pytest.raises(InventoryError) as caught:
        way(**variables)
    assert {finding.code for finding in caught.value.findings} == {Code.S809}
    assert all(finding.host for finding in caught.value.findings)
    return str(caught.value)


def test_the_plainest_way() -> None:
    found = way()
    assert (found.address, found.port, found.via, found.local) == ("r1", 22, (), False)
    assert found.user


def test_older_names_count_where_the_newer_are_missing() -> None:
    assert way(ansible_ssh_host="a", ansible_ssh_port="2200", ansible_ssh_user="u").port == 2200
    assert way(ansible_host="b", ansible_ssh_host="a").address == "b"


@pytest.mark.parametrize("port", ["x", 0, 65536, -1, True, "22; id", ""])
def test_bad_ports(port: object) -> None:
    assert "ansible_port" in refused(ansible_port=port)


@pytest.mark.parametrize(
    "arguments",
    ["-o KexAlgorithms=x", "-o Tunnel=yes", "-W a:1", "-o 'x", "-L 1:a:2", "-o RemoteCommand=id"],
)
def test_arguments_that_are_not_understood(arguments: str) -> None:
    assert "ansible_ssh_extra_args" in refused(ansible_ssh_extra_args=arguments)


def test_arguments_that_only_tune_ssh_are_passed_over() -> None:
    tuned = (
        "-C -o ControlMaster=auto -o ControlPersist=60s -oServerAliveInterval=5 -o BatchMode=yes"
    )
    assert way(ansible_ssh_extra_args=tuned) == way()


def test_jumps() -> None:
    found = way(passthru_via="ops@bastion:2222,[2001:db8::1]")
    first = found.via[0]
    assert (first.user, first.address, first.port) == ("ops", "bastion", 2222)
    assert found.via[1].address == "2001:db8::1"
    assert "passthru_via" in refused(passthru_via="a b:c:d")


def test_a_hop_of_the_inventory_may_have_hops_itself() -> None:
    inner = {"name": "outer", "ansible_host": "192.0.2.1", "passthru_via": "first"}
    found = way(passthru_via=inner)
    assert [hop.address for hop in found.via] == ["first", "192.0.2.1"]
    circle: dict[str, Any] = {"name": "a"}
    circle["passthru_via"] = circle
    assert "circle" in refused(passthru_via=circle)


def test_secrets_stay_closed() -> None:
    secret = Secret(Origin.ENVIRONMENT, "NOT_SET_ANYWHERE", Place("hosts.yml"))
    found = way(ansible_password=secret, ansible_become=True, ansible_become_password="pa55")
    assert found.password is secret
    assert "pa55" not in repr(found)
    assert "pa55" not in repr(way(ansible_password="pa55"))


@pytest.mark.parametrize("word", ["yes", "no", "accept-new", "off"])
def test_a_key_that_is_new_may_be_taken_but_not_ignored(word: str) -> None:
    found = way(ansible_ssh_extra_args=f"-o StrictHostKeyChecking={word}")
    assert found.accept_new is (word != "yes")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"ansible_connection": "winrm"}, "ansible_connection"),
        ({"ansible_become": "perhaps"}, "ansible_become"),
        ({"ansible_become": True, "ansible_become_method": "runas"}, "ansible_become_method"),
        ({"ansible_host": ["a"]}, "ansible_host"),
        ({"ansible_user": "a\nb"}, "ansible_user"),
        ({"passthru_ssh_legacy": "maybe"}, "passthru_ssh_legacy"),
    ],
)
def test_other_bad_values(variables: dict[str, Any], name: str) -> None:
    assert name in refused(**variables)


def test_all_problems_at_once() -> None:
    told = refused(ansible_port="x", ansible_connection="y", passthru_ssh_legacy="z")
    assert all(name in told for name in ("ansible_port", "ansible_connection", "legacy"))


def test_our_own_variables_are_in_the_schema() -> None:
    stated = json.loads(_COMMON.read_text())["properties"]
    assert {name for name in VARIABLES if name.startswith("passthru_")} <= set(stated)
