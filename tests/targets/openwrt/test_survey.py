"""Foreign configs: hand-checked verdicts of OpenWrt's defaults, and the silent traps."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from compiler.errors import NativeError
from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code
from compiler.model.protocol import (
    AH,
    BOTH_FAMILIES,
    ESP,
    GRE,
    TCP,
    UDP,
    Family,
    Flow,
    PortRange,
)
from compiler.model.survey import Survey
from targets.openwrt import TARGET, uci
from tests.model.flows import V4
from tests.targets.openwrt.defaults import CONFIGS, NETWORK
from tests.targets.openwrt.support import HELPER, device

FW4 = ("22.03", "23.05", "24.10", "25.12")
MODULE: list[Fact] = ["nf_conntrack_pptp", "nf_nat_pptp"]


def _flow(name: str, layer4: int, port: int = 0, *, carried: bool = False) -> Flow:
    ports = (PortRange(port, port),) if port else ()
    pptp = name.startswith("pptp")
    families = V4 if pptp else BOTH_FAMILIES
    helper = HELPER if pptp else None
    return Flow(
        name,
        name.split(".", maxsplit=1)[0],
        layer4,
        ports,
        families,
        carried=carried,
        helper=helper,
    )


FLOWS = {
    flow.id: flow
    for flow in (
        _flow("pptp.control", TCP, 1723),
        _flow("pptp.data", GRE, carried=True),
        _flow("l2tp.tunnel", UDP, 1701),
        _flow("ike", UDP, 500),
        _flow("esp", ESP),
        _flow("ah", AH),
        _flow("ssh", TCP, 22),
        _flow("openvpn", UDP, 1194),
    )
}


def known(**facts: Fact) -> Device:
    return Device("r1", "openwrt", (), {"release": "24.10", "modules": MODULE, **facts})


def survey(text: str, router: Device | None = None) -> Survey:
    return TARGET.survey(text, router or known())


def effect(
    found: Survey, flow: str, family: Family = Family.IPV4, zones: tuple[str, str] = ("lan", "wan")
) -> Effect:
    asked = FLOWS[flow]
    port = asked.ports[0].first if asked.ports else 0
    (one,) = found.effects([Probe(asked, family, *zones, port)])
    return one


def verdict(text: str, flow: str, family: Family = Family.IPV4) -> Verdict:
    return effect(survey(text), flow, family).verdict


BASE = CONFIGS["24.10"]


@pytest.mark.parametrize("release", FW4)
@pytest.mark.parametrize("flow", FLOWS)
def test_fw4_defaults_pass_everything(release: str, flow: str) -> None:
    """LAN to WAN is open; what is up goes on; PPTP gets its helper in the LAN zone."""
    found = survey(CONFIGS[release], known(release=release))
    for family in Family:
        if family in FLOWS[flow].families:
            one = effect(found, flow, family)
            assert one.verdict is Verdict.PASS, one
            assert "lan to wan" in one.because or flow == "pptp.data"
    helper = effect(found, "pptp.control").helper
    assert helper is HelperState.ASSIGNED
    assert [(zone.name, zone.role) for zone in found.device.zones] == [
        ("lan", Role.LAN),
        ("wan", Role.WAN),
    ]


@pytest.mark.parametrize("release", FW4)
def test_fw4_defaults_block_the_other_way(release: str) -> None:
    """From the WAN only ESP and IKE come to hosts of the LAN, over both families."""
    found = survey(CONFIGS[release], known(release=release))
    back = ("wan", "lan")
    for flow in ("ssh", "openvpn", "l2tp.tunnel", "ah"):
        one = effect(found, flow, Family.IPV6, back)
        assert one.verdict.blocks, one
        assert not one.cuts_running
    assert effect(found, "esp", Family.IPV6, back).verdict is Verdict.PASS
    assert effect(found, "ike", Family.IPV6, back).verdict is Verdict.PASS


def test_without_the_module_pptp_has_no_helper() -> None:
    found = survey(BASE, known(modules=[]))
    assert effect(found, "pptp.control").helper is HelperState.ABSENT
    assert effect(found, "pptp.control").verdict is Verdict.PASS
    assert effect(found, "pptp.data").verdict is not Verdict.PASS


def test_modules_that_nobody_states_are_a_doubt() -> None:
    found = survey(BASE, Device("", "openwrt", ()))
    assert effect(found, "pptp.control").helper is HelperState.UNKNOWN
    assert effect(found, "pptp.control").verdict is Verdict.PASS
    assert effect(found, "pptp.data").verdict is Verdict.UNKNOWN
    (helper,) = found.helpers
    assert helper.state is HelperState.UNKNOWN
    assert "nf_conntrack_pptp" in helper.because


@pytest.mark.parametrize("option", ["auto_helper '0'", "masq '1'", "helper 'ftp'"])
def test_a_zone_that_does_not_assign_the_helper(option: str) -> None:
    word = "list" if option.startswith("helper") else "option"
    text = BASE.replace("name\t\tlan\n", f"name\t\tlan\n\t{word} {option}\n")
    found = survey(text)
    assert effect(found, "pptp.control").helper is HelperState.IDLE
    assert effect(found, "pptp.control").verdict is Verdict.PASS


def rule(**options: str) -> str:
    lines = "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
    return f"\nconfig rule\n{lines}"


def block(**options: str) -> str:
    return rule(**{"src": "lan", "dest": "wan", "target": "DROP", **options})


@pytest.mark.parametrize(
    ("text", "flow", "expected"),
    [
        (block(proto="udp", dest_port="500"), "ike", "drop"),
        (block(proto="udp", dest_port="500"), "openvpn", "pass"),
        (block(proto="esp"), "esp", "drop"),
        (block(proto="50", target="REJECT"), "esp", "reject"),
        # no protocol is TCP and UDP, not everything
        (block(), "ike", "drop"),
        (block(), "esp", "pass"),
        # '!' is lost
        (block(proto="!tcp"), "ike", "pass"),
        (block(proto="!tcp"), "ssh", "drop"),
        # ports of other protocols are lost, so that the rule matches everything
        (block(proto="all", dest_port="22"), "esp", "drop"),
        (block(proto="esp", dest_port="22"), "esp", "drop"),
        # whole sections vanish
        (block(proto="udp", dest_port="500,4500"), "ike", "pass"),
        (block(proto="udp", dest_port="isakmp"), "ike", "pass"),
        (block(proto="udp", enabled="Yes"), "ike", "pass"),
        (block(proto="udp", src="LAN"), "ike", "pass"),
        (block(proto="udp", dest_ip="vpn.example.org"), "ike", "unknown"),
        # no target only counts
        (rule(src="lan", dest="wan", proto="udp", dest_port="500"), "ike", "pass"),
        # the first rule decides; rules stand before forwardings
        (block(proto="udp", target="ACCEPT") + block(proto="udp"), "ike", "pass"),
        (block(proto="udp") + block(proto="udp", target="ACCEPT"), "ike", "drop"),
        # rules from anywhere stand before those of zones
        (block(proto="udp", target="ACCEPT") + block(proto="udp", src="*"), "ike", "drop"),
        (block(proto="udp", enabled="0"), "ike", "pass"),
        (block(proto="udp", target="d"), "ike", "drop"),
        (block(proto="udp", dest="*"), "ike", "drop"),
        (block(proto="udp", family="ipv6"), "ike", "pass"),
        (block(proto="udp", src_ip="192.168.1.0/24", dest_ip="2001:db8::/32"), "ike", "pass"),
        # it may hold, or not
        (block(proto="udp", limit="10/minute"), "ike", "unknown"),
        (block(proto="udp", start_time="08:00:00"), "ike", "unknown"),
        (block(proto="udp", src_mac="00:11:22:33:44:55"), "ike", "unknown"),
        # marks
        (
            rule(src="lan", dest="*", proto="udp", dest_port="500", target="MARK", set_mark="7")
            + block(proto="udp", mark="7"),
            "ike",
            "drop",
        ),
        # nft refuses the whole ruleset
        (block(proto="l2tp"), "ssh", "unknown"),
        (block(proto="udp", name="x" * 123), "ssh", "unknown"),
        (block(proto="udp", dest_ip="10.0.0.0/33"), "ssh", "unknown"),
        (block(proto="udp", device="a-name-of-16-char"), "ssh", "unknown"),
    ],
)  # fmt: skip
def test_rules(text: str, flow: str, expected: str) -> None:
    assert verdict(BASE + text, flow) == Verdict(expected)


def test_a_trap_is_told() -> None:
    text = block(proto="!tcp") + block(proto="all", dest_port="22") + block(dest_port="x")
    messages = [f.message for f in survey(BASE + text).findings if f.code is Code.A805]
    assert any("'!tcp' as 'tcp'" in message for message in messages)
    assert any("drops the ports" in message for message in messages)
    assert any("passes over" in message and "invalid value 'x'" in message for message in messages)


def test_an_unknown_helper_takes_the_zone_and_all_that_names_it() -> None:
    text = BASE.replace("name\t\tlan\n", "name\t\tlan\n\tlist helper 'PPTP'\n")
    found = survey(text)
    assert [zone.name for zone in found.device.zones] == ["wan"]
    vanished = [f.message for f in found.findings if f.code is Code.A805]
    assert any("forwarding" in message for message in vanished)


def test_a_redirect_out_of_the_lan() -> None:
    """DNS of the LAN goes to the router: nobody can say more of it than that."""
    text = (
        "\nconfig redirect\n\toption src lan\n\toption src_dport 1194\n\toption proto udp\n"
        "\toption target DNAT\n"
    )
    assert verdict(BASE + text, "openvpn") is Verdict.UNKNOWN
    assert verdict(BASE + text, "ike") is Verdict.PASS


def test_a_port_forward() -> None:
    text = (
        "\nconfig redirect\n\toption src wan\n\toption src_dport 1194\n\toption proto udp\n"
        "\toption dest lan\n\toption dest_ip 192.168.1.20\n"
    )
    found = survey(BASE + text + NETWORK)
    for flow, expected in (("openvpn", Verdict.PASS), ("ike", Verdict.DROP)):
        asked = FLOWS[flow]
        to = ip_address("192.168.1.20")
        port = asked.ports[0].first
        probe = Probe(asked, Family.IPV4, "wan", "lan", port, None, to, Direction.IN)
        (one,) = found.effects([probe])
        assert (one.verdict is Verdict.PASS) == (expected is Verdict.PASS), one


@pytest.mark.parametrize(
    "include",
    [
        "option path /etc/my.sh",
        "option path /etc/my.nft\n\toption type nftables",
        "option path /x.nft\n\toption type n\n\toption position chain-pre\n\toption chain forward",
    ],
)
def test_what_an_include_holds_is_not_known(include: str) -> None:
    text = BASE + f"\nconfig include\n\t{include}\n"
    one = effect(survey(text), "ike")
    assert one.verdict is Verdict.UNKNOWN
    assert "is not known" in one.because
    path = include.split()[2]
    assert effect(survey(text, known(harmless_includes=[path])), "ike").verdict is Verdict.PASS


@pytest.mark.parametrize(
    "include",
    [
        "option path /etc/firewall.user",
        "option path /etc/my.sh\n\toption enabled 0",
        "option path /x.nft\n\toption type nft\n\toption position chain-pre\n\toption chain none",
        "option path /x.nft\n\toption type nftables\n\toption position chain-pre",
    ],
)
def test_includes_that_fw4_leaves_out(include: str) -> None:
    assert verdict(BASE + f"\nconfig include\n\t{include}\n", "ike") is Verdict.PASS


def test_fw4_ends_over_an_include_without_a_path() -> None:
    one = effect(survey(BASE + "\nconfig include\n\toption type script\n"), "ike")
    assert one.verdict is Verdict.UNKNOWN
    assert "ends with an error" in one.because


def _shown(text: str) -> str:
    """Write the sections as ``uci show`` does."""
    lines = []
    counts: dict[str, int] = {}
    for section in uci.read(text, "x"):
        name = f"@{section.type}[{counts.get(section.type, 0)}]"
        counts[section.type] = counts.get(section.type, 0) + 1
        lines.append(f"firewall.{name}={section.type}")
        for option, value in section.options:
            words = value if isinstance(value, tuple) else (value,)
            lines.append(f"firewall.{name}.{option}={' '.join(map(uci.quote, words))}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        f"package firewall\n\n{BASE}",
        f"package firewall\n\n{BASE}{NETWORK}",
        NETWORK + "\npackage firewall\n" + BASE,
        BASE + NETWORK.replace("package network\n", ""),
        BASE.replace("\n", "\r\n"),
        _shown(BASE),
        "network.lan=interface\nnetwork.lan.device='br-lan'\n" + _shown(BASE),
    ],
)
def test_all_forms_of_the_text(text: str) -> None:
    found = survey(text)
    assert effect(found, "ike").verdict is Verdict.PASS
    assert effect(found, "ssh", Family.IPV6, ("wan", "lan")).verdict.blocks


def test_the_package_network_tells_devices_and_addresses() -> None:
    found = survey(BASE + NETWORK)
    lan, wan = found.device.zones
    assert (lan.devices, [str(net) for net in lan.networks]) == (("br-lan",), ["192.168.1.0/24"])
    assert wan.devices == ("pppoe-wan",)
    text = BASE + block(proto="udp", src_ip="lan") + NETWORK
    assert verdict(text, "ike") is Verdict.DROP


def test_zones_of_an_inventory_win() -> None:
    router = device(modules=MODULE)
    found = TARGET.survey(BASE, router)
    assert found.device.zones == router.zones
    assert effect(found, "ike").verdict is Verdict.PASS
    # no zone of the config has its device, so the default decides
    assert effect(found, "ike", zones=("guest", "wan")).verdict is Verdict.REJECT


def test_a_zone_that_the_config_does_not_tell() -> None:
    """Without devices, nobody knows which of the config's zones the inventory means."""
    zones = tuple(Zone(name, role) for name, role in (("office", Role.LAN), ("wan", Role.WAN)))
    found = survey(BASE, replace(known(), zones=zones))
    one = effect(found, "ike", zones=("office", "wan"))
    assert one.verdict is Verdict.UNKNOWN
    assert "office" in one.because


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "# only a comment\n",
        "<!DOCTYPE html><html><body>Login</body></html>",
        "\x7fELF\x02\x01\x01\x00\x00",
        "size: 65214 bytes (65858 left)\nfw_pt_pptp=1\n",
        '{"nftables": []}',
        NETWORK,
        "config system\n\toption hostname x\n",
        BASE + "\nconfig rule\n\toption name 'not closed\n",
        "\udcff\udcfe",
    ],
)
def test_texts_that_are_no_firewall_config(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        survey(text)
    assert {finding.code for finding in caught.value.findings} == {Code.T407}
