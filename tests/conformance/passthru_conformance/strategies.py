"""Hypothesis strategies: routers, policies over the real catalogue, users' protocols, packets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from compiler.catalogue import builtin
from compiler.model.device import Address
from compiler.model.effect import Probe
from compiler.model.protocol import PORTED, Family, Protocol

from .cases import Case
from .situations import Data, Situation, situation

#: Networks that policies name; they touch, nest, and stand at both ends of the address space.
NETWORKS = (
    "203.0.113.0/28", "203.0.113.16/28", "203.0.113.7", "198.51.100.0/24", "10.0.0.0/8",
    "0.0.0.0/1", "255.255.255.255", "2001:db8:ffff::/64", "2001:db8:ffff::1", "8000::/1",
)  # fmt: skip
SOURCES = ("192.168.1.0/25", "192.168.1.64/26", "192.168.2.5", "10.99.0.0/16", "2001:db8:1::/65")
_LAN = ("lan", "guest", "office")
_OWN = ("acme-vpn", "mesh", "drop")


@st.composite
def zones(draw: st.DrawFn) -> Data:
    """Give one to three LAN zones and one or two WAN zones, with one or two interfaces each."""
    sixes = draw(st.booleans())
    found: Data = {}
    for number in range(1, draw(st.integers(1, 3)) + 1):
        networks = [f"192.168.{number}.0/24"]
        if sixes and draw(st.booleans()):
            networks.append(f"2001:db8:{number}::/64")
        found[_LAN[number - 1]] = {
            "devices": [f"br{number}", f"wlan{number}"][: draw(st.integers(1, 2))],
            "networks": networks if draw(st.integers(0, 9)) else [],
        }
    for number in range(draw(st.integers(1, 2))):
        devices = [f"eth{number}", f"ppp{number}"][: draw(st.integers(1, 2))]
        found[f"wan{number or ''}"] = {"devices": devices}
    return found


@st.composite
def protocols(draw: st.DrawFn) -> Data:
    """Give up to two protocols of a user's own."""
    found: Data = {}
    for id_ in draw(st.lists(st.sampled_from(_OWN), max_size=2, unique=True)):
        ported = draw(st.booleans())
        kinds = ["udp", "udp", "tcp", "tcp", "sctp"] if ported else [94, "ipip"]
        flow: Data = {"layer4": draw(st.sampled_from(kinds))}
        if ported:
            first = draw(st.integers(20000, 30000))
            flow["ports"] = [first, f"{first + 5}-{first + 9}"][: draw(st.integers(1, 2))]
        if draw(st.booleans()):
            flow["families"] = draw(st.sampled_from([["ipv4"], ["ipv6"], ["ipv4", "ipv6"]]))
        found[id_] = {"title": f"The {id_} of a user", "flows": {"main": flow}}
    return found


def _some(draw: st.DrawFn, items: tuple[str, ...]) -> list[str]:
    return draw(st.lists(st.sampled_from(items), min_size=1, max_size=3, unique=True))


@st.composite
def entries(draw: st.DrawFn, protocol: Protocol | None, lan: tuple[str, ...]) -> str | Data:
    """Give what a play may say of one protocol (``None``: a user's own)."""
    if draw(st.booleans()):
        return draw(st.sampled_from(["pass", "block", "keep"]))
    action = draw(st.sampled_from(["pass", "block"]))
    found: Data = {"action": action}
    if draw(st.booleans()):
        found["to"] = _some(draw, NETWORKS)
    if draw(st.integers(0, 2)) == 0:
        found["from"] = _some(draw, lan + SOURCES)
    if action == "pass" and found.keys() & {"to", "from"}:
        found |= draw(st.sampled_from([{}, {"otherwise": "keep"}, {"otherwise": "block"}]))
    if draw(st.integers(0, 3)) == 0:
        found["families"] = draw(st.sampled_from([["ipv4"], ["ipv6"], ["ipv4", "ipv6"]]))
    if protocol and protocol.movable and draw(st.integers(0, 2)) == 0:
        found["ports"] = draw(st.sampled_from([["udp/4444"], ["udp/7000-7010", "tcp/7001"]]))
    if protocol and protocol.signatures and draw(st.booleans()):
        found["detect"] = "signature"
    if action == "block" and draw(st.booleans()):
        found["collateral"] = "accept"
    logs: list[Data] = [{}, {}, {"log": True}, {"log": {"rate": "10/minute", "burst": 7}}]
    return found | draw(st.sampled_from(logs))


