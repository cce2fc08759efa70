"""The settings: our entries, known by their comments, and the service port of PPTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from compiler.rules import block
from compiler.toggles.family import ToggleSettings
from targets.routeros import script
from targets.routeros.script import Command, fail

MARK = "passthru:"
CHAIN = "passthru"
HELPER_MENU = "/ip firewall service-port"
KEY = "pptp"
LISTS, MEMBERS = "/interface list", "/interface list member"
ADDRESSES = {4: "/ip firewall address-list", 6: "/ipv6 firewall address-list"}
FILTER = {4: "/ip firewall filter", 6: "/ipv6 firewall filter"}
NAT = "/ip firewall nat"
#: Menus with entries of ours, in the order in which entries can be added.
MENUS = (LISTS, MEMBERS, ADDRESSES[4], FILTER[4], NAT, ADDRESSES[6], FILTER[6])
_ORDERED = frozenset((*FILTER.values(), NAT))
#: What a verbose export prints and says nothing.
_DEFAULTS = {"disabled": "no", "log": "no", "dynamic": "no"}
#: The chains that packets come to by themselves, and where ours is jumped to.
HOOKS = {FILTER[4]: "forward", FILTER[6]: "forward", NAT: "dstnat"}
_CUT = (
    ":foreach each in=[/ip firewall connection find where ",
    "] do={ :do { /ip firewall connection remove $each } on-error={} }",
)
#: Actions after which the next rule is tried.
PASSING_BY = frozenset({"log", "passthrough"})
#: RouterOS' names of protocols; exports print names, scripts may hold either. MikroTik's
#: documentation of firewall matchers lists them.
PROTOCOLS = {
    "icmp": 1, "ipencap": 4, "tcp": 6, "udp": 17, "ipv6": 41, "ipv6-encap": 41, "gre": 47,
    "ipsec-esp": 50, "ipsec-ah": 51, "ipip": 94, "etherip": 97, "l2tp": 115, "sctp": 132,
}  # fmt: skip
WRITTEN = {6: "tcp", 17: "udp", 47: "gre", 50: "ipsec-esp", 51: "ipsec-ah"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a menu, properties sorted by name.

    ``first``: no rule of others that could decide stands before it (for what we jump from).
    """

    menu: str
    properties: tuple[tuple[str, str], ...]
    first: bool = False

    def get(self, name: str) -> str:
        """Give a property; nothing where it is unset."""
        return dict(self.properties).get(name, "")

    @property
    def is_jump(self) -> bool:
        """Tell whether this is what brings packets to our chain."""
        return self.get("chain") == HOOKS.get(self.menu) and self.get("action") == "jump"


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """Our entries, and whether the PPTP helper is on (``pptp``: ``on``, ``off``)."""

    entries: tuple[Entry, ...] = ()
    toggles: ToggleSettings = field(default_factory=ToggleSettings)

    @property
    def helper(self) -> str:
        """``on``, ``off``, or nothing where the service port is left alone."""
        return str(self.toggles.as_dict().get(KEY, ""))

    def items(self) -> dict[str, str]:
        """Give a flat listing; the entries of a menu are lines, since rules have an order."""
        found: dict[str, str] = {}
        for each in self.entries:
            words = [f"{name}={value}" for name, value in each.properties]
            line = " ".join([*words, *(["(first)"] if each.first else [])])
            found[each.menu] = f"{found[each.menu]}\n{line}" if each.menu in found else line
        if self.helper:
            found[f"{HELPER_MENU} {KEY}"] = self.helper
        return found

    def of_menu(self, menu: str) -> tuple[Entry, ...]:
        """Give the entries of a menu that are not disabled."""
        return tuple(e for e in self.entries if e.menu == menu and e.get("disabled") != "yes")


def of(entries: Iterable[Entry], helper: str = "") -> RouterSettings:
    """Build settings from entries; only rules have an order of their own."""
    canonical = list(dict.fromkeys(map(_canonical, entries)))
    canonical.sort(key=_rank)
    return RouterSettings(tuple(canonical), ToggleSettings.of({KEY: helper} if helper else {}))


def _rank(stated: Entry) -> tuple[int, bool, tuple[tuple[str, str], ...]]:
    """Rules keep their order; where a jump of ours stands is said by ``first``."""
    ordered = stated.menu in _ORDERED
    return (MENUS.index(stated.menu), stated.is_jump, () if ordered else stated.properties)


def entry(menu: str, properties: Mapping[str, str]) -> Entry:
    """Build an entry in its canonical form."""
    return _canonical(Entry(menu, tuple(properties.items())))


