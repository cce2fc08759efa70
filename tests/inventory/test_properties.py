"""Laws of patterns, forms and ranges over random inventories, against Ansible where it is."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest import TempPathFactory  # noqa: PT013, TC002 - hypothesis reads the annotation

from compiler.errors import PassthruError
from compiler.inventory import Inventory, load
from compiler.inventory.ranges import expand_host
from tests.inventory.support import ask_ansible

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HOSTS = ["h1", "h2", "h3", "web1", "web2", "db.example.net"]
GROUPS = ["a", "b", "c", "web", "lab"]
_values = st.one_of(
    st.integers(-99, 99),
    st.booleans(),
    st.sampled_from(["text", "1.2.3", "a b", "x=y", "True", "", "it's", "[1", "{{ x }}", "#no"]),
    st.lists(st.integers(0, 9), max_size=2),
)
_variables = st.dictionaries(st.sampled_from(["u", "v", "w"]), _values, max_size=3)
_patterns = st.sampled_from(
    [*HOSTS, *GROUPS, "all", "*", "h*", "web*", "~h[12]", "web[0]", "*.net", "a:b", "a:!b", "a:&b"]
)


@st.composite
def inventories(draw: st.DrawFn) -> dict[str, Any]:
    """Make an inventory in Ansible's YAML form, without circles: children come later."""
    groups: dict[str, Any] = {}
    for index, name in enumerate(GROUPS):
        later = GROUPS[index + 1 :]
        children = draw(st.lists(st.sampled_from(later), unique=True)) if later else []
        hosts = draw(st.dictionaries(st.sampled_from(HOSTS), _variables, max_size=4))
        groups[name] = {
            "hosts": hosts,
            "vars": draw(_variables),
            "children": dict.fromkeys(children),
        }
    groups["all"] = {"hosts": dict.fromkeys(HOSTS), "vars": draw(_variables)}
    return groups


def _load(folder: Path, groups: dict[str, Any]) -> Inventory:
    path = folder / "hosts.json"
    path.write_text(json.dumps(groups), encoding="utf-8")
    return load([path])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _as_ini(groups: dict[str, Any]) -> str:
    """Write the same inventory as INI; every value is a Python literal there."""
    lines = []
    for name, group in groups.items():
        lines.append(f"[{name}]")
        for host, variables in group["hosts"].items():
            pairs = (_quoted(f"{key}={value!r}") for key, value in (variables or {}).items())
            lines.append(" ".join([host, *pairs]))
        lines.append(f"[{name}:vars]")
        lines += [f"{key} = {value!r}" for key, value in group["vars"].items()]
        lines.append(f"[{name}:children]")
        lines += group.get("children", {})
    return "\n".join(lines) + "\n"


def _listed(inventory: Inventory) -> dict[str, Any]:
    """List an inventory without the order of children: INI adds them when it declares them."""
    listed = inventory.to_list_json()
    for name, group in listed.items():
        if name != "_meta":
            listed[name] = {section: sorted(names) for section, names in group.items()}
    return listed


@QUICK
@given(inventories(), _patterns, _patterns)
def test_laws_of_patterns(tmp_path: Path, groups: dict[str, Any], one: str, two: str) -> None:
    inventory = _load(tmp_path, groups)

    def match(pattern: str) -> tuple[str, ...] | None:
        try:
            return inventory.match(pattern)
        except PassthruError:
            return None  # web[0] of an empty group

    first, second = match(one), match(two)
    if first is None or second is None:
        return
    # 'a:!b' as a part is several parts; the laws are about single ones.
    if ":" not in one + two:
        assert match(f"{one},!{one}") == ()
        assert match(f"{one},&{one}") == first
        both, union = match(f"{one},&{two}"), match(f"{one},{two}")
        without = match(f"{one},!{two}")
        assert both == tuple(name for name in first if name in second)
        assert without == tuple(name for name in first if name not in second)
        assert union == tuple(dict.fromkeys([*first, *second]))
    assert set(first) <= set(inventory.hosts)
    assert inventory.match(one, limit=two) == tuple(name for name in first if name in second)
    assert len(set(first)) == len(first)


