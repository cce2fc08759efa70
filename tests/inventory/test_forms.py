"""Forms of inventories beyond the recorded sites: scripts that misbehave, odd files, magic."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from compiler.errors import InventoryError
from compiler.inventory import load, script


def _script(folder: Path, body: str, first: str = "#!/bin/sh") -> Path:
    path = folder / "inv"
    path.write_text(f"{first}\n{body}\n")
    path.chmod(0o755)
    return path


def _failure(path: Path, seconds: float = 20) -> str:
    with pytest.raises(InventoryError) as error:
        load([path], script_seconds=seconds)
    (finding,) = error.value.findings
    assert finding.code.name == "I209"
    assert finding.place is not None
    assert finding.place.file == str(path)
    return finding.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo one >&2; echo two >&2; exit 7", "ended with status 7: two"),
        ("echo '{'", "printed no JSON"),
        ("printf '\\377'", "not UTF-8"),
        ('echo \'{"a": {}, "a": {}}\'', "printed 'a' twice"),
        ("kill -9 $$", "ended with status -9"),
    ],
)
def test_scripts_that_fail(tmp_path: Path, body: str, message: str) -> None:
    assert message in _failure(_script(tmp_path, body))


def test_scripts_that_hang_are_ended_with_their_children(tmp_path: Path) -> None:
    begun = time.monotonic()
    body = f"(sleep 30; touch {tmp_path}/late) & echo '{{'; sleep 30"
    assert "took longer than 0.3 seconds" in _failure(_script(tmp_path, body), seconds=0.3)
    assert time.monotonic() - begun < 10


def test_scripts_that_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "MAX_BYTES", 1024 * 1024)
    assert "printed more than 1 MiB" in _failure(_script(tmp_path, "yes"))


def test_scripts_answer_for_each_host(tmp_path: Path) -> None:
    body = 'case $1 in --list) echo \'{"g": ["a"]}\';; *) echo "[$2]"; exit 1;; esac'
    assert "ended with status 1" in _failure(_script(tmp_path, body))
    body = 'case $1 in --list) echo \'{"g": ["a"]}\';; *) ;; esac'
    assert load([_script(tmp_path, body)]).hosts == ("a",)


def test_an_executable_that_is_text_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {a: }}\n")
    path.chmod(0o755)
    assert load([path]).hosts == ("a",)
    path.write_text("#!/no/such/interpreter\nall: {hosts: {b: }}\n")
    assert load([path]).hosts == ("b",)


def test_comments_of_an_ini_file_may_be_latin1(tmp_path: Path) -> None:
    path = tmp_path / "hosts.ini"
    path.write_bytes(b"# caf\xe9\na x=1\n")
    assert load([path]).host("a").variables == {"x": 1}


def test_magic_variables(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("g: {hosts: {a.example.net: {inventory_hostname: no}, '10.0.0.1': , '::1': }}")
    inventory = load([path], extra_vars={"e": 1})
    names = inventory.host("a.example.net").namespace
    assert names["inventory_hostname"] == "a.example.net"
    assert names["inventory_hostname_short"] == "a"
    assert inventory.host("10.0.0.1").namespace["inventory_hostname_short"] == "10.0.0.1"
    assert inventory.host("::1").namespace["inventory_hostname_short"] == "::1"
    assert names["inventory_file"] == str(path)
    assert names["inventory_dir"] == str(tmp_path)
    assert names["group_names"] == ["g"]
    assert dict(names["groups"]) == {
        "all": ("a.example.net", "10.0.0.1", "::1"),
        "ungrouped": (),
        "g": ("a.example.net", "10.0.0.1", "::1"),
    }
    assert names["e"] == 1
    assert str(inventory.host("a.example.net").place("e")) == "--extra-vars"


def test_localhost_is_implicit() -> None:
    inventory = load(["a,"])
    host = inventory.host("localhost")
    assert host.variables == {"ansible_connection": "local"}
    assert host.groups == ("all",)
    assert host.namespace["inventory_dir"] is None
    assert host.defined_at is None
    assert inventory.match("localhost") == ("localhost",)
    assert inventory.match("all") == ("a",)


def test_places_in_ini_and_json(tmp_path: Path) -> None:
    ini = tmp_path / "hosts.ini"
    ini.write_text("[g]\n  a x=1 xx=2 'y=3 4' x=5\n[g:vars]\nz =  6\n")
    host = load([ini]).host("a")
    assert str(host.place("x")) == f"{ini}:2:24"
    assert str(host.place("x", key=True)) == f"{ini}:2:22"
    assert str(host.place("xx")) == f"{ini}:2:12"
    assert str(host.place("y")) == f"{ini}:2:17"
    assert str(host.place("z")) == f"{ini}:4:6"
    written = tmp_path / "hosts.json"
    written.write_text('{"all": {"hosts": {"a":\n {"x": [1, 2]}}}}')
    assert str(load([written]).host("a").place("x", 1)) == f"{written}:2:12"


def test_importing_is_light() -> None:
    heavy = {"jsonschema", "cryptography", "netmiko", "jinja2", "subprocess", "asyncio"}
    code = "import sys, compiler.inventory; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert heavy.isdisjoint(done.stdout.decode().split())


def test_ten_thousand_hosts(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    variables = "".join(f", v{number}: text{number}" for number in range(5))
    lines = [f"    h{number}: {{n: {number}{variables}}}" for number in range(10_000)]
    path.write_text("all:\n  hosts:\n" + "\n".join(lines))
    inventory = load([path])
    assert len(inventory.match("all:!h1*")) == 10_000 - 1111
    assert sum(len(inventory.host(name).variables) for name in inventory.hosts) == 60_000