def _canonical(stated: Entry) -> Entry:
    found = {k: v for k, v in stated.properties if v and _DEFAULTS.get(k) != v}
    if stated.menu in HOOKS:
        found.setdefault("action", "accept")
    if "protocol" in found:
        found["protocol"] = _protocol(found["protocol"])
    if stated.menu in ADDRESSES.values() and "address" in found:
        found["address"] = _address(found["address"])
    return replace(stated, properties=tuple(sorted(found.items())))


def _protocol(stated: str) -> str:
    number = int(stated) if stated.isdecimal() else PROTOCOLS.get(stated)
    return stated if number is None else WRITTEN.get(number, str(number))


def _address(stated: str) -> str:
    """Write a network as an export does: an IPv4 host without its prefix length."""
    try:
        network = ip_network(stated, strict=False)
    except ValueError:
        return stated
    alone = network.version == 4 and network.prefixlen == 32
    return str(network.network_address) if alone else str(network)


def is_ours(command: Command) -> bool:
    """Tell whether a command adds an entry of ours."""
    return (
        command.verb == "add"
        and command.menu in MENUS
        and command.properties().get("comment", "").startswith(MARK)
    )


def helper_state(command: Command) -> str:
    """Say what a command does to the PPTP helper; nothing if it speaks of something else."""
    if command.menu != HELPER_MENU or command.verb != "set" or not command.words:
        return ""
    target = command.words[0]
    if target != KEY and "".join(target.split()) not in (
        f"[findname={KEY}]",
        f'[findname="{KEY}"]',
    ):
        return ""
    return {"no": "on", "yes": "off"}.get(command.properties().get("disabled", ""), "")


def put_first(menu: str) -> str:
    """Give the script that moves our jump before the first rule of others in its chain."""
    return put_at(menu, 0)


def put_at(menu: str, place: int) -> str:
    """Give the script that moves our jump, the last rule of its chain, behind ``place`` others.

    Dynamic entries (the counter of FastTrack) cannot be moved and decide nothing.
    """
    hook = HOOKS[menu]
    found = f"find where chain={hook} and dynamic=no"
    return (
        f":if ([:len [{found}]] > {place + 1}) do={{ move [find where chain={hook} and "
        f'comment="{MARK}jump"] destination=[:pick [{found}] {place}] }}'
    )


def cut(condition: str) -> str:
    """Give the script that removes the connections for which a condition holds."""
    return f"{_CUT[0]}{condition}{_CUT[1]}"


def is_cut(line: str) -> bool:
    """Tell whether a line is such a script, and nothing more: it changes no rule."""
    condition = line.removeprefix(_CUT[0]).removesuffix(_CUT[1])
    return line == cut(condition) and not set(condition) & set("[]{};")


def jump_places(text: str, file: str) -> dict[str, int]:
    """Say behind how many rules of others each jump of ours stands, in the chain that it is in.

    Raises:
        NativeError: the text is no export, or it is cut off.
    """
    before: dict[str, int] = {}
    found: dict[str, int] = {}
    for command in script.read(text, file):
        if command.verb != "add" or command.menu not in HOOKS:
            continue
        if is_ours(command) and entry(command.menu, command.properties()).is_jump:
            found.setdefault(command.menu, before.get(command.menu, 0))
        elif command.properties().get("chain") == HOOKS[command.menu]:
            before[command.menu] = before.get(command.menu, 0) + 1
    return found


def read(text: str, file: str) -> RouterSettings:
    """Read our entries out of our own script or an export.

    Raises:
        NativeError: the text is no script, or it is cut off.
    """
    commands = script.read(text, file)
    if block.spans(text.split("\n")) is None:
        raise fail(file, 0, "our own block in this text is cut off")
    lines = text.split("\n")
    entries: list[Entry] = []
    behind: set[str] = set()
    helper = ""
    for command in commands:
        helper = helper_state(command) or helper
        if is_ours(command):
            found = entry(command.menu, command.properties())
            entries.append(replace(found, first=found.is_jump and command.menu not in behind))
        elif command.verb == "add" and _decides(command):
            behind.add(command.menu)
        elif command.menu in HOOKS and lines[command.first].strip() == put_first(command.menu):
            entries = [_moved(each, command.menu) for each in entries]
    return of(entries, helper)


def _moved(each: Entry, menu: str) -> Entry:
    return replace(each, first=True) if each.menu == menu and each.is_jump else each


def _decides(command: Command) -> bool:
    """Tell whether a foreign rule in the chain that we hook into could decide before ours."""
    found = command.properties()
    return (
        found.get("chain") == HOOKS.get(command.menu)
        and found.get("disabled") != "yes"
        and found.get("action") not in PASSING_BY
    )