@st.composite
def policies(draw: st.DrawFn, drawn_zones: Data, own: Data) -> Data:
    """Give the content of a play."""
    known = builtin().protocols
    names = draw(st.lists(st.sampled_from([*known, *own]), max_size=6, unique=True))
    lan = tuple(name for name in drawn_zones if not name.startswith("wan"))
    said: Data = {name: draw(entries(known.get(name), lan)) for name in names}
    if not said or draw(st.booleans()):
        said["default"] = draw(st.sampled_from(["pass", "block", "block", "keep"]))
    found: Data = {"name": "a play", "hosts": "all", "passthrough": said}
    housed = [network for name in lan for network in drawn_zones[name]["networks"]]
    if housed and draw(st.integers(0, 3)) == 0:
        found["expose"] = draw(st.lists(exposures(housed), min_size=1, max_size=2))
    return found


@st.composite
def exposures(draw: st.DrawFn, housed: list[str]) -> Data:
    """Give a server behind the router."""
    network = draw(st.sampled_from(housed)).partition("/")[0]
    found: Data = {
        "protocol": draw(st.sampled_from(["openvpn", "wireguard", "pptp", "ipsec", "sstp"])),
        "to": f"{network}20" if ":" in network else f"{network.removesuffix('.0')}.20",
    }
    if draw(st.booleans()):
        found["from"] = _some(draw, NETWORKS)
    return found


@st.composite
def data(draw: st.DrawFn, like: Data | None = None) -> Data:
    """Give a router's zones (or those), a user's protocols and a policy, as JSON data."""
    drawn, own = like or draw(zones()), draw(protocols())
    return {"zones": drawn, "protocols": own, "policy": draw(policies(drawn, own))}


@st.composite
def situations(draw: st.DrawFn, case: Case, like: Data | None = None) -> Situation:
    """Give a resolved situation of a case."""
    found = situation(case, draw(data(like)))
    return found if found is not None else reject()


@st.composite
def packets(draw: st.DrawFn, found: Situation) -> Probe:
    """Give any packet of a flow that the intent speaks of: other addresses than the judge's."""
    flows = [flow for decision in found.intent.decisions for flow in decision.flows]
    device = found.device
    flow = draw(st.sampled_from(flows))
    family = draw(st.sampled_from(device.families))
    port = 0
    if flow.layer4 in PORTED:
        range_ = draw(st.sampled_from(flow.ports))
        port = draw(st.integers(range_.first, range_.last))
    zone = draw(st.sampled_from(device.lan_zones))
    own = [net for net in zone.networks if net.version == (4 if family is Family.IPV4 else 6)]
    source: Address | None = None
    if own:
        source = own[0][draw(st.integers(1, min(own[0].num_addresses - 2, 2**16)))]
    wan = draw(st.sampled_from(device.wan_zones)).name
    return Probe(flow, family, zone.name, wan, port, source, draw(addresses(family)))


def addresses(family: Family) -> st.SearchStrategy[Any]:
    """Give destination addresses, often within the networks that policies name."""
    inside: list[Address]
    if family is Family.IPV4:
        words = ("203.0.113.5", "203.0.113.20", "198.51.100.9", "10.1.2.3")
        inside = [IPv4Address(word) for word in words]
        return st.sampled_from(inside) | st.integers(2**24, 2**32 - 2**29).map(IPv4Address)
    inside = [IPv6Address(a) for a in ("2001:db8:ffff::1", "2001:db8:ffff::9", "8000::7")]
    return st.sampled_from(inside) | st.integers(2**125, 2**126 - 1).map(IPv6Address)
