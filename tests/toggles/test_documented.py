"""Every value of every switch of every family does what its README says, and nothing else.

The table is written from the READMEs by hand: it shares nothing with the families' own data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from compiler.build.registry import installed
from compiler.model.device import Device, Fact
from compiler.model.effect import Direction, HelperState, Probe, Verdict
from compiler.model.protocol import Family
from compiler.toggles.family import Scalar, ToggleSettings
from compiler.toggles.scripted import ScriptedSettings, ScriptedTarget
from compiler.toggles.target import ToggleTarget
from tests.toggles.intents import FLOWS, device

PPTP, GRE, L2TP = "pptp.control", "pptp.data", "l2tp.all"
IKE, NATT, ESP, AH = "ipsec.ike", "ipsec.natt", "ipsec.esp", "ipsec.ah"
IPSEC = (IKE, NATT, ESP, AH)
OLD: Mapping[str, Fact] = MappingProxyType({"kernel": "2.6.36"})


@dataclass(frozen=True)
class Does:
    """What one value does to the flows: dropped, unknown, let in (IPv6), and to the PPTP helper."""

    drops: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unknown6: tuple[str, ...] = ()
    opens6: tuple[str, ...] = ()
    helper: HelperState = HelperState.UNKNOWN


def nothing(helper: HelperState = HelperState.UNKNOWN) -> Does:
    return Does(helper=helper)


HERE, GONE = HelperState.ASSIGNED, HelperState.ABSENT
Table = Mapping[tuple[str, Scalar], Does]


@dataclass(frozen=True)
class Kind:
    """One firmware: its facts, the factory's values, and what each value of one switch does."""

    name: str
    target: str
    open: Mapping[str, Scalar]
    table: Table
    facts: Mapping[str, Fact] = field(default_factory=lambda: OLD)

    def __str__(self) -> str:
        return self.name


def unsure(*flows: str) -> Mapping[str, tuple[str, ...]]:
    """Unknown in both address families."""
    return {"unknown": flows, "unknown6": flows}


_ASUS: Table = {
    ("fw_pt_pptp", "1"): nothing(HERE),
    ("fw_pt_pptp", "0"): Does((PPTP, GRE), helper=HERE),
    ("fw_pt_l2tp", "1"): nothing(HERE),
    ("fw_pt_l2tp", "0"): Does((L2TP,), helper=HERE),
    ("fw_pt_ipsec", "1"): nothing(HERE),
    ("fw_pt_ipsec", "0"): Does(IPSEC, helper=HERE),
    ("nf_pptp", "1"): nothing(HERE),
    ("nf_pptp", "0"): nothing(GONE),
}
_DDWRT: Table = {
    ("pptp_pass", "1"): nothing(HERE),
    ("pptp_pass", "0"): Does((PPTP,), helper=GONE),
    ("l2tp_pass", "1"): nothing(HERE),
    ("l2tp_pass", "0"): Does((L2TP,), helper=HERE),
    ("ipsec_pass", "1"): nothing(HERE),
    ("ipsec_pass", "0"): Does((IKE,), helper=HERE),
    ("filter", "on"): nothing(HERE),
    ("filter", "off"): nothing(HERE),
}
_TOMATO: Table = {
    ("nf_pptp", "1"): Does(opens6=(IKE, ESP), helper=HERE),
    ("nf_pptp", "0"): Does(opens6=(IKE, ESP), helper=GONE),
    ("ipsec_pass", "0"): nothing(HERE),
    ("ipsec_pass", "1"): Does(opens6=(IKE, ESP), helper=HERE),
    ("ipsec_pass", "2"): Does(opens6=(IKE, ESP), helper=HERE),
    ("ipsec_pass", "3"): nothing(HERE),
}
_JNAP: Table = {
    ("blockPPTP", False): nothing(),
    ("blockPPTP", True): Does((PPTP,), unknown=(GRE,), unknown6=(PPTP, GRE)),
    ("blockL2TP", False): nothing(),
    ("blockL2TP", True): Does((L2TP,), unknown6=(L2TP,)),
    ("blockIPSec", False): nothing(),
    ("blockIPSec", True): Does((IKE, NATT), unknown=(ESP, AH), unknown6=IPSEC),
}


def classic(*more: str) -> Table:
    return {
        ("pptp_pass", "1"): nothing(),
        ("pptp_pass", "0"): Does((PPTP,)),
        ("l2tp_pass", "1"): nothing(),
        ("l2tp_pass", "0"): Does((L2TP,)),
        ("ipsec_pass", "1"): nothing(),
        ("ipsec_pass", "0"): Does((IKE, *more)),
        ("filter", "on"): nothing(),
        ("filter", "off"): nothing(),
    }


