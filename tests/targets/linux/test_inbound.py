"""What comes from the WAN: nothing, but to exposed servers."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import TCP, UDP, Packet
from tests.prove.lab.office import ROUTER_WAN, VIA_WAN2
from tests.targets.linux.support import apply
from tests.targets.linux.tunnels import (
    CLIENT,
    ESP,
    SERVER,
    V2,
    ike,
    out,
    passes,
)

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("version", [4, 6])
STRICT = {"forward": "drop"}


@BOTH
@pytest.mark.parametrize("options", [{}, STRICT])
@pytest.mark.parametrize("to", [[], ["192.168.1.0/24", "2001:db8:1::/64"], ["0.0.0.0/0", "::/0"]])
def test_nothing_comes_in_unasked(
    lab: Lab, version: int, options: dict[str, str], to: list[str]
) -> None:
    """Also where destinations contain the LAN itself, and from a spoofed address of the LAN."""
    entry: dict[str, Any] = {"action": "pass", **({"to": to} if to else {})}
    protocols = dict.fromkeys(("wireguard", "ipsec", "l2tpv3", "openvpn", "pptp"), entry)
    apply(lab, protocols, options=options)
    inside = ip_address(CLIENT["c1"][version])
    for source in (SERVER[version], CLIENT["c2"][version], CLIENT["g1"][version]):
        for layer4, port in ((UDP, 51820), (UDP, 4500), (TCP, 1723), (ESP, 0), (115, 0), (47, 0)):
            for back in (False, True):
                ports = (port, 41000) if back else (41000, port)
                ports = ports if layer4 in (TCP, UDP) else (0, 0)
                packet = Packet(
                    layer4, ip_address(source), inside, lab.token(), *ports, b"\x30\x01\x88\x0b" * 9
                )
                found = lab.deliver([("internet", packet)])
                assert packet.token not in found["c1"], packet


def test_wan_does_not_reach_the_other_wan(lab: Lab) -> None:
    ends = ip_address(SERVER[4]), ip_address("10.77.0.1")
    packet = Packet(UDP, *ends, lab.token(), 41000, 51820, tos=VIA_WAN2)
    assert lab.reaches(packet, "internet", "internet") is not None, "the router would forward it"
    apply(lab, {"wireguard": "pass"})
    assert lab.reaches(packet.again(lab.token()), "internet", "internet") is None


def test_expose_reaches_the_server(lab: Lab) -> None:
    apply(lab, {"wireguard": "block"}, expose=[{"protocol": "wireguard", "to": "192.168.1.20"}])
    for wan in ROUTER_WAN.values():
        knock = Packet(
            UDP, ip_address(SERVER[4]), ip_address(wan), lab.token(), 41000, 51820, b"\xff" * 40
        )
        seen = lab.reaches(knock, "internet", "c1")
        assert seen is not None
        assert str(seen.destination) == "192.168.1.20"
        back = lab.reaches(seen.answer(lab.token()), "c1", "internet")
        assert back is not None
        assert str(back.source) == wan
    assert not passes(lab, out(lab, UDP, 51820)), "clients stay blocked"


def test_expose_ipsec_with_all_of_its_packets(lab: Lab) -> None:
    servers = [{"protocol": "ipsec", "to": to} for to in ("192.168.1.20", "2001:db8:1::20")]
    apply(lab, {"ipsec": "block"}, expose=servers)
    for version, target in ((4, ROUTER_WAN["wan"]), (6, "2001:db8:1::20")):
        for layer4, port in ((ESP, 0), (UDP, 500), (UDP, 4500)):
            payload = ike(V2, marked=port == 4500)
            ports = (41000, port) if port else (0, 0)
            ends = ip_address(SERVER[version]), ip_address(target)
            seen = lab.reaches(
                Packet(layer4, *ends, lab.token(), *ports, payload), "internet", "c1"
            )
            assert seen is not None, (version, layer4, port)
            assert lab.reaches(seen.answer(lab.token()), "c1", "internet") is not None


def test_expose_only_to_listed_peers(lab: Lab) -> None:
    server = {"protocol": "wireguard", "to": "192.168.1.20", "from": ["192.0.2.0/28"]}
    apply(lab, {}, expose=[server])
    for source, wanted in (("192.0.2.10", True), ("192.0.2.77", False)):
        ends = ip_address(source), ip_address(ROUTER_WAN["wan"])
        knock = Packet(UDP, *ends, lab.token(), 41000, 51820, b"\xff" * 40)
        assert (lab.reaches(knock, "internet", "c1") is not None) == wanted
