"""Whole files that ansible-vault encrypted: their values are secrets, their names are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.errors import InventoryError
from compiler.inventory import load
from compiler.source.secrets import Secret, plain
from compiler.source.vault import VaultKeys, use_keys

HERE = Path(__file__).parent / "encrypted"


@pytest.fixture(autouse=True)
def _keys() -> Iterator[None]:
    use_keys(VaultKeys.from_options([str(HERE / "password")], environment={}))
    yield
    use_keys(None)


def test_variables_of_encrypted_files_are_secrets() -> None:
    inventory = load([HERE / "hosts.yml"])
    variables = inventory.host("s2").variables
    assert isinstance(variables["ansible_password"], Secret)
    assert plain(dict(variables)) == {
        "ansible_password": "hunter2",
        "nested": {"list": ["one", "22", True, None]},
        "pin": "1234",
        "who": "s2",
    }
    listed = json.dumps(inventory.to_list_json())
    assert "hunter2" not in listed
    assert "1234" not in listed


def test_encrypted_inventory() -> None:
    inventory = load([HERE / "hosts.ini"])
    assert inventory.hosts == ("i1",)
    assert plain(dict(inventory.host("i1").variables)) == {
        "word": "swordfish",
        "n": "5",
        "x": "secretive",
    }
    assert "swordfish" not in json.dumps(inventory.to_list_json())


def test_without_a_password_only_what_needs_it_fails() -> None:
    use_keys(VaultKeys())
    inventory = load([HERE / "hosts.yml"])
    assert inventory.host("open").variables == {"passthru_target": "linux"}
    with pytest.raises(InventoryError) as error:
        _ = inventory.host("s2").variables
    assert [(f.code.name, f.place.file if f.place else "") for f in error.value.findings] == [
        ("V305", str(HERE / "group_vars/sealed.yml")),
        ("V305", str(HERE / "host_vars/s2")),
    ]
    assert len(inventory.check()) == 2
    assert not inventory.check(["open"])
