"""Inventories that are wrong: every problem with its code and place, in one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.errors import InventoryError, PassthruError
from compiler.inventory import load
from compiler.model.finding import Finding


def _findings(*sources: Path | str) -> list[Finding]:
    with pytest.raises(InventoryError) as error:
        load([str(source) for source in sources])
    return list(error.value.findings)


def _told(folder: Path, name: str, text: str | bytes) -> list[str]:
    """Load a file and give its findings as ``CODE line:column message``."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    told = []
    for found in _findings(path):
        where = ""
        if found.place:
            assert found.place.file == str(path)
            where = f" {found.place.line}:{found.place.column}"
        told.append(f"{found.code.name}{where} {found.message}")
    return told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all:\n\thosts:\n", ["P101 2:1"]),
        ("all: {hosts: {a: }}\nall: {}\n", ["P103 2:1"]),
        ("all:\n  hosts: [a, b]\n", ["I202 2:3 'hosts' must be a mapping, not a list"]),
        ("all:\n  hosts: 5\n  vars: x\n  children: [c]\n", ["I202 2:3", "I202 4:3"]),
        ("all: {hosts: {5: , 1.5: }}", ["I207 1:15", "I207 1:20"]),
        ("all: {hosts: {a: text, b: [1]}}", ["I202 1:18", "I202 1:27"]),
        ("5: {hosts: {a: }}", ["I207 1:1 a group name must be text, not '5'"]),
        ("a: {children: {b: {children: {a: }}}}", ["I208 1:16"]),
        ("a: {children: {a: }}", ["I208 1:16"]),
        ("a: {children: {all: }}", ["I208"]),
        ("all: {hosts: {'a[1:': , 'b[5:1:0]': , 'c[x]': }}", ["I202 1:15", "I202 1:25", "I202"]),
        ("all: {hosts: {'a[1:999999999]': }}", ["I202 1:15 the range"]),
        ("all: {hosts: {'a[1:999][1:999]': }}", ["I202 1:15 the range"]),
        ("all: {vars: {ansible_group_priority: high}}", ["I202 1:38"]),
        ("plugin: amazon.aws.aws_ec2\nregions: [x]\n", ["I202 1:1"]),
        ("- a\n- b\n", ["I202 1:1 an inventory is a mapping of groups, not a list"]),
        ("all: {vars: {x: !what zz}}\n", ["P101 1:17"]),
        ("a: &a [*a]\n", ["P107"]),
        ("a: " + "[" * 5000, ["P107"]),
        (b"all: {hosts: {\xff: }}", ["P108 1:15"]),
        ("all: {hosts: {a: {x: \x07}}}", ["P101 1:22"]),
    ],
)
def test_yaml(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    told = _told(tmp_path, "hosts.yml", text)
    assert len(told) == len(expected), told
    for one, start in zip(told, expected, strict=True):
        assert one.startswith(start)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web]\na b\nc d=1 e\n", ["I202 2:0", "I202 3:0"]),
        ("[web]\na 'open\n", ["I202 2:0 the quotes do not match"]),
        ("[web:sons]\n", ["I202 1:0 a section has no kind 'sons'"]),
        ("[web host]\n[]\n", ["I202 1:0", "I202 2:0"]),
        ("[web:vars]\nx=1\n", ["I202 1:0 [web:vars] stands alone"]),
        ("[web:children]\nnope\n", ["I202 2:0 [web:children] names no group: 'nope'"]),
        ("[web:children]\na:b\n[x]\n[x:vars]\nnovalue\n", ["I202 2:0", "I202 5:0"]),
        ("[a:children]\nb\n[b:children]\na\n", ["I208"]),
        ("all:\n", ["I207 1:0 'all:' is no host"]),
        ("---\n", ["I207 1:0 '---' is no host"]),
        ("'' x=1\n", ["I207 1:0"]),
        ("[a]\nweb[1:\nx[2:a]\n", ["I202 2:0", "I202 3:0"]),
        ("[a:vars]\nansible_group_priority=x\n[a]\n", ["I202 2:24"]),
        ("h x={[]:1}\n", ["I202 1:0"]),
        (b"h x=\xff\n", ["P108 1:5"]),
    ],
)
def test_ini(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    told = _told(tmp_path, "hosts.ini", text)
    assert len(told) == len(expected), told
    for one, start in zip(told, expected, strict=True):
        assert one.startswith(start)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("hosts.json", '{"all": {"hosts": {"a": 1}}}', "I202 1:25"),
        ("hosts.json", '{"all": {}, "all": {}}', "P103 1:13"),
        ("hosts.json", '{"all": ', "P101"),
        ("hosts.json", '{"all": ' + "[" * 500 + "]" * 500 + "}", "P107"),
        ("hosts.json", '{"all": {"hosts": {"a": {"x": "\\ud800"}}}}', "P108"),
        ("hosts.json", '{"_meta": {}, "g": {"hosts": "x"}}', "I202 0:0 'hosts' of 'g'"),
        ("hosts.json", '{"_meta": {"hostvars": []}, "g": ["a"]}', "I202 0:0 '_meta.hostvars'"),
        ("hosts.json", '{"_meta": {"hostvars": {"a": 1}}, "g": ["a"]}', "I202 0:0 the variables"),
        ("hosts.json", '{"_meta": {}, "g": [1]}', "I207 0:0"),
        ("hosts.json", '{"_meta": {}, "g": {"children": 1}}', "I202 0:0"),
        ("hosts.json", '{"_meta": {}, "g": {"vars": 1}}', "I202 0:0"),
        ("hosts.toml", "a = ", "I202 0:0 no valid TOML"),
        ("hosts", "all:\n\thosts:\n", "P101 2:1"),
        ("hosts", "[web]\na b\n", "I202 2:0"),
        ("hosts.prod", "all:\n  hosts:\n", "I207 1:0"),
    ],
)
def test_other_forms(tmp_path: Path, name: str, text: str, expected: str) -> None:
    assert _told(tmp_path, name, text)[0].startswith(expected)


