"""The firewall while it is being put together: zones, rules by chain, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from targets.openwrt.fw4.addresses import Address
from targets.openwrt.fw4.ruleset import Rule, Set
from targets.openwrt.fw4.signatures import Mark
from targets.openwrt.networks import Networks
from targets.openwrt.uci import Section

#: Protocol names that musl's getprotobyname knows, and thus nft on the router, with their numbers
#: (https://git.musl-libc.org/cgit/musl/tree/src/network/proto.c).
PROTOCOLS: Mapping[str, int] = {
    "ip": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "pup": 12,
    "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36,
    "ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45,
    "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57, "ipv6-icmp": 58, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "rspf": 73, "vmtp": 81, "ospf": 89, "ipip": 94, "encap": 98, "pim": 103,
    "comp": 108, "sctp": 132, "mh": 135, "udplite": 136, "mpls-in-ip": 137, "hip": 139,
    "shim6": 140, "wesp": 141, "rohc": 142,
}  # fmt: skip
#: nft takes comments of 128 bytes; fw4 puts "!fw4: " before.
LONGEST_NAME = 122
LONGEST_PREFIX = 127
LONGEST_DEVICE = 15
#: 75 characters were seen to load, 90 were not.
LONGEST_ZONE = 75


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper of firewall4's list, and whether the kernel has it."""

    name: str
    module: str
    layer4: str
    port: int
    family: int = 0
    title: str = ""
    available: bool = True
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """One way to tell a zone's packets: devices and subnets, as one rule can match them."""

    family: int = 0
    devices: tuple[str, ...] = ()
    not_devices: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    not_subnets: tuple[str, ...] = ()
    masked: tuple[Address, ...] = ()
    doubt: str = ""


@dataclass(slots=True)
class Zone:
    """A zone, and what other sections need of it."""

    name: str
    origin: str
    family: int | None
    interfaces: tuple[Interface, ...]
    devices: tuple[str, ...]
    policies: Mapping[str, str]
    options: Mapping[str, Any]
    networks: tuple[str, ...] = ()
    related: tuple[Address, ...] | None = None
    leads_to: set[str] = field(default_factory=set)
    comes_from: set[str] = field(default_factory=set)
    dnat: bool = False
    helper: bool = False
    notrack: bool = False

    @property
    def masquerades(self) -> bool:
        """Tell whether the zone hides what goes out, in either family."""
        return bool(self.options.get("masq") or self.options.get("masq6"))


@dataclass(frozen=True, slots=True)
class ZoneName:
    """What a ``src`` or ``dest`` stands for; no zone: any."""

    zone: Zone | None = None

    @property
    def any(self) -> bool:
        """Tell whether it was ``*``."""
        return self.zone is None


@dataclass(frozen=True, slots=True)
class SetFound:
    """A named set, with the directions in which its parts match."""

    set: Set
    family: int
    directions: tuple[str, ...]


@dataclass(slots=True)
class State:
    """Everything so far.

    - ``refusals``: why nft refuses the whole ruleset, or may. ``crash``: why there is none.
    - ``doubts``: why nothing can be said about any packet.
    - ``vanished``: sections that fw4 skips, with the reason; ``traps``: those that do something
      else than they seem to.
    - ``files``: what included files hold that are ours, by path.
    """

    networks: Networks
    helpers: Mapping[str, Helper]
    files: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    zones: list[Zone] = field(default_factory=list)
    sets: dict[str, SetFound] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    before: dict[str, list[Rule]] = field(default_factory=dict)
    after: dict[str, list[Rule]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    crash: str = ""
    doubts: list[str] = field(default_factory=list)
    vanished: list[tuple[str, str]] = field(default_factory=list)
    traps: list[tuple[str, str]] = field(default_factory=list)

    def zone(self, name: str) -> ZoneName | None:
        """Find what a zone name stands for; ``None``: nothing."""
        if name == "*":
            return ZoneName()
        return next((ZoneName(zone) for zone in self.zones if zone.name == name), None)

    def add(self, chain: str, rule: Rule) -> None:
        """Append a rule to a chain."""
        self.rules.setdefault(chain, []).append(rule)

    def check_name(self, origin: str, name: str) -> None:
        """See that nft takes a section's name as a comment."""
        if len(name.encode(errors="surrogatepass")) > LONGEST_NAME:
            self.refusals.append(f"{origin}: nft refuses a name of more than {LONGEST_NAME} bytes")

    def check_log(self, origin: str, stated: Any, name: str) -> None:
        """See that nft takes a section's log prefix."""
        prefix = f"{name}: " if stated in ("1", "on", "true", "yes") else str(stated or "")
        if len(prefix.encode(errors="surrogatepass")) > LONGEST_PREFIX:
            message = f"{origin}: nft refuses a log prefix of more than {LONGEST_PREFIX} bytes"
            self.refusals.append(message)

    def protocol(self, origin: str, name: str) -> str:
        """Give a protocol as a number, and note one that nft may not know."""
        if name in PROTOCOLS:
            return str(PROTOCOLS[name])
        if name.isdecimal() and int(name) <= 255:
            return str(int(name))
        self.refusals.append(f"{origin}: nft on the router does not know the protocol '{name}'")
        return "255"

    def check_helper(self, origin: str, helper: Helper) -> None:
        """See that the kernel has a helper that a rule sets: fw4 does not look."""
        if not helper.available:
            what = f"a kernel without {helper.module} refuses the whole ruleset"
            self.refusals.append(f"{origin}: {what}")

    def check_addresses(self, origin: str, listed: Iterable[Address]) -> None:
        """See that nft takes the prefixes and ranges."""
        for address in listed:
            _, slash, length = address.text.partition("/")
            if slash and not address.mask and not 0 <= int(length) <= _WIDTH[address.family]:
                self.refusals.append(f"{origin}: nft refuses the prefix {address.text}")


_WIDTH = {4: 32, 6: 128}


def label(section: Section, index: int) -> str:
    """Name a section as ``uci`` does, and as people do."""
    where = section.name or f"@{section.type}[{index}]"
    name = section.text("name")
    return f"{where} ({name})" if name and name != where else where


def infer_family(stated: int | None, *families: int | None) -> int | str | None:
    """Narrow a family by what a section refers to; a text says that they contradict each other."""
    found = stated
    for each in families:
        if not each or each == found:
            continue
        if found:
            return f"it is for IPv{found} and refers to something of IPv{each} only"
        found = each
    return found
