"""Every bad variable is a finding at its place; good ones make the device they describe."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from compiler.build.device import Devices
from compiler.build.registry import installed
from compiler.inventory import load
from compiler.model.device import Role
from compiler.model.finding import Severity
from tests.build.support import LINUX, ZONES, device


def linux(**more: Any) -> dict[str, Any]:
    return {**LINUX, **{f"passthru_{name}": value for name, value in more.items()}}


def test_a_good_host_becomes_a_device(tmp_path: Path) -> None:
    zones = {
        "lan": {"device": "br0", "devices": ["wlan0"], "networks": "192.168.1.0/24"},
        "dmz": {"device": "br1", "networks": ["2001:db8::/64"], "role": "lan"},
        "wan-fibre": {"device": "eth0"},
        "uplink": {"device": "eth1", "role": "wan"},
    }
    found, findings = device(tmp_path, linux(zones=zones, forward="drop", facts={"modules": []}))
    assert findings == []
    assert found is not None
    assert [zone.role for zone in found.zones] == [Role.LAN, Role.LAN, Role.WAN, Role.WAN]
    assert found.zones[0].devices == ("br0", "wlan0")
    assert found.zones[0].networks == (ip_network("192.168.1.0/24"),)
    assert found.ipv6 is True
    assert dict(found.options) == {"forward": "drop"}
    assert found.place is not None


def test_variables_are_templates_and_foreign_ones_are_not_touched(tmp_path: Path) -> None:
    variables = linux(forward="{{ habit }}") | {"habit": "drop", "broken": "{{ nowhere }}"}
    found, findings = device(tmp_path, variables)
    assert findings == []
    assert found is not None
    assert found.options["forward"] == "drop"


BAD: list[tuple[dict[str, Any], str, str, str]] = [
    ({}, "I204", "has no target", "`passthru targets`"),
    ({"passthru_target": 7}, "I206", "must be text", ""),
    ({"passthru_target": ""}, "I206", "is empty", ""),
    ({"passthru_target": "linus"}, "T401", "unknown target 'linus'", "did you mean 'linux'?"),
    (linux(zones=[]), "I206", "must be a mapping", ""),
    (linux(zones="lan"), "I206", "must be a mapping", ""),
    (linux(zones={}), "I206", "is empty", ""),
    (linux(zones={**ZONES, "lan": {"devcie": "br0"}}), "I206", "'devcie'", "'device'"),
    (linux(zones={**ZONES, "lan": {"device": 7}}), "I206", "must be text", ""),
    (linux(zones={**ZONES, "lan": {"device": ""}}), "I206", "is empty", ""),
    (linux(zones={**ZONES, "lan": {"devices": "br0"}}), "I206", "must be a list", ""),
    (linux(zones={**ZONES, "lan": {"devices": []}}), "I206", "is empty", ""),
    (linux(zones={**ZONES, "lan": {"device": "a", "role": "dmz"}}), "I206", "'lan' or 'wan'", ""),
    (linux(zones={**ZONES, "lan": ["br0"]}), "I206", "must be a mapping", ""),
    (
        linux(zones={**ZONES, "lan": {"device": "a", "networks": ["192.168.1.1/24"]}}),
        *("P110", "is not a network", "did you mean 192.168.1.0/24?"),
    ),
    (
        linux(zones={**ZONES, "lan": {"device": "a", "networks": ["home"]}}),
        *("P110", "zone 'lan': 'home' is not a network", "write 192.168.1.0/24"),
    ),
    (linux(zones={**ZONES, "lan": {"device": "a", "networks": 7}}), "I206", "networks", ""),
    (linux(zones={"lan": ZONES["lan"]}), "T404", "has no wan zone", ""),
    (linux(zones={**ZONES, "lan": {}}), "T404", "names no device", ""),
    (linux(facts=["modules"]), "I206", "must be a mapping", ""),
    (linux(facts={"modules": "all"}), "T404", "must be a list", ""),
    (linux(mode="bridge"), "I206", "'gateway' or 'overlay'", ""),
    (linux(mode=True), "I206", "passthru_mode", ""),
    (linux(mode="overlay", forward="drop"), "I206", "no meaning in overlay mode", ""),
    (linux(forwrad="drop"), "I206", "'passthru_forwrad'", "did you mean 'passthru_forward'?"),
    (linux(zone=ZONES), "I206", "'passthru_zone'", "did you mean 'passthru_zones'?"),
    (linux(colour="red"), "I206", "no variable 'passthru_colour'", ""),
    (linux(observed="nowhere.txt"), "P100", "nowhere.txt", ""),
    (linux(observed=""), "I206", "is empty", ""),
    (linux(via=7), "I206", "must be text", ""),
    (linux(forward="{{ nowhere }}"), "V301", "nowhere", ""),
    (linux(forward="{{ 1 +"), "V302", "", ""),
]


@pytest.mark.parametrize(("variables", "code", "words", "hint"), BAD)
def test_a_bad_variable_is_a_finding_at_its_place(
    tmp_path: Path, variables: dict[str, Any], code: str, words: str, hint: str
) -> None:
    found, findings = device(tmp_path, variables)
    errors = [f for f in findings if f.severity is Severity.ERROR]
    assert code in [f.code.name for f in errors], findings
    finding = next(f for f in errors if f.code.name == code)
    assert words in finding.message
    assert hint in finding.hint
    assert finding.host in ("r1", "")
    assert finding.place is not None
    assert finding.place.file.endswith(("hosts.json", "nowhere.txt"))
    assert found is None or found.name == "r1"


def test_all_problems_of_a_host_come_at_once(tmp_path: Path) -> None:
    zones = {
        "lan": {"device": "a", "networks": ["192.168.1.1/24", "x"]},
        "guest": {"device": "b", "networks": ["y"]},
    }
    _, findings = device(tmp_path, linux(zones=zones, forwrad="drop", colour="red"))
    assert [f.code.name for f in findings] == ["P110", "P110", "P110", "I206", "I206"]


def test_an_unknown_fact_is_a_warning(tmp_path: Path) -> None:
    found, (finding,) = device(tmp_path, linux(facts={"module": ["x"], "ipv6": True}))
    assert found is not None
    assert finding.severity is Severity.WARNING
    assert finding.hint == "did you mean 'modules'?"


@pytest.mark.parametrize("name", ["1", "yes", "~", "1.5"])
def test_a_zone_name_that_yaml_reads_as_something_else_is_refused(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(
        "all:\n  hosts:\n    r1:\n      passthru_target: linux\n      passthru_zones:\n"
        f"        {name}: {{device: br0}}\n"
        "        lan: {device: br1}\n        wan: {device: eth0}\n"
    )
    found, findings = Devices(installed()).device(load([str(path)]).host("r1"))
    assert found is None
    assert any("must be text" in f.message and f.hint == "write it in quotes" for f in findings)
    assert all(f.place and f.place.line == 6 for f in findings)
