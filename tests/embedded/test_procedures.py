"""The scripts of the targets run on embedded routers as they are, over SSH, and come into force."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from compiler.embedded import EmbeddedFleet
from compiler.model.device import Device, Fact
from compiler.model.example import typical
from compiler.model.finding import Severity
from compiler.model.intent import Action
from compiler.model.step import StepName
from compiler.model.target import File, Target
from targets.asuswrt import TARGET as ASUSWRT
from targets.ddwrt import TARGET as DDWRT
from targets.edgeos import TARGET as EDGEOS
from targets.freshtomato import TARGET as FRESHTOMATO
from targets.linux import TARGET as LINUX
from targets.netgear import TARGET as NETGEAR
from targets.openwrt import TARGET as OPENWRT
from targets.vyos import TARGET as VYOS
from tests.embedded.support import client, run
from tests.targets.openwrt.support import decision, intent

L2TP = intent(decision("l2tp", Action.BLOCK))
CASES: dict[str, tuple[Target[Any], dict[str, Fact], dict[str, Fact]]] = {
    "openwrt": (OPENWRT, {"release": "24.10"}, {}),
    "asuswrt": (ASUSWRT, {}, {}),
    "ddwrt": (DDWRT, {}, {}),
    "freshtomato": (FRESHTOMATO, {}, {"scripts": True}),
    "netgear": (NETGEAR, {"firmware": "voxel"}, {"scripts": True}),
    "linux": (LINUX, {}, {}),
    "edgeos": (
        EDGEOS,
        {"release": "2.0.9", "other_rulesets": False, "auto_helper": True},
        {"ruleset": "WAN_OUT", "ruleset6": "WAN6_OUT", "ruleset_in": "WAN_IN"},
    ),
    "vyos": (VYOS, {"release": "1.4.1"}, {}),
}
ORDER = (
    StepName.FACTS,
    StepName.READ,
    StepName.STAGE,
    StepName.CHECK,
    StepName.ARM,
    StepName.APPLY,
    StepName.VERIFY,
    StepName.CONFIRM,
)


def packed(files: tuple[File, ...]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for file in files:
            info = tarfile.TarInfo(file.path)
            info.size, info.mode = len(file.content), file.mode
            archive.addfile(info, io.BytesIO(file.content))
    return data.getvalue()


@pytest.mark.parametrize("family", CASES)
def test_every_step_succeeds_and_the_settings_hold(walled: EmbeddedFleet, family: str) -> None:
    """1. stage the bundle; 2. every step; 3. read: nothing is left to change; 4. after a reboot."""
    target, facts, options = CASES[family]
    device = typical("r1", family, facts, options)
    assert not [f for f in target.check(device) if f.severity is Severity.ERROR]
    settings = target.settings(L2TP, device)
    steps = target.procedure(settings, device).steps
    scripts = {step.name: step.script for step in steps if step.script}
    router = walled.add(family)
    with client(router) as connection:
        files = target.render(settings, device).files
        unpack = "mkdir -p /tmp/stage && tar -C /tmp/stage -xf -"
        assert run(connection, unpack, packed(files)) == (0, "", "")
        text = run(connection, "sh -s", scripts[StepName.READ].encode())[1]
        assert not holds(target, settings, text, device)
        for name in ORDER:
            script = "cd /tmp/stage\n" + scripts.get(name, ":\n")
            status, out, err = run(connection, "sh -s", script.encode())
            assert status == 0, (name, out, err)
        text = run(connection, "sh -s", scripts[StepName.READ].encode())[1]
        assert holds(target, settings, text, device)
    router.reboot(0)
    with client(router) as connection:
        text = run(connection, "sh -s", scripts[StepName.READ].encode())[1]
        assert holds(target, settings, text, device)


def holds(target: Target[Any], settings: object, text: str, device: Device) -> bool:
    """Tell whether putting the settings into what was read would change nothing."""
    if not text:
        return False
    found = target.parse(text, device)
    return bool(target.parse(target.merge(settings, text, device), device) == found)
