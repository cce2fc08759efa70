"""The real fw4 reads what we write, where PASSTHRU_FW4_JUDGE names a program that runs it.

The program takes a config file and leaves with 0 only where uci reads the file, fw4 prints no
``[!]`` warning and ``nft -c`` takes the ruleset, which it prints.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.model.device import Device, Role, Zone
from compiler.model.intent import Action, Decision, Intent
from compiler.model.protocol import LAYER4
from targets.openwrt import TARGET
from tests.model.flows import flow
from tests.targets.openwrt.support import (
    GUEST,
    LAN,
    MODULES,
    WAN,
    decision,
    device,
    exposure,
    intent,
    intents,
)

JUDGE = os.environ.get("PASSTHRU_FW4_JUDGE", "")
pytestmark = pytest.mark.judge

CONFIG = """\
config defaults
	option input REJECT
	option output ACCEPT
	option forward REJECT

config zone
	option name 'lan'
	list network 'lan'
	option input ACCEPT
	option forward ACCEPT

config zone
	option name 'guest'
	list network 'guest'
	option input REJECT

config zone
	option name 'wan'
	list network 'wan'
	option input REJECT
	option forward DROP
	option masq 1

config forwarding
	option src lan
	option dest wan

config rule
	option name 'Allow-Ping'
	option src wan
	option proto icmp
	option icmp_type echo-request
	option family ipv4
	option target ACCEPT
"""


def judged(
    tmp_path: Path, wanted: Intent, router: Device, *options: str, base: str = CONFIG
) -> str:
    """Merge, let the real fw4 judge, and give the ruleset that it prints."""
    config = tmp_path / "firewall"
    config.write_text(TARGET.merge(TARGET.settings(wanted, router), base, router))
    done = subprocess.run(
        [JUDGE, config, *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{config.read_text()}"
    return done.stdout


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(intents())
def test_random_intents(tmp_path: Path, wanted: Intent) -> None:
    """Every section of ours that has a name is in the ruleset, and nothing else of ours."""
    router = device(modules=MODULES)
    ruleset = judged(tmp_path, wanted, router, "--ipv6")
    names = {section.text("name") for section in TARGET.settings(wanted, router).sections}
    assert set(re.findall(r'comment "!fw4: (passthru [^"]*)"', ruleset)) == names - {""}


def test_helper_is_assigned_by_fw4_and_its_absence_is_harmless(tmp_path: Path) -> None:
    wanted = intent(decision("pptp", Action.PASS))
    zones = (LAN, WAN)
    ruleset = judged(tmp_path, wanted, device(zones=zones))
    chain = ruleset.partition("chain helper_lan {")[2].partition("}")[0]
    assert 'tcp dport 1723 ct helper set "pptp"' in chain
    judged(tmp_path, wanted, device(zones=zones), "--no-pptp-module")


def test_exposed_pptp_sets_the_helper_on_the_wan_side(tmp_path: Path) -> None:
    wanted = intent(exposure("pptp", "192.168.1.21"))
    ruleset = judged(tmp_path, wanted, device(modules=MODULES))
    chain = ruleset.partition("chain helper_wan {")[2].partition("}")[0]
    assert 'tcp dport 1723 counter ct helper set "pptp"' in chain


def test_every_layer_4_of_the_catalogue(tmp_path: Path) -> None:
    flows = tuple(flow(f"all.{name}", number) for name, number in LAYER4.items())
    ruleset = judged(
        tmp_path,
        intent(Decision("all", Action.BLOCK, flows, decision("l2tp", Action.BLOCK).origin)),
        device(),
        "--ipv6",
    )
    assert ruleset.count("all ipv6-in-ip block") == 2


@pytest.mark.parametrize("name", ["ip", "drop", "a-b", "a_b", "a/b", ".x", "_", "z" * 64])
def test_zone_names_that_check_accepts(tmp_path: Path, name: str) -> None:
    """Names that nft knows as keywords, other characters, and the longest one."""
    zone = Zone(name, Role.LAN, GUEST.devices, GUEST.networks)
    router = device(zones=(LAN, zone, WAN), modules=MODULES)
    assert not TARGET.check(router)
    wanted = intent(decision("pptp", Action.PASS), decision("ipsec", Action.BLOCK))
    base = CONFIG.replace("option name 'guest'", f"option name '{name}'")
    assert f"chain forward_{name} {{" in judged(tmp_path, wanted, router, base=base)


def test_hostile_protocol_names(tmp_path: Path) -> None:
    origin = decision("l2tp", Action.BLOCK).origin
    names = ["$(id)", "it's", 'a"b', "a\nb", "\U0001f600", "x" * 300, "chain", "}"]
    blocked = [
        Decision(name, Action.BLOCK, (flow(f"{name}.x", 6, 1000 + i),), origin)
        for i, name in enumerate(names)
    ]
    judged(tmp_path, intent(*blocked), device())