_LUCI: Table = {
    ("pptp", "on"): nothing(HERE),
    ("pptp", "off"): Does(**unsure(PPTP, GRE), helper=GONE),
    ("l2tp", "on"): nothing(HERE),
    ("l2tp", "off"): Does(**unsure(L2TP), helper=HERE),
    ("ipsec", "on"): nothing(HERE),
    ("ipsec", "off"): Does(**unsure(*IPSEC), helper=HERE),
}
_CGI: Table = {
    ("pptpAlg", "1"): nothing(HERE),
    ("pptpAlg", "0"): Does((PPTP,), unknown=(GRE,), helper=GONE),
    ("l2tpAlg", "1"): nothing(HERE),
    ("l2tpAlg", "0"): Does((L2TP,), helper=HERE),
    ("ipSecAlg", "1"): nothing(HERE),
    ("ipSecAlg", "0"): Does((IKE,), unknown=(NATT, ESP, AH), helper=HERE),
}
_OMADA: Table = {
    ("pptp", True): nothing(HERE),
    ("pptp", False): Does(**unsure(PPTP, GRE), helper=GONE),
    ("ipSec", True): nothing(HERE),
    ("ipSec", False): Does(**unsure(*IPSEC), helper=HERE),
}
_HNAP: Table = {
    ("ALGPPTP", "true"): nothing(),
    ("ALGPPTP", "false"): Does((PPTP,)),
    ("ALGIPSec", "true"): nothing(),
    ("ALGIPSec", "false"): Does(IPSEC),
}
_NAT, _DEVICE = "/nat/passthrough", "/device/passthrough"


def rgdb(*ipsec: str) -> Table:
    return {
        (f"{_NAT}/pptp", "1"): nothing(),
        (f"{_NAT}/pptp", "0"): Does((PPTP,)),
        (f"{_NAT}/ipsec", "1"): nothing(),
        (f"{_NAT}/ipsec", "0"): Does((IKE, ESP, AH, *ipsec)),
        (f"{_NAT}/l2tp", "1"): nothing(),
        # Alone it may do nothing: some builds enter the chain only for the other two.
        (f"{_NAT}/l2tp", "0"): Does(unknown=(IKE, L2TP)),
    }


_XMLDB: Table = {
    (f"{_DEVICE}/pptp", "1"): nothing(),
    (f"{_DEVICE}/pptp", "0"): Does((PPTP,)),
    (f"{_DEVICE}/ipsec", "1"): nothing(),
    (f"{_DEVICE}/ipsec", "0"): Does(IPSEC),
}
_PASS = {"pptp_pass": "1", "l2tp_pass": "1", "ipsec_pass": "1", "filter": "on"}
_RGDB_OPEN = {f"{_NAT}/{key}": "1" for key in ("pptp", "ipsec", "l2tp")}


def flavour(name: str, **facts: Fact) -> Mapping[str, Fact]:
    return {**OLD, "flavour": name, **facts}


KINDS = (
    Kind(
        "asuswrt",
        "asuswrt",
        {"fw_pt_pptp": "1", "fw_pt_l2tp": "1", "fw_pt_ipsec": "1", "nf_pptp": "1"},
        _ASUS,
    ),
    Kind("ddwrt", "ddwrt", _PASS, _DDWRT),
    Kind("freshtomato", "freshtomato", {"nf_pptp": "1", "ipsec_pass": "1"}, _TOMATO),
    Kind(
        "linksys-jnap",
        "linksys",
        {"blockPPTP": False, "blockL2TP": False, "blockIPSec": False},
        _JNAP,
        flavour("jnap"),
    ),
    Kind(
        "linksys-classic",
        "linksys",
        _PASS,
        classic(ESP, AH),
        flavour("classic", drops_esp=True),
    ),
    Kind("linksys-classic-old", "linksys", _PASS, classic(), flavour("classic", drops_esp=False)),
    Kind(
        "tplink-luci",
        "tplink",
        {"pptp": "on", "l2tp": "on", "ipsec": "on"},
        _LUCI,
        flavour("luci"),
    ),
    Kind(
        "tplink-cgi",
        "tplink",
        {"pptpAlg": "1", "l2tpAlg": "1", "ipSecAlg": "1"},
        _CGI,
        flavour("cgi"),
    ),
    Kind("tplink-omada", "tplink", {"pptp": True, "ipSec": True}, _OMADA, flavour("omada")),
    Kind("dlink-hnap", "dlink", {"ALGPPTP": "true", "ALGIPSec": "true"}, _HNAP, flavour("hnap")),
    Kind("dlink-rgdb", "dlink", _RGDB_OPEN, rgdb(NATT), flavour("rgdb", drops_natt=True)),
    Kind("dlink-rgdb-old", "dlink", _RGDB_OPEN, rgdb(), flavour("rgdb", drops_natt=False)),
    Kind(
        "dlink-xmldb",
        "dlink",
        {f"{_DEVICE}/pptp": "1", f"{_DEVICE}/ipsec": "1"},
        _XMLDB,
        flavour("xmldb"),
    ),
)
ROWS = [(kind, key, value) for kind in KINDS for key, value in kind.table]


