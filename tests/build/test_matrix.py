"""The support matrix says what the effects say; the facts of families are checked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from compiler.build import matrix
from compiler.build.matrix import Cell, Row, Standing, Trial
from compiler.build.registry import installed
from compiler.errors import TargetError
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe, Verdict
from compiler.model.example import typical
from compiler.model.finding import Code, Finding
from compiler.model.protocol import Family

EXACT, SELF = Standing.EXACT, Standing.BY_ITSELF
PART, NO, OPEN = Standing.DEVIATES, Standing.IMPOSSIBLE, Standing.UNKNOWN
V4, V6 = Family.IPV4, Family.IPV6


def row(name: str) -> Row:
    target = installed().get(name.partition("-")[0])
    return next(row for row in matrix.rows(target) if row.name == name)


def cell(name: str, protocol: str, family: Family = V4) -> Cell:
    return row(name).cells[protocol][family]


@pytest.mark.parametrize(
    ("name", "protocol", "family", "standing"),
    [
        ("linux", "pptp", V4, EXACT),
        ("linux", "wireguard", V6, EXACT),
        ("linux-overlay", "ipsec", V4, OPEN),  # another firewall may drop what we pass
        ("asuswrt", "l2tp", V4, PART),  # running tunnels survive
        ("asuswrt", "l2tp", V6, SELF),  # the switches do nothing for IPv6
        ("asuswrt", "wireguard", V4, SELF),
        ("asuswrt-merlin", "l2tp", V6, EXACT),  # firewall-start
        ("ddwrt", "pptp", V4, PART),
        ("ddwrt-scripts", "pptp", V4, EXACT),
        ("freshtomato", "ipsec", V4, SELF),
        ("netgear", "pptp", V4, OPEN),
        ("netgear", "l2tp", V4, SELF),
        ("tplink-omada", "l2tp", V4, SELF),  # no switch for it
        ("tplink-luci", "l2tp", V4, OPEN),  # nobody has read what off drops
        ("linksys-classic", "l2tp", V4, EXACT),
        ("openwrt-fw4-bare", "pptp", V4, PART),  # a block can be had, a pass lacks the helper
        ("vyos", "openvpn", V6, EXACT),
    ],
)
def test_what_the_facts_say(name: str, protocol: str, family: Family, standing: Standing) -> None:
    assert cell(name, protocol, family).standing is standing


@pytest.mark.parametrize(
    ("name", "protocol", "family", "code", "flows"),
    [
        ("ddwrt", "pptp", V4, Code.D501, ("pptp.data",)),
        ("ddwrt", "ipsec", V4, Code.D505, ("ikev1.ike", "ikev2.ike")),
        ("dlink-rgdb", "pptp", V4, Code.D501, ("pptp.data",)),
        ("dlink-rgdb-old", "ikev2", V4, Code.D501, ("ikev2.natt", "ikev2.tcp")),
        ("asuswrt", "l2tp", V6, Code.D501, ("l2tp.tunnel",)),
        ("asuswrt", "l2tp", V4, Code.D505, ("l2tp.tunnel",)),
        ("tplink-omada", "l2tp", V4, Code.D501, ("l2tp.tunnel",)),
        ("tplink-cgi", "l2tp", V4, Code.D505, ("l2tp.tunnel",)),
        ("dlink-hnap", "l2tp", V4, Code.D501, ("l2tp.tunnel",)),
        ("freshtomato", "l2tp", V4, Code.D501, ("l2tp.tunnel",)),
    ],
)
def test_a_block_says_which_flows_and_why(
    name: str, protocol: str, family: Family, code: Code, flows: tuple[str, ...]
) -> None:
    blocks = cell(name, protocol, family).blocks
    assert blocks is not None
    gap = next(gap for gap in blocks.gaps if gap.code is code)
    assert gap.flows == flows
    assert all(gap.because)


def test_ddwrt_leaves_esp_and_nat_traversal_open() -> None:
    blocks = cell("ddwrt", "ipsec").blocks
    assert blocks is not None
    still = next(gap.flows for gap in blocks.gaps if gap.code is Code.D501)
    assert {"ipsec.esp", "ikev1.natt", "ikev2.natt", "ah.ah"} <= set(still)
    assert "ikev1.ike" not in still


def test_a_switch_that_takes_more_along_is_not_exact() -> None:
    blocks = cell("dlink-rgdb", "l2tp").blocks
    assert blocks is not None
    assert "also drops udp/500" in " ".join(r for gap in blocks.gaps for r in gap.because)


def test_a_lacking_module_refuses_the_pass_alone() -> None:
    found = cell("openwrt-fw4-bare", "pptp")
    assert found.passes is not None
    assert found.passes.standing is NO
    assert "nf_conntrack_pptp" in found.passes.refused
    assert found.blocks is not None
    assert found.blocks.standing is EXACT
    assert row("openwrt-fw4-bare").helper == "absent"
    assert row("openwrt-fw4").helper == "assigned"


def test_ways_to_the_router_come_from_the_procedures() -> None:
    assert (row("asuswrt").transport, row("asuswrt").rolls_back) == ("ssh", True)
    assert row("linksys-jnap").transport == "http"
    assert (row("netgear").transport, row("netgear").rolls_back) == ("file", False)


def test_ipv6_in_one_word() -> None:
    words = {name: row(name).ipv6 for name in ("linux", "asuswrt", "netgear", "vyos", "ddwrt")}
    assert words.pop("vyos") is Standing.DEVIATES  # running tunnels of AH
    assert words == {"linux": EXACT, "asuswrt": SELF, "netgear": OPEN, "ddwrt": SELF}


@pytest.mark.parametrize(
    ("passes", "blocks", "standing"),
    [
        (EXACT, EXACT, EXACT),
        (SELF, EXACT, EXACT),
        (None, EXACT, EXACT),
        (SELF, NO, SELF),
        (EXACT, NO, PART),
        (NO, NO, NO),
        (None, NO, NO),
        (NO, EXACT, PART),
        (OPEN, OPEN, OPEN),
        (EXACT, OPEN, OPEN),
        (OPEN, NO, OPEN),
        (OPEN, PART, PART),
        (PART, EXACT, PART),
        (PART, NO, PART),
    ],
)
def test_two_policies_in_one_word(
    passes: Standing | None, blocks: Standing, standing: Standing
) -> None:
    assert Cell(Trial(passes) if passes else None, Trial(blocks)).standing is standing


class Toy:
    """A router that blocks what its option names, whatever it is asked; made from linux."""

    name = "toy"

    def __init__(self, **members: Any) -> None:
        self._linux = installed().get("linux")
        self._members = members

    def __getattr__(self, member: str) -> Any:
        return self._members.get(member) or getattr(self._linux, member)


def lying(settings: Any, device: Device, probes: Sequence[Probe]) -> tuple[Effect, ...]:
    del settings, device
    return tuple(Effect(probe, Verdict.DROP, "it never works") for probe in probes)


def test_the_matrix_follows_the_effects() -> None:
    """Whatever a target says in words: a router that drops everything passes nothing."""
    (found, _) = matrix.rows(Toy(effects=lying))
    for by in found.cells.values():
        for each in by.values():
            assert each.blocks is not None
            assert each.blocks.standing is SELF
            assert each.passes is None or each.passes.standing is NO


def test_an_example_that_its_own_target_refuses_is_a_broken_target() -> None:
    wrong = replace(typical("x", "toy"), zones=())
    with pytest.raises(TargetError, match="the example 'x' of target 'toy' is not valid") as caught:
        matrix.rows(Toy(examples=lambda: [wrong]))
    assert caught.value.findings[0].code is Code.T402


def test_a_target_that_crashes_is_a_broken_target() -> None:
    def crash(*_: object) -> Sequence[Finding]:
        raise KeyError("oops")

    with pytest.raises(TargetError, match="target 'toy' fails: KeyError: 'oops'") as caught:
        matrix.rows(Toy(notes=crash))
    assert caught.value.findings[0].code is Code.T402


def test_protocols_that_stand_alike_share_a_column() -> None:
    rows = matrix.rows(installed().get("netgear"))[:1]
    groups = matrix.alike(rows, V4)
    assert [group for group in groups if "pptp" in group] == [("pptp",)]
    assert len(groups) == 2
    assert sorted(id_ for group in groups for id_ in group) == sorted(rows[0].cells)


def test_every_kind_of_router_has_a_name_of_its_own() -> None:
    names = [each.name for name in installed().names for each in matrix.rows(installed().get(name))]
    assert len(set(names)) == len(names)
    by_target: Mapping[str, list[str]] = {
        name: [each.name for each in installed().get(name).examples()] for name in installed().names
    }
    assert all(all(each.startswith(name) for each in names) for name, names in by_target.items())
