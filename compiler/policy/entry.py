"""One entry of a play, rendered for a device: strings become networks, ports, zones and dates.

Every function collects what is wrong at its place instead of stopping at the first problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from typing import Any

from compiler.model.device import Device, Network
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import Action, Limits, Log
from compiler.model.protocol import BOTH_FAMILIES, LAYER4, PORTED, Family, PortRange

Ports = tuple[tuple[int, PortRange], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What one play says of one protocol on one device."""

    action: Action
    limits: Limits = field(default_factory=Limits)
    otherwise: Action = Action.KEEP
    ports: Ports = ()
    log: Log | None = None
    collateral: bool = False
    signature: bool = False
    until: date | None = None
    reason: str = ""


@dataclass(slots=True)
class Reader:
    """Reads the values of one rendered entry; ``places`` gives the place of each key."""

    value: Mapping[str, Any]
    device: Device
    places: Mapping[str, Place]
    whole: Place
    findings: list[Finding] = field(default_factory=list)

    def entry(self) -> Entry:
        """Read the whole entry."""
        action = Action(self.value["action"])
        limits = Limits(*self._sources(), self.networks("to"), self._families())
        if action is Action.KEEP:
            self._useless_with_keep()
        self._families_fit(limits)
        if "otherwise" in self.value and (action is not Action.PASS or limits.everywhere):
            self.say(Code.P115, "'otherwise' belongs to a pass that has limits", "otherwise")
        otherwise = Action(self.value.get("otherwise", "block"))
        limited_pass = action is Action.PASS and not limits.everywhere
        return Entry(
            action,
            limits,
            otherwise if limited_pass else Action.KEEP,
            self.ports(),
            self.log(),
            self.value.get("collateral") == "accept",
            self.value.get("detect") == "signature",
            self._until(),
            str(self.value.get("reason", "")),
        )

    def say(self, code: Code, message: str, key: str = "", hint: str = "") -> None:
        """Record a problem at a key's place."""
        place = self.places.get(key, self.whole)
        self.findings.append(Finding(code, message, Severity.ERROR, place, hint))

    def _useless_with_keep(self) -> None:
        for key in self.value:
            if key not in ("action", "reason"):
                self.say(Code.P115, f"'{key}' means nothing with action 'keep'", key)

    def _families_fit(self, limits: Limits) -> None:
        """Refuse limits that no packet meets: networks of one family, packets of the other."""
        versions = {4 if family is Family.IPV4 else 6 for family in limits.families}
        listed = {"to": limits.destinations, "from": () if limits.zones else limits.sources}
        for key, networks in listed.items():
            if networks and versions.isdisjoint(net.version for net in networks):
                words = " and ".join(sorted(limits.families))
                self.say(Code.P115, f"'{key}' lists no network of {words}, the only family", key)

    def _items(self, key: str) -> list[str]:
        """Give a list that may be written as one string (``a, b`` too, as templates make it)."""
        raw = self.value.get(key)
        if raw is None:
            if key in self.value:
                self.say(Code.P109, f"'{key}' is empty", key, "leave it out to mean everywhere")
            return []
        listed = raw.split(",") if isinstance(raw, str) else list(raw)
        items = [str(item).strip() for item in listed]
        if not items or any(not item for item in items):
            self.say(
                Code.P109, f"'{key}' is empty or holds an empty item", key,
                "an empty list would mean nothing; leave the key out to mean everywhere",
            )  # fmt: skip
        return [item for item in items if item]

    def networks(self, key: str) -> tuple[Network, ...]:
        """Read a list of networks, sorted and without doubles."""
        found = [self._network(item, key) for item in self._items(key)]
        return _sorted(net for net in found if net is not None)

    def _network(self, text: str, key: str) -> Network | None:
        try:
            return ip_network(text)
        except ValueError as error:
            hint = "write it as 192.0.2.0/24 or 2001:db8::/32"
            if "has host bits set" in str(error):
                hint = f"did you mean {ip_network(text, strict=False)}?"
            self.say(Code.P110, f"'{_short(text)}' is not a network", key, hint)
            return None

    def _sources(self) -> tuple[tuple[str, ...], tuple[Network, ...]]:
        zones: list[str] = []
        networks: list[Network] = []
        for item in self._items("from"):
            zone = self.device.zone(item)
            if zone is None and _looks_like_address(item):
                network = self._network(item, "from")
                networks.extend([network] if network else [])
            elif zone is None:
                known = ", ".join(z.name for z in self.device.lan_zones)
                self.say(
                    Code.P111, f"host '{self.device.name}' has no zone '{_short(item)}'", "from",
                    f"its LAN zones: {known}",
                )  # fmt: skip
            elif zone not in self.device.lan_zones:
                self.say(Code.P111, f"'{item}' is a WAN zone; 'from' takes LAN zones", "from")
            else:
                zones.append(item)
        return tuple(sorted(set(zones))), _sorted(networks)

    def _families(self) -> frozenset[Family]:
        raw = self.value.get("families")
        if raw is None:
            return BOTH_FAMILIES
        return frozenset(Family(word) for word in ([raw] if isinstance(raw, str) else raw))

    def ports(self) -> Ports:
        """Read ``udp/51820`` and ``tcp/5000-5010``."""
        found = [self._port(item) for item in self._items("ports")]
        return tuple(sorted({port for port in found if port is not None}))

    def _port(self, text: str) -> tuple[int, PortRange] | None:
        layer4, _, numbers = text.partition("/")
        first, dash, last = numbers.partition("-")
        number = LAYER4.get(layer4)
        if number in PORTED and _is_port(first) and (not dash or _is_port(last)):
            range_ = PortRange(int(first), int(last or first))
            if range_.first <= range_.last:
                return number, range_
        self.say(
            Code.P112,
            f"'{_short(text)}' is not a port",
            "ports",
            "write it as udp/51820 or tcp/5000-5010",
        )
        return None

    def log(self) -> Log | None:
        """Read ``log``: a truth value, or rate and burst."""
        raw = self.value.get("log")
        if isinstance(raw, Mapping):
            return Log(raw["rate"], raw.get("burst", 5))
        return Log() if raw is True else None

    def _until(self) -> date | None:
        raw = self.value.get("until")
        if raw is None:
            return None
        try:
            return date.fromisoformat(str(raw))
        except ValueError:
            self.say(Code.P102, f"'{_short(str(raw))}' is not a date", "until", "write 2027-03-31")
            return None


def _sorted(networks: Any) -> tuple[Network, ...]:
    unique: set[Network] = set(networks)
    return tuple(sorted(unique, key=lambda n: (n.version, int(n.network_address), n.prefixlen)))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _looks_like_address(text: str) -> bool:
    return ":" in text or "/" in text or text.replace(".", "").isdigit()


def _short(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= 60 else shown[:57] + "..."