def router(kind: Kind) -> Device:
    return device(kind.target, {**kind.facts, "ipv6": True})


def settings(kind: Kind, values: Mapping[str, Scalar]) -> Any:
    toggles = ToggleSettings.of(values)
    scripted = isinstance(installed().get(kind.target), ScriptedTarget)
    return ScriptedSettings(toggles) if scripted else toggles


def probes(family: Family, direction: Direction) -> Iterator[Probe]:
    source, destination = ("lan", "wan") if direction is Direction.OUT else ("wan", "lan")
    for flows in FLOWS.values():
        for flow in flows:
            port = flow.ports[0].first if flow.ports else 0
            yield Probe(flow, family, source, destination, port, direction=direction)


def found(kind: Kind, values: Mapping[str, Scalar], asked: list[Probe]) -> dict[str, Any]:
    effects = installed().get(kind.target).effects(settings(kind, values), router(kind), asked)
    return {effect.probe.flow.id: effect for effect in effects}


@pytest.mark.parametrize(("kind", "key", "value"), ROWS, ids=str)
def test_a_value_does_what_is_documented(kind: Kind, key: str, value: Scalar) -> None:
    says, values = kind.table[key, value], {**kind.open, key: value}
    for family, unknown in ((Family.IPV4, says.unknown), (Family.IPV6, says.unknown6)):
        effects = found(kind, values, list(probes(family, Direction.OUT)))
        drops = says.drops if family is Family.IPV4 else ()
        verdicts = {flow: effect.verdict for flow, effect in effects.items()}
        assert {f for f, v in verdicts.items() if v.blocks} == set(drops), family
        assert {f for f, v in verdicts.items() if v is Verdict.UNKNOWN} == set(unknown), family
    assert found(kind, values, list(probes(Family.IPV4, Direction.OUT)))[GRE].helper is says.helper


@pytest.mark.parametrize(("kind", "key", "value"), ROWS, ids=str)
def test_what_comes_in_by_itself(kind: Kind, key: str, value: Scalar) -> None:
    for family, opens in ((Family.IPV4, ()), (Family.IPV6, kind.table[key, value].opens6)):
        effects = found(kind, {**kind.open, key: value}, list(probes(family, Direction.IN)))
        passed = {flow for flow, effect in effects.items() if effect.verdict is Verdict.PASS}
        assert passed == set(opens), family


def test_blocking_l2tp_stops_ike_where_the_chain_is_entered() -> None:
    """D-Link rgdb: with PPTP off as well the chain is entered for sure."""
    kind = next(kind for kind in KINDS if kind.name == "dlink-rgdb")
    values = {**kind.open, f"{_NAT}/l2tp": "0", f"{_NAT}/pptp": "0"}
    effects = found(kind, values, list(probes(Family.IPV4, Direction.OUT)))
    assert {flow for flow, e in effects.items() if e.verdict.blocks} == {PPTP, L2TP, IKE}


def test_without_its_firewall_ddwrt_drops_nothing() -> None:
    kind = next(kind for kind in KINDS if kind.name == "ddwrt")
    off = dict.fromkeys(kind.open, "0") | {"filter": "off"}
    effects = found(kind, off, list(probes(Family.IPV4, Direction.OUT)))
    assert {effect.verdict for effect in effects.values()} == {Verdict.PASS}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_table_has_every_key_and_value(kind: Kind) -> None:
    target = installed().get(kind.target)
    switches = target.switches(router(kind)) if isinstance(target, ScriptedTarget) else target
    assert isinstance(switches, ToggleTarget)
    family = switches.family(router(kind))
    pairs = {(toggle.key, v.native) for toggle in family.toggles for v in toggle.values}
    assert {(key, str(v)) for key, v in pairs} == {(key, str(v)) for key, v in kind.table}
    assert {toggle.key: toggle.default for toggle in family.toggles} == dict(kind.open)
    assert all(toggle.source for toggle in family.toggles)


def test_every_kind_of_every_family_of_switches_has_a_table() -> None:
    known = {kind.name for kind in KINDS}
    switches = (ToggleTarget, ScriptedTarget)
    targets = [installed().get(name) for name in installed().names]
    shown = {e.name for t in targets if isinstance(t, switches) for e in t.examples()}
    bare = {name.removesuffix("-merlin").removesuffix("-scripts") for name in shown}
    assert bare == known
