"""Targets are found by entry point, imported when needed, and their mistakes are named."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from compiler.build.registry import GROUP, Registry, installed
from compiler.errors import ExitCode, TargetError
from compiler.model.finding import Place

PLACE = Place("hosts.yml", 4, 7)


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def refusal(registry: Registry, name: str) -> tuple[str, str, str]:
    with pytest.raises(TargetError) as caught:
        registry.get(name, PLACE)
    assert caught.value.exit_code is ExitCode.INVALID
    (finding,) = caught.value.findings
    assert finding.place == PLACE
    return finding.code.name, finding.message, finding.hint


def test_every_installed_target_loads_under_its_own_name() -> None:
    registry = installed()
    assert {"linux", "openwrt", "asuswrt", "tplink", "linksys"} <= set(registry.names)
    assert [registry.get(name).name for name in registry.names] == list(registry.names)
    assert registry.distribution("linux").startswith("passthru ")
    assert registry.get("linux") is registry.get("linux")


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    registry = Registry([entry("bad", "no_such_module:X"), entry("linux", "targets.linux:TARGET")])
    assert registry.names == ("bad", "linux")
    assert registry.get("linux").name == "linux"
    code, message, _ = refusal(registry, "bad")
    assert code == "T402"
    assert "no_such_module" in message


@pytest.mark.parametrize(
    ("name", "shown", "hint"),
    [
        ("linx", "'linx'", "did you mean 'linux'?"),
        ("zzz", "'zzz'", "installed targets: linux"),
        ("a\nb", "''a\\nb''", "installed targets"),
        ("x" * 300, "x" * 50, "installed targets"),
    ],
)
def test_an_unknown_target_is_t401(name: str, shown: str, hint: str) -> None:
    code, message, said = refusal(Registry([entry("linux", "targets.linux:TARGET")]), name)
    assert code == "T401"
    assert shown in message
    assert len(message) < 100
    assert hint in said


def test_no_target_at_all_is_said() -> None:
    assert refusal(Registry([]), "linux")[2] == "installed targets: none"


def test_two_different_objects_under_one_name_are_t403() -> None:
    entries = [entry("box", "one:TARGET"), entry("box", "two:TARGET")]
    code, message, _ = refusal(Registry(entries), "box")
    assert code == "T403"
    assert "one:TARGET" in message
    assert "two:TARGET" in message


def test_the_same_object_listed_twice_is_one_target() -> None:
    """An editable install beside a built one lists its entry points twice."""
    twice = [entry("linux", "targets.linux:TARGET")] * 2
    assert Registry(twice).get("linux").name == "linux"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("targets.linux:NOTHING", "AttributeError"),
        ("targets.linux:LinuxTarget.name", "lacks summary"),
        ("targets.openwrt:TARGET", "has another name inside"),
    ],
)
def test_an_object_that_is_no_target_is_t402(value: str, words: str) -> None:
    code, message, _ = refusal(Registry([entry("linux", value)]), "linux")
    assert code == "T402"
    assert words in message
