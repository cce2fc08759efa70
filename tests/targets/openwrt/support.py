"""Devices, intents and foreign firewall configs for the tests of the openwrt target."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from types import MappingProxyType

from hypothesis import strategies as st

from compiler.model.device import Address, Device, Fact, Network, Role, Zone
from compiler.model.finding import Place
from compiler.model.intent import Action, Decision, Exposure, Intent, Limits, Log
from compiler.model.protocol import (
    BOTH_FAMILIES,
    ESP,
    GRE,
    TCP,
    UDP,
    Family,
    Flow,
    Helper,
)
from targets.openwrt import uci
from tests.model.flows import ORIGIN, V4, flow

V6 = frozenset({Family.IPV6})
HELPER = Helper("pptp", TCP, 1723, ("nf_conntrack_pptp", "nf_nat_pptp"), V4)
MODULES: list[Fact] = ["nf_conntrack_pptp", "nf_nat_pptp"]

FLOWS: Mapping[str, tuple[Flow, ...]] = MappingProxyType(
    {
        "pptp": (flow("pptp.control", TCP, 1723), flow("pptp.data", GRE, carried=True)),
        "l2tp": (flow("l2tp.tunnel", UDP, 1701),),
        "ipsec": (
            flow("ipsec.ike", UDP, 500),
            flow("ipsec.nat-t", UDP, 4500),
            flow("ipsec.esp", ESP),
        ),
        "openvpn": (flow("openvpn.udp", UDP, 1194), flow("openvpn.tcp", TCP, 1194)),
        "wireguard": (flow("wireguard.tunnel", UDP, (51820, 51830), 51825, 51900),),
    }
)
LAN = Zone("lan", Role.LAN, ("br-lan",), (ip_network("192.168.1.0/24"), ip_network("fd00:1::/64")))
GUEST = Zone("guest", Role.LAN, ("br-guest",), (ip_network("192.168.3.0/24"),))
WAN = Zone("wan", Role.WAN, ("eth1",))


def device(
    release: str = "24.10", zones: tuple[Zone, ...] = (LAN, GUEST, WAN), **facts: Fact
) -> Device:
    return Device("r1", "openwrt", zones, {"release": release, **facts}, {}, Place("hosts.yml", 7))


def decision(
    protocol: str,
    action: Action,
    limits: Limits | None = None,
    otherwise: Action = Action.BLOCK,
    log: Log | None = None,
    flows: tuple[Flow, ...] = (),
) -> Decision:
    return Decision(
        protocol,
        action,
        flows or FLOWS[protocol],
        ORIGIN,
        limits or Limits(),
        otherwise=otherwise if action is Action.PASS and limits else Action.KEEP,
        log=log,
        helper=HELPER if protocol == "pptp" else None,
    )


def exposure(
    protocol: str, to: str, *sources: Network, log: Log | None = None, flows: tuple[Flow, ...] = ()
) -> Exposure:
    address: Address = ip_address(to)
    helper = HELPER if protocol == "pptp" else None
    return Exposure(protocol, address, flows or FLOWS[protocol], ORIGIN, helper, sources, log)


def intent(*parts: Decision | Exposure) -> Intent:
    decisions = [part for part in parts if isinstance(part, Decision)]
    exposures = tuple(part for part in parts if isinstance(part, Exposure))
    return Intent("r1", tuple(sorted(decisions, key=lambda d: d.protocol)), exposures)


NETWORKS = st.sampled_from(
    [
        ip_network(text)
        for text in (
            "203.0.113.0/28",
            "203.0.113.8/29",
            "198.51.100.7/32",
            "2001:db8::/32",
            "2001:db8:5::1/128",
            "192.168.3.0/25",
            "0.0.0.0/0",
        )
    ]
)
LISTS = st.lists(NETWORKS, max_size=3, unique=True).map(tuple)
LIMITS = st.none() | st.builds(
    Limits,
    zones=st.sampled_from([(), ("lan",), ("guest",)]),
    sources=LISTS,
    destinations=LISTS,
    families=st.sampled_from([BOTH_FAMILIES, BOTH_FAMILIES, V4, V6]),
)
LOGS = st.sampled_from([None, None, Log(), Log("10/minute")])


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    parts: list[Decision | Exposure] = []
    for protocol in FLOWS:
        action = draw(st.sampled_from(Action))
        if action is not Action.KEEP:
            otherwise = draw(st.sampled_from([Action.BLOCK, Action.KEEP]))
            parts.append(decision(protocol, action, draw(LIMITS), otherwise, draw(LOGS)))
    if draw(st.booleans()):
        sources = draw(LISTS)
        parts.append(exposure("wireguard", "192.168.1.20", *sources, log=draw(LOGS)))
        parts.append(exposure("ipsec", "fd00:1::20", *sources))
        parts.append(exposure("pptp", "192.168.1.21"))
    return intent(*parts)


#: Whole sections and comments that other programs and people leave in a firewall config.
FOREIGN = (
    "config defaults\n\toption input\t\tREJECT\n",
    "config zone\n\toption name 'lan'\n\tlist   network 'lan'\n",
    "\nconfig forwarding\n\toption src lan\n\toption dest wan\n",
    "# We need this, it's for DHCP\n",
    "\n",
    " \t\n",
    "config rule\n\toption name 'Allow-Ping' # 'why\n\toption target ACCEPT\n",
    "config rule 'mine'\n\toption extra 'a\n\nconfig rule '\\''passthru_x'\\''\n\toption b\n'\n",
    'config redirect "r1"\r\n\toption name "say \\"hi\\"\\\nhere;"\r\n',
    "config include 'rtsp'\n\toption path '/etc/x;y#z'\n",
    "c rule passthru\n\to a b\n\tl c \\'d\n",
    "config rule\n\toption name a\\\n\n",
)
#: Sections of ours as older versions, LuCI or people may have written them.
OLD = (
    "config rule 'passthru_old'\n\toption a 'b'\n\n\t# in between\n\tlist c 'd\n\ne'\n",
    "\nconfig rule 'passthru_luci'\n\toption target 'DROP'\n",
    "config rule passthru_raw\r\n\toption a b\r\n",
    "config redirect \"pass\"thru_'quoted'\n",
    "config \\\nrule pass\\\nthru_split\n\toption a b\\\n\n",
)
VALUES = st.text(st.sampled_from("ab '\"\\\n#;\t\r\u00e9"), max_size=12)


@st.composite
def configs(draw: st.DrawFn) -> str:
    """A valid /etc/config/firewall, as hostile as the grammar allows."""
    parts = draw(st.lists(st.sampled_from(FOREIGN + OLD), min_size=1, max_size=8))
    value = uci.quote(draw(VALUES))
    parts.insert(draw(st.integers(0, len(parts))), f"config rule\n\toption name {value}\n")
    text = "".join(parts)
    return text.rstrip("\n") if draw(st.booleans()) and not text.endswith("\\\n\n") else text
