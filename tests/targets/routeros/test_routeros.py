"""RouterOS: scripts and exports, merging, and what packets experience."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Place
from compiler.model.intent import Action, Decision, Intent, Log
from compiler.model.judge import compare, probes
from compiler.model.protocol import UDP, Family
from compiler.model.step import StepName
from targets.routeros import TARGET
from targets.routeros.script import quoted, read, unquoted
from targets.routeros.settings import RouterSettings
from tests.conformance.passthru_conformance.foreign import EXPORT
from tests.model.flows import ORIGIN, flow
from tests.targets.openwrt.support import (
    FLOWS,
    GUEST,
    LAN,
    WAN,
    decision,
    exposure,
    intent,
    intents,
)

LAWS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
IKE = FLOWS["ipsec"][0]


def device(zones: tuple[Zone, ...] = (LAN, GUEST, WAN), **facts: Fact) -> Device:
    return Device("r1", "routeros", zones, facts, {}, Place("hosts.yml", 7))


PLAIN = device(fasttrack=False)


@LAWS
@given(intents())
def test_effects_are_what_the_intent_wants(wanted: Intent) -> None:
    """1. solve; 2. print and read back the same, twice; 3. no probe deviates."""
    ours = TARGET.settings(wanted, PLAIN)
    bundle = TARGET.render(ours, PLAIN)
    assert TARGET.parse(bundle.native_text, PLAIN) == ours
    assert TARGET.render(ours, PLAIN) == bundle
    assert compare(wanted, TARGET.effects(ours, PLAIN, probes(wanted, PLAIN))) == ()


FOREIGN = (
    '/ip firewall filter\nadd chain=forward comment=\\\n    "it\'s \\"passthru:\\""\n',
    '/ip firewall filter add chain=input comment=" passthru:"\r\n',
    '/system script\nadd name=x source="/ip route\\r\\\n    \\nadd comment=passthru:\\24\\\\"\n',
    "/ip/firewall/nat\nadd action=masquerade chain=srcnat\n",
    "# passthru: replaces nothing\n",
    "\n",
    '/interface bridge\nset [ find name="a ] b" ] comment={x; y}\n',
    ':if (1 = 1) do={\n  :put "}"\n}\n',
)
OLD = (
    '/ip firewall filter\nadd chain=forward comment=\\\n    "passthru:old" \\\n    dst-port=1\n',
    "/interface list\r\nadd comment=passthru:x name=old\r\n",
    "/ip firewall filter\n# passthru: begin\nadd chain=x comment=passthru:y\n# passthru: end\n",
)


@LAWS
@given(st.lists(st.sampled_from(FOREIGN + OLD), max_size=6), intents())
def test_merge(parts: list[str], wanted: Intent) -> None:
    """1. ours come back; 2. again changes nothing; 3. all else is there, byte for byte."""
    text = "/system identity\nset name=r1\n" + "".join(parts)
    ours = TARGET.settings(wanted, PLAIN)
    merged = TARGET.merge(ours, text, PLAIN)
    assert TARGET.parse(merged, PLAIN) == ours
    assert TARGET.merge(ours, merged, PLAIN) == merged
    rest = TARGET.merge(RouterSettings(), merged, PLAIN)
    assert rest == TARGET.merge(RouterSettings(), text, PLAIN)
    heads = ("/ip firewall filter\n", "/interface list\r\n", "")
    kept = [
        part if part in FOREIGN else heads[min(OLD.index(part), 1) if OLD.index(part) != 2 else 0]
        for part in parts
    ]
    assert rest == "/system identity\nset name=r1\n" + "".join(kept)


def test_an_export_of_our_entries_reads_back() -> None:
    """An export has no block, wraps lines, quotes less, and leaves out what is default."""
    ours = TARGET.settings(intent(decision("ipsec", Action.BLOCK)), device((LAN, WAN)))
    exported = []
    for line in TARGET.render(ours, PLAIN).native_text.split("\n"):
        if line.startswith((":", "#")) or " remove " in line:
            continue
        exported.append(
            line.replace(" chain=", " \\\n    chain=").replace("protocol=17", "protocol=udp")
        )
    header = "# 2025-09-16 10:12:09 by RouterOS 7.19.3\n# software id = \n"
    body = "\n".join(exported)
    jump = next(line for line in exported if "action=jump" in line)
    first = body.replace(f"{jump}\n", "", 1).replace("filter\n", f"filter\n{jump}\n", 1)
    verbose = first.replace(
        "action=drop", 'action=drop !dst-limit log=no log-prefix="" disabled=no'
    )
    for text in (first, verbose, first.replace("\n", "\r\n")):
        session = f"\x1b[9999B[admin@r1] > /export\r\n{header}{text}\r\n[admin@r1] > "
        assert TARGET.parse(session, PLAIN) == ours


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bad command name exprt (line 1 column 1)\r\n",
        EXPORT[: EXPORT.index("it's") + 2],
        EXPORT[: EXPORT.index("established,related,untracked\nadd")],
        EXPORT + "-- [Q quit|D dump|down]\n",
        EXPORT + "/ip firewall filter\nadd chain=x; add chain=y\n",
        EXPORT + "# passthru: begin\n",
        "/ip firewall filter\nadd chain={x\n",
        "# a remark\nadd chain=forward\n",
    ],
)
def test_refuses_what_is_cut_off_or_something_else(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        TARGET.parse(text, PLAIN)
    assert {found.code for found in caught.value.findings} == {Code.T407}


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_quotes_hold_anything(value: str) -> None:
    text = f"/system note\nset note={quoted(value)} other=1\n"
    (command,) = read(text, "f")
    assert command.properties()["other"] == "1"
    if value.isascii():
        assert unquoted(quoted(value)) == value
        assert command.properties()["note"] == value


def test_the_service_port_is_turned_where_it_stands() -> None:
    ours = TARGET.settings(intent(decision("pptp", Action.PASS)), PLAIN)
    merged = TARGET.merge(ours, EXPORT, PLAIN)
    assert "\nset ftp disabled=yes\nset pptp disabled=no\n" in merged
    assert TARGET.parse(merged, PLAIN) == ours
    assert TARGET.merge(TARGET.parse(EXPORT, PLAIN), merged, PLAIN) == EXPORT
    by_find = EXPORT.replace("set pptp", "set [ find name=pptp ]")
    assert TARGET.parse(by_find, PLAIN).helper == "off"


RULES = """\
/interface list member
add comment="passthru:zone lan" interface=br-lan list=in
/ip firewall filter
add action=jump chain=forward comment=passthru:jump jump-target=passthru
add action=drop chain=passthru comment=passthru:x dst-port=500 in-interface-list=in protocol=udp
"""


def probe(port: int = 500, zone: str = "lan", family: Family = Family.IPV4, to: str = "") -> Probe:
    return Probe(IKE, family, zone, "wan", port, destination_address=ip_address(to) if to else None)


def effect(text: str, asked: Probe, router: Device = PLAIN) -> Effect:
    (found,) = TARGET.effects(TARGET.parse(text, router), router, [asked])
    return found


BEFORE = "/ip firewall filter\nadd chain=forward {} comment=theirs\n"


@pytest.mark.parametrize(
    ("change", "asked", "verdict"),
    [
        (("", ""), probe(), Verdict.DROP),
        (("", ""), probe(501), Verdict.UNKNOWN),
        (("", ""), probe(zone="guest"), Verdict.UNKNOWN),
        (("", ""), probe(family=Family.IPV6), Verdict.UNKNOWN),
        (("=drop", "=reject"), probe(), Verdict.REJECT),
        (("action=drop ", ""), probe(), Verdict.PASS),
        (("=drop", "=log"), probe(), Verdict.UNKNOWN),
        (("=drop", "=tarpit"), probe(), Verdict.UNKNOWN),
        (("=udp", "=17"), probe(), Verdict.DROP),
        (("=udp", "=tcp"), probe(), Verdict.UNKNOWN),
        (("=udp", "=ipsec-esp"), probe(), Verdict.UNKNOWN),
        (("=500", "=80,400-600"), probe(), Verdict.DROP),
        (("=500", "=!500"), probe(), Verdict.UNKNOWN),
        (("=drop", "=drop disabled=yes"), probe(), Verdict.UNKNOWN),
        (("=drop", "=drop connection-state=new"), probe(), Verdict.DROP),
        (("=drop", "=drop connection-state=established"), probe(), Verdict.UNKNOWN),
        (("=drop", "=drop layer7-protocol=x"), probe(), Verdict.UNKNOWN),
        (("=drop", "=drop dst-address=192.0.2.0/24"), probe(to="192.0.2.9"), Verdict.DROP),
        (("=drop", "=drop dst-address=192.0.2.1-192.0.2.9"), probe(to="192.0.2.9"), Verdict.DROP),
        (("=drop", "=drop dst-address-list=theirs"), probe(to="192.0.2.9"), Verdict.UNKNOWN),
        (("/ip fire", BEFORE.format("action=drop") + "/ip fire"), probe(), Verdict.UNKNOWN),
        (("/ip fire", BEFORE.format("") + "/ip fire"), probe(), Verdict.UNKNOWN),
        (("/ip fire", BEFORE.format("disabled=yes") + "/ip fire"), probe(), Verdict.DROP),
        (("/ip fire", BEFORE.format("action=log") + "/ip fire"), probe(), Verdict.DROP),
        (("jump-target=passthru", "jump-target=x"), probe(), Verdict.UNKNOWN),
        (("jump-target=passthru", "jump-target=passthru protocol=tcp"), probe(), Verdict.UNKNOWN),
    ],
)
def test_reads_edited_rules(change: tuple[str, str], asked: Probe, verdict: Verdict) -> None:
    assert effect(RULES.replace(*change, 1), asked).verdict is verdict


def test_fasttrack_carries_running_ipv6_tunnels_past_the_rules() -> None:
    wanted = intent(decision("ipsec", Action.BLOCK))
    fast = device()
    ours = TARGET.settings(wanted, fast)
    survive = {
        (found.probe.family, found.probe.flow.id)
        for found in TARGET.effects(ours, fast, probes(wanted, fast))
        if not found.cuts_running
    }
    assert survive == {(Family.IPV6, "ipsec.ike"), (Family.IPV6, "ipsec.nat-t")}
    script = TARGET.render(ours, fast).native_text
    assert 'protocol=udp and dst-address~":(4500)\\$"' in script


def test_ike_versions_named_differently_deviate() -> None:
    wanted = intent(
        Decision("ikev1", Action.BLOCK, (flow("ikev1.ike", UDP, 500),), ORIGIN),
        Decision("ikev2", Action.PASS, (flow("ikev2.ike", UDP, 500),), ORIGIN),
    )
    found = TARGET.effects(TARGET.settings(wanted, PLAIN), PLAIN, probes(wanted, PLAIN))
    assert [(d.code, d.protocol) for d in compare(wanted, found)] == [(Code.D501, "ikev1")]


def test_exposures_reach_one_host_and_nobody_else() -> None:
    ours = TARGET.settings(intent(exposure("wireguard", "192.168.1.20")), PLAIN)
    tunnel = FLOWS["wireguard"][0]
    asked = [
        Probe(tunnel, Family.IPV4, "wan", "lan", port, None, ip_address(to), Direction.IN)
        for port, to in ((51820, "192.168.1.20"), (51820, "192.168.1.9"), (443, "192.168.1.20"))
    ]
    verdicts = [found.verdict for found in TARGET.effects(ours, PLAIN, asked)]
    assert verdicts == [Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN]


def test_the_helper() -> None:
    asked = Probe(FLOWS["pptp"][0], Family.IPV4, "lan", "wan", 1723)
    for text, state in (
        ("set pptp disabled=no", HelperState.ASSIGNED),
        ("set pptp disabled=yes", HelperState.ABSENT),
        ("set ftp disabled=no", HelperState.UNKNOWN),
    ):
        assert effect(f"/ip firewall service-port\n{text}\n", asked).helper is state


def test_hostile_names_stay_inside_their_quotes() -> None:
    """Names of interfaces may hold anything that can be seen; of a zone, anything at all."""
    evil = 'a" ]; /system reset-configuration #\\'
    zones = (Zone('z"\n/x', Role.LAN, (evil,), LAN.networks), WAN)
    router = device(zones)
    assert [f.code for f in TARGET.check(router)] == []
    ours = TARGET.settings(intent(decision("pptp", Action.BLOCK, log=Log("10/minute"))), router)
    bundle = TARGET.render(ours, router)
    assert TARGET.parse(bundle.native_text, router) == ours
    members = [e.get("interface") for e in ours.entries if e.menu == "/interface list member"]
    assert evil in members
    for file in bundle.files:
        for line in file.content.decode().splitlines():
            assert line.startswith((":", "/", "add ", "set ", "#")), line
    hidden = device((Zone("lan", Role.LAN, ("a\nb",)), WAN))
    assert Code.T408 in {f.code for f in TARGET.check(hidden)}


def test_steps_are_scripts_of_the_bundle() -> None:
    ours = TARGET.settings(intent(decision("pptp", Action.BLOCK)), PLAIN)
    paths = {file.path for file in TARGET.render(ours, PLAIN).files}
    steps = TARGET.procedure(ours, PLAIN).steps
    assert {step.request for step in steps} == paths
    assert StepName.APPLY in {step.name for step in steps}
    old = device(ipv6=False)
    assert "/ipv6" not in TARGET.render(TARGET.settings(Intent("r1"), old), old).native_text
