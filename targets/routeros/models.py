"""RouterOS' firewall as nftables, as its manual describes it: our entries in a default config.

RouterOS is Linux, but its firewall is not published. What is written here is what the manual says
of each property: chains whose first matching rule decides, lists, states of connections, NAT, the
service port of PPTP, and FastTrack, which carries TCP and UDP connections that stand past the
filter. Apart from :mod:`targets.routeros.effects`, so that each is held to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from compiler.errors import TargetError
from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.finding import Code
from compiler.model.protocol import Family
from targets.routeros.render import CUT, MOST_PORTS
from targets.routeros.settings import (
    ADDRESSES,
    FILTER,
    MEMBERS,
    NAT,
    PASSING_BY,
    PROTOCOLS,
    Entry,
    RouterSettings,
)

_BASIS = "what RouterOS' manual says of our entries in a default config, not its code (README.md)"
_SILENT = frozenset({
    "action", "chain", "comment", "disabled", "jump-target", "log", "log-prefix", "reject-with",
    "to-addresses",
})  # fmt: skip
#: What each property asks, in nft's words.
_WORDS = {
    "protocol": "meta l4proto {number}",
    "src-port": "{protocol} sport {{ {listed} }}",
    "dst-port": "{protocol} dport {{ {listed} }}",
    "in-interface-list": "iifname @{links}",
    "out-interface-list": "oifname @{links}",
    "src-address-list": "{ip} saddr @{addresses}",
    "dst-address-list": "{ip} daddr @{addresses}",
    "src-address": "{ip} saddr {value}",
    "dst-address": "{ip} daddr {value}",
    "dst-address-type": "fib daddr type local",
    "connection-state": "ct state {{ {listed} }}",
}
_VERDICTS = ("accept", "drop", "reject", "return")
_PLAIN = re.compile(r"[A-Za-z0-9_.:,/-]+")
_LINK = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_TRACKED = "ct state established,related accept"


def data_path(settings: RouterSettings, device: Device) -> DataPath:
    """Give the rules.

    Raises:
        TargetError: an entry has a property that is not modelled (T406), or an interface a name
            that Linux has not (T408).
    """
    on = settings.helper == "on"
    texts = (_Tables(settings, device, family).text(helped=on) for family in Family)
    return DataPath(
        nft="".join(texts),
        basis=_BASIS,
        guards=False,
        unsure_helpers=() if settings.helper else ("pptp",),
        ends=tuple(dict.fromkeys(_ended(settings))),
    )


def _ended(settings: RouterSettings) -> Iterator[tuple[str, ...]]:
    """Give the connections that our script removes."""
    for entry in settings.of_menu(FILTER[4]):
        protocol = entry.get("protocol")
        if entry.get("action") not in ("drop", "reject") or protocol not in CUT:
            continue
        found = ("-f", "ipv4", "-p", protocol)
        for stated in entry.get("dst-port").split(","):
            first, _, last = stated.partition("-")
            ports = range(int(first or 0), int(last or first or 0) + 1)
            if stated and len(ports) <= MOST_PORTS:
                yield from ((*found, "--orig-port-dst", str(port)) for port in ports)
            else:
                yield found


class _Tables:
    """The firewall of one address family."""

    def __init__(self, settings: RouterSettings, device: Device, family: Family) -> None:
        self._settings, self._device = settings, device
        self._four = family is Family.IPV4
        self._ip, self._version = ("ip", 4) if self._four else ("ip6", 6)

    def text(self, *, helped: bool) -> str:
        """Print one table with everything."""
        name = f"{self._ip} routeros"
        body = [*self._lists(), *self._filter()]
        if self._four:
            body += [*self._nat(), *(_HELPER if helped else ())]
        lines = "".join(f"\t{line}\n" for line in body)
        return f"table {name}\ndelete table {name}\ntable {name} {{\n{lines}}}\n"

    # -- lists

    def _lists(self) -> Iterator[str]:
        for name, held in self._held(MEMBERS, "interface").items():
            yield _set("L", name, "ifname", list(map(_link, held)))
        for name, held in self._held(ADDRESSES[self._version], "address").items():
            for each in held:
                if not _PLAIN.fullmatch(each):
                    raise _unmodelled("address", each)
            yield _set("A", name, f"ipv{self._version}_addr; flags interval; auto-merge", held)

    def _held(self, menu: str, word: str) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in self._settings.of_menu(menu):
            found.setdefault(entry.get("list"), []).append(entry.get(word))
        return found

    # -- chains

    def _filter(self) -> Iterator[str]:
        """Our chain first, then what the default config accepts and drops."""
        menu = FILTER[self._version]
        yield from self._ours(menu, "forward")
        yield "chain forward {"
        yield "\ttype filter hook forward priority filter; policy accept;"
        if self._device.facts.get("fasttrack") is not False:
            yield f"\tmeta l4proto {{ tcp, udp }} {_TRACKED}"
        yield from self._jumps(menu, "forward")
        yield from (f"\t{_TRACKED}", "\tct state invalid drop", "}")

    def _nat(self) -> Iterator[str]:
        yield from self._ours(NAT, "dstnat")
        yield "chain dstnat {"
        yield "\ttype nat hook prerouting priority dstnat; policy accept;"
        yield from self._jumps(NAT, "dstnat")
        wans = [_link(name) for zone in self._device.wan_zones for name in zone.devices]
        yield from ("}", "chain srcnat {")
        yield "\ttype nat hook postrouting priority srcnat; policy accept;"
        yield from (f"\toifname {name} masquerade" for name in wans)
        yield "}"

    def _ours(self, menu: str, hook: str) -> Iterator[str]:
        entries = [each for each in self._settings.of_menu(menu) if each.get("chain") != hook]
        for name in dict.fromkeys(each.get("chain") for each in entries):
            yield f"chain {_name(f'{hook}_', name)} {{"
            for each in entries:
                if each.get("chain") == name and each.get("action") not in PASSING_BY:
                    yield f"\t{self._rule(each, hook)}"
            yield "}"

    def _jumps(self, menu: str, hook: str) -> Iterator[str]:
        for each in self._settings.of_menu(menu):
            if each.get("chain") == hook:
                yield f"\t{self._rule(each, hook)}"

    # -- one rule

    def _rule(self, entry: Entry, hook: str) -> str:
        items = sorted(entry.properties, key=lambda item: item[0] != "protocol")
        asked = [self._asked(entry, *item) for item in items if item[0] not in _SILENT]
        return " ".join([*asked, self._done(entry, hook)])

    def _done(self, entry: Entry, hook: str) -> str:
        action = entry.get("action")
        if action == "jump":
            return f"jump {_name(f'{hook}_', entry.get('jump-target'))}"
        if action == "dst-nat" and hook == "dstnat" and _PLAIN.fullmatch(entry.get("to-addresses")):
            return f"dnat to {entry.get('to-addresses')}"
        if action not in _VERDICTS or hook == "dstnat":
            raise _unmodelled("action", action)
        return action

    def _asked(self, entry: Entry, name: str, value: str) -> str:
        protocol = entry.get("protocol")
        number = int(value) if value.isdecimal() else PROTOCOLS.get(value, 0)
        odd = name not in _WORDS or (name == "protocol" and not number)
        odd |= name == "dst-address-type" and value != "local"
        odd |= not (name.endswith("-list") or _PLAIN.fullmatch(value))
        if odd or (name.endswith("-port") and protocol not in CUT):
            raise _unmodelled(name, value)
        return _WORDS[name].format(
            ip=self._ip,
            value=value,
            listed=value.replace(",", ", "),
            number=number,
            protocol=protocol,
            links=_name("L_", value),
            addresses=_name("A_", value),
        )


def _unmodelled(name: str, value: str) -> TargetError:
    return TargetError.of(Code.T406, f"there is no model of {name}={value}")


def _link(name: str) -> str:
    if not _LINK.fullmatch(name):
        raise TargetError.of(Code.T408, f"no interface of Linux can be called {name!r}")
    return f'"{name}"'


def _name(begin: str, text: str) -> str:
    """Give a name that nft takes, and no other text gets."""
    return begin + re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0])}_", text)


def _set(kind: str, name: str, type_: str, members: list[str]) -> str:
    elements = ", ".join(members)
    return f"set {_name(f'{kind}_', name)} {{ type {type_}; elements = {{ {elements} }}; }}"


_HELPER = (
    'ct helper pptp { type "pptp" protocol tcp; l3proto ip; }',
    "chain helped {",
    "\ttype filter hook prerouting priority filter; policy accept;",
    '\ttcp dport 1723 ct helper set "pptp"',
    "}",
)
