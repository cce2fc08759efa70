"""Devices, intents and probes for the tests of switch families."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType

from hypothesis import strategies as st

from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.effect import Probe
from compiler.model.finding import Place
from compiler.model.intent import Action, Decision, Intent, Limits
from compiler.model.protocol import (
    AH,
    ESP,
    GRE,
    TCP,
    UDP,
    Family,
    Flow,
    Helper,
)
from tests.model.flows import ORIGIN, V4, flow

HELPER = Helper("pptp", TCP, 1723, ("nf_conntrack_pptp",), V4)
FLOWS: Mapping[str, tuple[Flow, ...]] = MappingProxyType(
    {
        "pptp": (flow("pptp.control", TCP, 1723), flow("pptp.data", GRE, carried=True)),
        "l2tp": (flow("l2tp.all", UDP, 1701),),
        "ipsec": (
            flow("ipsec.ike", UDP, 500),
            flow("ipsec.natt", UDP, 4500),
            flow("ipsec.esp", ESP),
            flow("ipsec.ah", AH),
        ),
        "wireguard": (flow("wireguard.all", UDP, 51820),),
    }
)


def decision(
    protocol: str,
    action: Action,
    limits: Limits | None = None,
    flows: tuple[Flow, ...] = (),
) -> Decision:
    passing = action is Action.PASS
    return Decision(
        protocol,
        action,
        flows or FLOWS[protocol],
        ORIGIN,
        limits or Limits(),
        otherwise=Action.BLOCK if passing and limits else Action.KEEP,
        helper=HELPER if passing and protocol == "pptp" else None,
    )


def intent(*decisions: Decision) -> Intent:
    return Intent("r1", tuple(sorted(decisions, key=lambda d: d.protocol)))


def block(*protocols: str) -> Intent:
    return intent(*(decision(name, Action.BLOCK) for name in protocols))


def let(*protocols: str) -> Intent:
    return intent(*(decision(name, Action.PASS) for name in protocols))


def device(target: str, facts: Mapping[str, Fact] | None = None, **options: Fact) -> Device:
    zones = (
        Zone("lan", Role.LAN, ("br0",), (ip_network("192.168.1.0/24"),)),
        Zone("guest", Role.LAN, ("br1",), (ip_network("192.168.2.0/24"),)),
        Zone("wan", Role.WAN, ("eth0",)),
    )
    return Device("r1", target, zones, facts or {}, options, Place("hosts.yml", 7, 3))


def probe(one: Flow, family: Family = Family.IPV4) -> Probe:
    return Probe(one, family, "lan", "wan", one.ports[0].first if one.ports else 0)


LIMITS = st.sampled_from(
    [
        None,
        None,
        Limits(zones=("lan",)),
        Limits(destinations=(ip_network("203.0.113.0/28"),)),
        Limits(families=V4),
    ]
)
ACTIONS = st.sampled_from([Action.PASS, Action.BLOCK, Action.KEEP])


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    chosen = [
        decision(name, action, draw(LIMITS))
        for name in FLOWS
        if (action := draw(ACTIONS)) is not Action.KEEP
    ]
    return intent(*chosen)
