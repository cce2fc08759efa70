"""Advice: the port forwardings that a person must enter, as data and in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from compiler.errors import NativeError
from compiler.model.finding import Code
from compiler.model.intent import Exposure, Intent
from compiler.model.protocol import TCP, UDP, PortRange, layer4_name
from compiler.model.target import Bundle, File
from compiler.toggles.jsontext import load

NATIVE = "advice.json"
WORDS = "advice.txt"
_SCHEMA = "passthru/netgear-advice/v1"
_NAMES = {"tcp": TCP, "udp": UDP}


@dataclass(frozen=True, slots=True, order=True)
class Forward:
    """One port forwarding: what comes to the router goes to a host behind it."""

    layer4: int
    ports: PortRange
    to: IPv4Address

    def __str__(self) -> str:
        """Give ``udp/500 to 192.168.1.9``."""
        return f"{layer4_name(self.layer4)}/{self.ports} to {self.to}"


@dataclass(frozen=True, slots=True)
class Advice:
    """The settings of this family: sorted port forwardings, and nothing else."""

    forwards: tuple[Forward, ...] = ()


def advise(intent: Intent) -> Advice:
    """Give the port forwardings that the exposures need and this router can have."""
    return Advice(tuple(sorted({f for e in intent.exposures for f in _of(e)})))


def _of(exposure: Exposure) -> Iterator[Forward]:
    to = exposure.to
    if not isinstance(to, IPv4Address):
        return
    for flow in exposure.flows:
        if flow.layer4 in (TCP, UDP):
            for ports in flow.ports:
                yield Forward(flow.layer4, ports, to)


def render(advice: Advice) -> Bundle:
    """Print the data and the words."""
    rows = [
        {
            "protocol": layer4_name(f.layer4),
            "first": f.ports.first,
            "last": f.ports.last,
            "to": str(f.to),
        }
        for f in advice.forwards
    ]
    data = json.dumps({"schema": _SCHEMA, "forwards": rows}, indent=2) + "\n"
    files = (File(NATIVE, data.encode()), File(WORDS, _words(advice.forwards).encode()))
    return Bundle(files, NATIVE)


def parse(text: str) -> Advice:
    """Read the data again.

    Raises:
        NativeError: this is no advice of ours; the router prints nothing that could be read.
    """
    data = load(text, "the advice")
    rows = data.get("forwards")
    if data.get("schema") != _SCHEMA or not isinstance(rows, list):
        raise NativeError.of(
            Code.T407,
            "this is no advice of passthru",
            hint="Netgear routers have no VPN settings that could be read",
        )
    return Advice(tuple(sorted(_forward(row) for row in rows)))


def _forward(row: Any) -> Forward:
    try:
        layer4 = _NAMES[row["protocol"]]
        first, last = _port(row["first"]), _port(row["last"])
        return Forward(layer4, PortRange(first, last), IPv4Address(row["to"]))
    except (KeyError, TypeError, ValueError) as error:
        shown = json.dumps(row)[:80]
        raise NativeError.of(Code.T407, f"{shown} is no port forwarding") from error


def _port(value: Any) -> int:
    if type(value) is not int or not 0 < value < 65536:
        raise ValueError("no port")
    return value


def _words(forwards: Iterable[Forward]) -> str:
    rows = "".join(f"- {forward}\n" for forward in forwards)
    entered = (
        "Enter these on the page Advanced, Port Forwarding (custom service), and nothing else\n"
        f"for this policy:\n\n{rows}\nThey let in everybody in the WAN: the page has no list of "
        "sources.\n"
        if rows
        else "No port forwarding is needed for this policy.\n"
    )
    return (
        "This router lets VPN clients out by itself; a block cannot be set on it. Where its page\n"
        "WAN Setup shows VPN Passthrough (firmware for Russia and China), leave all three\n"
        "enabled: disabled, they drop UDP port 500, UDP port 1701 and TCP port 1723.\n\n"
        f"{entered}\n"
        "Check from a computer behind the router, with two clients at a time:\n\n"
        "- IPsec: the client's log must show that it moved to UDP port 4500 (NAT traversal). If\n"
        "  it stays at port 500 with ESP, one client for each remote gateway is all that works.\n"
        "- PPTP: the second client must connect to the same server too; whether the router has\n"
        "  the NAT helper for that is not known.\n"
    )