@QUICK
@given(inventories())
def test_ini_and_yaml_say_the_same(tmp_path: Path, groups: dict[str, Any]) -> None:
    ini = tmp_path / "hosts.ini"
    ini.write_text(_as_ini(groups), encoding="utf-8")
    assert _listed(load([ini])) == _listed(_load(tmp_path, groups))


@QUICK
@given(inventories())
def test_a_listing_lists_as_itself(tmp_path: Path, groups: dict[str, Any]) -> None:
    listed = _load(tmp_path, groups).to_list_json()
    path = tmp_path / "listing.json"
    path.write_text(json.dumps(listed), encoding="utf-8")
    assert load([path]).to_list_json() == listed


@QUICK
@given(inventories())
def test_every_variable_has_a_place_that_holds_it(tmp_path: Path, groups: dict[str, Any]) -> None:
    inventory = _load(tmp_path, groups)
    text = (tmp_path / "hosts.json").read_text(encoding="utf-8")
    for name in inventory.hosts:
        host = inventory.host(name)
        for variable, value in host.variables.items():
            place = host.place(variable)
            assert place is not None
            assert place.line == 1
            written, _ = json.JSONDecoder().raw_decode(text[place.column - 1 :])
            assert written == value


_PIECES = [
    *("h", "x-1", ".net", "[1:3]", "[01:03]", "[a:c]", "[0:6:2]", "[5:1]", "[:2]", "[1:]"),
    *("[08:10]", "[1:100]", "[a:C]", "[x]", "[1:2", ":22", ":x", "[::1]", "::", "10.0.0.1"),
    *("_", "fe80", "$(id)", " ", "|", "é", "[00:2]", "[a:c:2]", "[1:9:0]", "-", "[z:a]"),
]


def _expanded(pattern: str) -> list[Any] | None:
    try:
        hosts, port = expand_host(pattern)
    except ValueError:
        return None
    return [list(hosts), port]


def test_ranges_and_ports_are_those_of_ansible() -> None:
    """Seeded and not shrunk: one question to Ansible, as starting it is what takes time."""
    dice = random.Random(20)  # noqa: S311 - no secret
    patterns = ["".join(dice.choices(_PIECES, k=dice.randint(1, 4))) for _ in range(4000)]
    (answers,) = ask_ansible([{"do": "expand", "patterns": patterns}])
    differing = [
        (pattern, ours, theirs)
        for pattern, theirs in zip(patterns, answers, strict=True)
        # A wrong range behind one that is empty is an error here, and no host at all there;
        # Ansible also takes '|' for a bracket.
        if (ours := _expanded(pattern)) != theirs and (ours or (theirs[0] and "|" not in pattern))
    ]
    assert not differing


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(st.lists(inventories(), min_size=2, max_size=2), st.lists(_patterns, min_size=8, max_size=8))
def test_random_inventories_are_those_of_ansible(
    tmp_path_factory: TempPathFactory, many: list[dict[str, Any]], patterns: list[str]
) -> None:
    folders, wanted = [], []
    for groups in many:
        folder = tmp_path_factory.mktemp("site")
        _load(folder, groups)
        (folder / "hosts.ini").write_text(_as_ini(groups), encoding="utf-8")
        for source in ("hosts.json", "hosts.ini"):
            folders.append(folder / source)
            asked = [[pattern, ""] for pattern in patterns]
            base: dict[str, Any] = {"cwd": str(folder), "args": ["-i", source], "sources": [source]}
            wanted += [{"do": "list", **base}, {"do": "match", "asked": asked, **base}]
    answers = iter(ask_ansible(wanted))
    for path in folders:
        inventory = load([path])
        assert json.loads(json.dumps(inventory.to_list_json())) == json.loads(next(answers))
        for pattern, hosts in zip(patterns, next(answers), strict=True):
            if hosts is not None and "[" not in pattern:
                assert sorted(inventory.match(pattern)) == sorted(hosts)
