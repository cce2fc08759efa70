"""A policy that passes PPTP on a router without its helper is refused, with what mends it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from compiler.build import matrix
from compiler.build.registry import installed
from compiler.catalogue import builtin
from compiler.errors import TargetError
from compiler.model import modules
from compiler.model.device import Device, Fact
from compiler.model.effect import HelperState
from compiler.model.example import typical
from compiler.model.finding import Code
from compiler.model.intent import Action, Intent
from compiler.model.judge import probes
from compiler.model.protocol import Family

BOTH: list[Fact] = ["nf_conntrack_pptp", "nf_nat_pptp"]
HALF: list[Fact] = ["nf_conntrack_pptp", "nf_conntrack"]
#: RouterOS has its helpers built in, nothing is set on Netgear, OpenWrt names a package instead.
NO_MODULES = {"routeros", "netgear", "openwrt"}


def examples() -> list[Device]:
    names = [name for name in installed().names if name not in NO_MODULES]
    return [each for name in names for each in installed().get(name).examples()]


def wanted(action: Action, device: Device) -> Intent:
    return matrix._intent("pptp", action, device, builtin())


def having(device: Device, stated: Any) -> Device:
    return replace(device, facts=MappingProxyType({**device.facts, "modules": stated}))


@pytest.mark.parametrize("device", examples(), ids=lambda device: device.name)
def test_a_lacking_module_is_an_error_with_a_command(device: Device) -> None:
    target = installed().get(device.target)
    bare = having(device, HALF)
    assert f"facts.{modules.FACT}" in target.options()
    assert not list(target.check(bare))
    with pytest.raises(TargetError) as caught:
        target.settings(wanted(Action.PASS, bare), bare)
    (finding,) = caught.value.findings
    assert finding.code is Code.T405
    assert "nf_nat_pptp" in finding.message or "nf_conntrack_pptp" in finding.message
    assert "nf_conntrack_pptp and nf_nat_pptp" not in finding.message  # it has one of them
    assert any(word in finding.hint for word in ("modprobe", "opkg", "apk"))
    # A block needs no helper, and neither does a policy about something else.
    target.settings(wanted(Action.BLOCK, bare), bare)
    target.settings(matrix._intent("l2tp", Action.PASS, bare, builtin()), bare)


@pytest.mark.parametrize("device", examples(), ids=lambda device: device.name)
def test_with_the_modules_stated_it_is_as_without(device: Device) -> None:
    target = installed().get(device.target)
    full, bare = having(device, BOTH), replace(device, facts=_without(device))
    intent = wanted(Action.PASS, full)
    assert target.settings(intent, full) == target.settings(intent, bare)


def _without(device: Device) -> Any:
    return {key: value for key, value in device.facts.items() if key != "modules"}


@pytest.mark.parametrize("name", ["asuswrt", "ddwrt", "freshtomato", "vyos", "edgeos", "tplink"])
def test_effects_know_that_the_helper_is_absent(name: str) -> None:
    """An audit reads settings that were never refused."""
    target = installed().get(name)
    device = target.examples()[0]
    intent = wanted(Action.PASS, device)
    settings, bare = target.settings(intent, device), having(device, HALF)
    found = target.effects(settings, bare, probes(intent, bare))
    states = {e.helper for e in found if e.probe.flow.id == "pptp.data"}
    assert states - {HelperState.NOT_NEEDED} == {HelperState.ABSENT}
    other = target.effects(settings, device, probes(intent, device))
    assert HelperState.ABSENT not in {effect.helper for effect in other}


@pytest.mark.parametrize(
    ("stated", "lacks"),
    [
        (None, ()),
        ([], ("nf_conntrack_pptp", "nf_nat_pptp")),
        (["nf-nat-pptp", "nf-conntrack-pptp"], ()),
        (["/lib/modules/4.1.27/kernel/nf_nat_pptp.ko", "nf_conntrack_pptp.ko.xz"], ()),
        (["nf_nat_pptp2", "xnf_conntrack_pptp"], ("nf_conntrack_pptp", "nf_nat_pptp")),
    ],
)
def test_names_of_modules(stated: Any, lacks: tuple[str, ...]) -> None:
    facts = {} if stated is None else {"modules": stated}
    device = typical("r", "linux", facts)
    assert modules.missing(device, ("nf_conntrack_pptp", "nf_nat_pptp")) == lacks


@pytest.mark.parametrize("stated", ["nf_nat_pptp", [1], [""], {"a": 1}, True])
@pytest.mark.parametrize("name", ["asuswrt", "linux", "vyos", "edgeos"])
def test_a_fact_that_is_no_list_of_names_is_refused(name: str, stated: Any) -> None:
    target = installed().get(name)
    found = target.check(having(target.examples()[0], stated))
    if name == "linux" and stated == [""]:
        return  # an empty name is no module of its own there
    assert [finding.code for finding in found] == [Code.T404]


def test_a_pass_over_ipv6_alone_needs_no_helper() -> None:
    device = having(installed().get("asuswrt").examples()[0], [])
    intent = wanted(Action.PASS, device)
    (decision,) = intent.decisions
    six = replace(decision.limits, families=frozenset({Family.IPV6}))
    only = replace(intent, decisions=(replace(decision, limits=six),))
    assert not list(modules.lacking(only, device))
    assert list(modules.lacking(intent, device))