def test_every_source_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("all: [")
    (tmp_path / "b.ini").write_text("a b\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/c.yml").write_text("all: {hosts: 5}")
    missing = tmp_path / "missing"
    found = _findings(tmp_path / "a.yml", tmp_path / "b.ini", tmp_path / "folder", missing)
    assert [one.code.name for one in found] == ["P101", "I202", "I202", "I201"]


def test_large_and_strange_files(tmp_path: Path) -> None:
    large = tmp_path / "large.yml"
    large.write_bytes(b"# x\n" * (5 * 1024 * 1024))
    assert [found.code.name for found in _findings(large)] == ["P107"]
    assert [found.code.name for found in _findings("a\0b")] == ["I201"]
    assert [found.code.name for found in _findings("x" * 5000)] == ["I201"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "all:\n", "{}", "---\n"])
def test_empty_inventories_load_but_say_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    inventory = load([path])
    assert inventory.hosts == ()
    assert [found.code.name for found in inventory.findings] == ["I205"]
    assert load([tmp_path / "."]).hosts == ()


def test_what_ansible_leaves_out_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {a: }, host: {b: }}\nx: 5\na: {}\n")
    told = [(found.severity.word, str(found.place)) for found in load([path]).findings]
    assert sorted(told) == [
        ("warning", f"{path}:1:21"),
        ("warning", f"{path}:2:1"),
        ("warning", f"{path}:3:1"),
    ]


def test_variables_files(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("g: {hosts: {a: , b: }}")
    for folder in ("group_vars", "host_vars"):
        (tmp_path / folder).mkdir()
    (tmp_path / "group_vars/g.yml").write_text("- a list\n")
    (tmp_path / "group_vars/all.yml").write_text("x: 1\nx: 2\n")
    (tmp_path / "host_vars/b.yml").write_text("y: [\n")
    inventory = load([tmp_path / "hosts.yml"])
    told = [f"{found.code.name} {found.place}" for found in inventory.check()]
    assert told == [
        f"P103 {tmp_path}/group_vars/all.yml:2:1",
        f"I202 {tmp_path}/group_vars/g.yml:1:1",
        f"P101 {tmp_path}/host_vars/b.yml:2:1",
    ]
    assert len(inventory.check(["a"])) == 2
    with pytest.raises(InventoryError):
        _ = inventory.host("a").variables


def test_hostile_names_read_no_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "site/host_vars").mkdir(parents=True)
    (tmp_path / "secret.yml").write_text("stolen: true\n")
    path = tmp_path / "site/hosts.yml"
    path.write_text('all: {hosts: {"../../secret": , "..": , ".": , "/etc": , "a\\0b": }}')
    inventory = load([path])
    assert [dict(inventory.host(name).variables) for name in inventory.hosts] == [{}] * 5


def test_unknown_host(tmp_path: Path) -> None:
    inventory = load(["a,b"])
    with pytest.raises(InventoryError) as error:
        inventory.host("c")
    assert error.value.findings[0].code.name == "I203"
    with pytest.raises(InventoryError):
        inventory.graph("nogroup")


@pytest.mark.parametrize("limit", ["", ",", " ", "@empty"])
def test_an_empty_limit_is_not_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(InventoryError) as error:
        load(["a,b"]).match("all", limit=limit)
    assert error.value.findings[0].code.name == "I203"


def test_missing_limit_file(tmp_path: Path) -> None:
    with pytest.raises(PassthruError) as error:
        load(["a,b"]).match("all", limit=f"@{tmp_path}/none")
    assert error.value.findings[0].code.name == "P100"


def test_unreadable(tmp_path: Path) -> None:
    """A link to itself: nobody can open it, not even root."""
    path = tmp_path / "hosts.yml"
    path.symlink_to(path)
    assert [found.code.name for found in _findings(path)] == ["I201"]
