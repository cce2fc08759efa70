"""The effect tables against the rules of the firmware models, in a real kernel.

For every combination of switches the model's rules are loaded into the lab's router, and a packet
of every flow is sent: the table may say "unknown", never the opposite of what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from itertools import product
from typing import Any

import pytest

from compiler.errors import TargetError
from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.effect import Direction, Effect, Probe, Verdict
from compiler.model.protocol import AH, Family
from compiler.prove.lab.namespaces import missing
from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import ACK, Packet
from compiler.toggles.family import Family as SwitchFamily
from compiler.toggles.family import ToggleSettings
from compiler.toggles.firmware import interfaces
from compiler.toggles.scripted import ScriptedSettings, ScriptedTarget
from targets.asuswrt import TARGET as ASUS
from targets.asuswrt import models as asuswrt
from targets.ddwrt import TARGET as DDWRT
from targets.ddwrt import models as ddwrt
from targets.dlink import TARGET as DLINK
from targets.dlink import models as dlink
from targets.freshtomato import TARGET as TOMATO
from targets.freshtomato import models as freshtomato
from targets.linksys import TARGET as LINKSYS
from targets.linksys import models as linksys
from targets.tplink import TARGET as TPLINK
from targets.tplink import models as tplink
from tests.toggles.intents import FLOWS

RESTORE = {Family.IPV4: "iptables-restore", Family.IPV6: "ip6tables-restore"}
TOOLS = ("ip", "nft", "nsenter", "conntrack", *RESTORE.values())
ZONES = (
    Zone("lan", Role.LAN, ("br-lan",), (ip_network("192.168.1.0/24"),)),
    Zone("guest", Role.LAN, ("br-guest",), (ip_network("192.168.2.0/24"),)),
    Zone("wan", Role.WAN, ("wan",)),
)
HOSTS = {"lan": ("c1", 1), "guest": ("g1", 2)}
SERVER = {Family.IPV4: "203.0.113.77", Family.IPV6: "2001:db8:77::77"}
#: AH is an extension header of IPv6, so it must be a whole one, before a packet that can be
#: tracked: UDP to the discard port, without a checksum.
PAYLOAD = {AH: bytes([17, 4, 0, 0]) + bytes(range(1, 21)) + bytes([156, 64, 0, 9, 0, 8, 0, 0])}
Rules = Callable[[Any, Device, Family], str]

MODELS: dict[str, tuple[Any, Rules, Mapping[str, Fact]]] = {
    "asuswrt": (ASUS, asuswrt.firmware_rules, {"sdn": True}),
    "asuswrt-without-sdn": (ASUS, asuswrt.firmware_rules, {"sdn": False}),
    "asuswrt-unstated": (ASUS, asuswrt.firmware_rules, {}),
    "ddwrt": (DDWRT, ddwrt.firmware_rules, {"covers_bridges": True}),
    "ddwrt-early": (DDWRT, ddwrt.firmware_rules, {"covers_bridges": False}),
    "freshtomato": (TOMATO, freshtomato.firmware_rules, {}),
    "wrt54g": (LINKSYS, linksys.firmware_rules, {"flavour": "classic", "drops_esp": True}),
    "wrt54g-early": (LINKSYS, linksys.firmware_rules, {"flavour": "classic", "drops_esp": False}),
    "hnap": (DLINK, dlink.firmware_rules, {"flavour": "hnap"}),
    "xmldb": (DLINK, dlink.firmware_rules, {"flavour": "xmldb"}),
    "rgdb": (DLINK, dlink.firmware_rules, {"flavour": "rgdb", "drops_natt": True}),
    "rgdb-early": (DLINK, dlink.firmware_rules, {"flavour": "rgdb", "drops_natt": False}),
    "cgi": (TPLINK, tplink.firmware_rules, {"flavour": "cgi"}),
}


def router(name: str) -> Device:
    return Device("r1", MODELS[name][0].name, ZONES, {**MODELS[name][2], "ipv6": True})


def family_of(name: str) -> SwitchFamily:
    target = MODELS[name][0]
    switches = target.switches(router(name)) if isinstance(target, ScriptedTarget) else target
    found: SwitchFamily = switches.family(router(name))
    return found


def settings_of(name: str, values: Mapping[str, Any]) -> Any:
    toggles = ToggleSettings.of(dict(values))
    return ScriptedSettings(toggles) if isinstance(MODELS[name][0], ScriptedTarget) else toggles


def combinations(name: str) -> Iterator[Any]:
    """Give settings with every combination of values."""
    toggles = family_of(name).toggles
    for values in product(*([value.native for value in toggle.values] for toggle in toggles)):
        pairs = zip([toggle.key for toggle in toggles], values, strict=True)
        yield settings_of(name, dict(pairs))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = missing(TOOLS)
    if reason:
        pytest.skip(reason)
    built = Lab()
    yield built
    built.close()


def load(lab: Lab, name: str, settings: Any) -> None:
    for family, tool in RESTORE.items():
        lab.router.run(tool, text=MODELS[name][1](settings, router(name), family))


def probes() -> tuple[Probe, ...]:
    return tuple(
        Probe(flow, family, zone, "wan", flow.ports[0].first if flow.ports else 0)
        for flows in FLOWS.values()
        for flow in flows
        for family in Family
        for zone in HOSTS
    )


def packet(lab: Lab, probe: Probe) -> Packet:
    net = HOSTS[probe.source][1]
    own = f"192.168.{net}.11" if probe.family is Family.IPV4 else f"2001:db8:{net}::11"
    server = ip_address(SERVER[probe.family])
    ported = probe.port != 0
    return Packet(
        probe.flow.layer4,
        ip_address(own),
        server,
        lab.token(),
        40000 if ported else 0,
        probe.port,
        PAYLOAD.get(probe.flow.layer4, b"\0" * 16),
    )


def effects_of(name: str, settings: Any, asked: tuple[Probe, ...]) -> tuple[Effect, ...]:
    found: tuple[Effect, ...] = MODELS[name][0].effects(settings, router(name), asked)
    return found


@pytest.mark.kernel
@pytest.mark.parametrize("name", MODELS)
def test_tables_agree_with_the_rules_in_a_kernel(lab: Lab, name: str) -> None:
    asked = probes()
    certain = dropped = 0
    for settings in combinations(name):
        lab.clear()
        load(lab, name, settings)
        packets = [packet(lab, probe) for probe in asked]
        senders = [HOSTS[probe.source][0] for probe in asked]
        arrived = lab.deliver(zip(senders, packets, strict=True))["internet"]
        for effect, sent in zip(effects_of(name, settings, asked), packets, strict=True):
            if effect.verdict is not Verdict.UNKNOWN:
                passes = effect.verdict is Verdict.PASS
                assert (sent.token in arrived) is passes, (settings, effect)
                certain += 1
                dropped += not passes
    assert certain
    assert dropped or name == "freshtomato"


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["asuswrt", "ddwrt", "wrt54g"])
def test_running_tunnels_are_cut_where_the_table_says_so(lab: Lab, name: str) -> None:
    """Only families are here of which it was read where established traffic is accepted."""
    asked = tuple(p for p in probes() if p.family is Family.IPV4 and p.source == "lan")
    *_, blocked = (s for s in combinations(name) if "off" not in str(s))
    opened = next(combinations(name))
    lab.clear()
    load(lab, name, opened)
    first = [packet(lab, probe) for probe in asked]
    lab.deliver(("c1", one) for one in first)
    lab.deliver(("internet", one.answer(lab.token())) for one in first)
    load(lab, name, blocked)
    again = [replace(one, token=lab.token(), flags=ACK, sequence=1001) for one in first]
    arrived = lab.deliver(("c1", one) for one in again)["internet"]
    for effect, sent in zip(effects_of(name, blocked, asked), again, strict=True):
        cut = effect.verdict is Verdict.DROP and effect.cuts_running
        assert (sent.token in arrived) is not cut, effect


@pytest.mark.kernel
def test_freshtomato_lets_ipsec_in_over_ipv6(lab: Lab) -> None:
    inside = ip_address("2001:db8:1::11")
    flows = FLOWS["ipsec"] + FLOWS["l2tp"]
    asked = tuple(
        Probe(
            flow, Family.IPV6, "wan", "lan", flow.ports[0].first if flow.ports else 0,
            destination_address=inside, direction=Direction.IN,
        )
        for flow in flows
    )  # fmt: skip
    for settings in combinations("freshtomato"):
        lab.clear()
        load(lab, "freshtomato", settings)
        sent = [
            Packet(p.flow.layer4, ip_address(SERVER[Family.IPV6]), inside, lab.token(),
                   40000 if p.port else 0, p.port, PAYLOAD.get(p.flow.layer4, b"\0" * 16))
            for p in asked
        ]  # fmt: skip
        arrived = lab.deliver(("internet", one) for one in sent)["c1"]
        for effect, one in zip(effects_of("freshtomato", settings, asked), sent, strict=True):
            assert (one.token in arrived) is (effect.verdict is Verdict.PASS), (settings, effect)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_whole_tables(name: str) -> None:
    for settings in combinations(name):
        for family in Family:
            text = MODELS[name][1](settings, router(name), family)
            assert text.startswith("*filter\n")
            assert text.endswith("\nCOMMIT\n")
            assert "{" not in text


def test_what_nobody_has_read_has_no_model() -> None:
    for rules, facts in (
        (linksys.firmware_rules, {"flavour": "jnap"}),
        (tplink.firmware_rules, {"flavour": "omada"}),
        (tplink.firmware_rules, {}),
    ):
        with pytest.raises(TargetError, match="nobody has read"):
            rules(ToggleSettings(), Device("r1", "x", ZONES, facts), Family.IPV4)


@pytest.mark.parametrize("name", ["eth 0", "a\nCOMMIT", "", "x" * 16, "{0}"])
def test_interfaces_never_break_out_of_a_rule(name: str) -> None:
    zone = Zone("wan", Role.WAN, (name,), (ip_network(f"{IPv4Address(0)}/0"),))
    with pytest.raises(TargetError) as caught:
        interfaces(zone)
    assert [finding.code.name for finding in caught.value.findings] == ["T408"]
