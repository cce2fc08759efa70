"""The port forwardings of DNI firmware: keys ``forwarding1``, ``forwarding2`` and on.

A value is words between spaces or tabs: name, ``TCP``, ``UDP`` or ``TCP/UDP``, first and last port
outside, first and last port inside, address; more may follow. Read as net-wall reads it: the first
key that is unset, or whose ports are no numbers, ends the list; a value of fewer words is skipped;
a word that is neither ``TCP`` nor ``TCP/UDP`` means UDP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from itertools import count

from compiler.model.effect import Probe
from compiler.model.protocol import TCP, UDP, PortRange

KEY = "forwarding"
DMZ, DMZ_HOST = "wan_endis_dmz", "dmz_ipaddr"
_WORDS = 7
_ICMP = 1
_PROTOCOLS = {"TCP/UDP": (TCP, UDP), "TCP": (TCP,)}
_PORT = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Way:
    """What comes to the router goes to a host; ``layer4`` of nothing means all but ICMP."""

    key: str
    to: IPv4Address
    layer4: tuple[int, ...] = ()
    outside: PortRange | None = None
    inside: PortRange | None = None

    def takes(self, probe: Probe) -> bool:
        """Tell whether the router gives the packet to this host, wherever the probe wants it."""
        if not self.layer4:
            return probe.flow.layer4 != _ICMP
        return probe.flow.layer4 in self.layer4 and (
            self.outside is not None and probe.port in self.outside
        )

    def __str__(self) -> str:
        """Give ``forwarding1 (500 to 192.168.1.9)``."""
        if self.outside is None:
            return f"{self.key} (everything to {self.to})"
        inside = f":{self.inside}" if self.inside != self.outside else ""
        return f"{self.key} ({self.outside} to {self.to}{inside})"


def ways(keys: Mapping[str, str]) -> tuple[Way, ...]:
    """Read the forwardings of a listing, in the order in which they hold, then the DMZ host."""
    return (*_forwardings(keys), *_dmz(keys))


def _forwardings(keys: Mapping[str, str]) -> Iterator[Way]:
    for number in count(1):
        key = f"{KEY}{number}"
        words = re.split(r"[ \t]+", keys.get(key, "").strip(" \t"))
        if words == [""]:
            return
        if len(words) < _WORDS:
            continue
        if not all(map(_PORT.fullmatch, words[2:6])):
            return
        first, last, inner_first, inner_last = map(int, words[2:6])
        to = _address(words[6])
        if to and first <= last <= 65535 and inner_first <= inner_last <= 65535:
            inside = PortRange(inner_first, inner_last)
            protocols = _PROTOCOLS.get(words[1], (UDP,))
            yield Way(key, to, protocols, PortRange(first, last), inside)


def _dmz(keys: Mapping[str, str]) -> Iterator[Way]:
    to = _address(keys.get(DMZ_HOST, "").strip())
    if keys.get(DMZ) == "1" and to:
        yield Way(DMZ, to)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
