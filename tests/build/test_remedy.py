"""A deviation is found by comparing effects, and told with its flows, its reason and a way out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.build import matrix
from compiler.build.plan import RouterCompiler
from compiler.build.registry import installed
from compiler.build.site import Router
from compiler.catalogue import builtin
from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, OnDeviation

BLOCK, PASS = Action.BLOCK, Action.PASS


def example(name: str, *without: str) -> Device:
    target = installed().get(name.partition("-")[0])
    found = next(each for each in target.examples() if each.name == name)
    facts = {key: value for key, value in found.facts.items() if key not in without}
    options = {key: value for key, value in found.options.items() if key not in without}
    return replace(found, facts=facts, options=options)


def told(
    device: Device,
    protocol: str,
    action: Action,
    mode: OnDeviation = OnDeviation.FAIL,
    relative: str = "",
) -> dict[Code, Finding]:
    """Compile for a plain policy; of several findings with one code, the one about a relative."""
    intent = matrix._intent(protocol, action, device, builtin())
    router = Router(device, intent, (), frozenset())
    _, findings = RouterCompiler(installed(), mode).compile(router)
    about = sorted(findings, key=lambda finding: finding.protocol == relative)
    return {finding.code: finding for finding in about}


@pytest.mark.parametrize(
    ("name", "protocol", "code", "words", "hint"),
    [
        (
            "ddwrt",
            "ipsec",
            Code.D501,
            (
                "ikev1.natt",
                "ipsec.esp",
                "ipsec.esp-udp",
                "over ipv4 and ipv6",
                "no switch of this family touches it",
            ),
            "`passthru_scripts: true` would do",
        ),
        (
            "ddwrt",
            "pptp",
            Code.D501,
            ("pptp.data over ipv4", "no switch of this family touches it"),
            "`passthru_scripts: true` would do",
        ),
        (
            "dlink-rgdb",
            "l2tp",
            Code.T406,
            ("/nat/passthrough/l2tp=0 also drops udp/500 of other protocols",),
            "block them too, or use a target with rules",
        ),
        (
            "asuswrt",
            "l2tp",
            Code.D501,
            ("l2tp.tunnel over ipv6", "no switch of this family touches it"),
            "`passthru_scripts: true` with `passthru_facts: {merlin: true}` (where that is so)",
        ),
        (
            "asuswrt",
            "l2tp",
            Code.D501,
            ("l2tp.tunnel over ipv6",),
            "say `families: [ipv4]`, use a firmware that filters IPv6",
        ),
        (
            "tplink-omada",
            "l2tp",
            Code.D501,
            ("l2tp.tunnel over ipv4", "no switch of this family touches it"),
            "a looser entry, another firmware, or `on_deviation: warn` accepts it",
        ),
        (
            "freshtomato",
            "wireguard",
            Code.D501,
            ("wireguard.data over ipv4", "no switch of this family touches it"),
            "`passthru_scripts: true` would do",
        ),
        (
            "netgear",
            "pptp",
            Code.D501,
            ("pptp.control, pptp.data over ipv4", "has no switch for it"),
            "another firmware",
        ),
    ],
)
def test_which_flows_why_and_what_would_mend(
    name: str, protocol: str, code: Code, words: tuple[str, ...], hint: str
) -> None:
    relative = "ikev1" if protocol == "ipsec" else protocol  # the first that claims ESP
    finding = told(example(name), protocol, BLOCK, relative=relative)[code]
    assert finding.severity is Severity.ERROR
    for word in words:
        assert word in finding.message
    assert hint in finding.hint
    accepted = told(example(name), protocol, BLOCK, OnDeviation.WARN)[code]
    assert accepted.severity is Severity.WARNING


def test_a_fact_that_nobody_stated_is_a_way_out() -> None:
    finding = told(example("asuswrt", "kernel"), "pptp", PASS)[Code.D504]
    assert finding.hint == "`passthru_facts: {kernel: '4.1.27'}` (where that is so) would do"


def test_what_the_inventory_states_is_never_told_otherwise() -> None:
    """A router with a new kernel does not get an old one by being told so."""
    device = example("asuswrt", "kernel")
    modern = replace(device, facts={**device.facts, "kernel": "5.4.1"})
    assert told(modern, "pptp", PASS)[Code.D504].hint == ""
    stock = replace(device, facts={**device.facts, "merlin": False})
    assert "scripts" not in told(stock, "l2tp", BLOCK)[Code.D501].hint


def test_only_what_is_needed_is_asked_for() -> None:
    """The typical router with scripts also states its kernel, which no block depends on."""
    finding = told(example("ddwrt", "kernel"), "l2tp", BLOCK)[Code.D505]
    assert finding.hint.startswith("`passthru_scripts: true` would do; ")


def test_an_exact_router_has_nothing_to_mend() -> None:
    assert not told(example("linux"), "pptp", BLOCK)
