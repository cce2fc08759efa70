"""The menus of a RouterOS router: entries with properties, in order, and exports of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.embedded.ros.words import ScriptError, quoted

#: What a menu takes, by what its entries must have. Any other menu does not exist.
REQUIRED = {
    "/interface": (),
    "/interface list": ("name",),
    "/interface list member": ("interface", "list"),
    "/ip firewall address-list": ("list", "address"),
    "/ip firewall filter": ("chain",),
    "/ip firewall nat": ("chain",),
    "/ip firewall raw": ("chain",),
    "/ip firewall service-port": (),
    "/ip firewall connection": (),
    "/ipv6 firewall address-list": ("list", "address"),
    "/ipv6 firewall filter": ("chain",),
    "/system scheduler": ("name",),
    "/system script": ("name",),
    "/file": ("name",),
}
_ORDERED = ("/ip firewall filter", "/ip firewall nat", "/ip firewall raw", "/ipv6 firewall filter")
#: Entries that cannot be added or removed.
_FIXED = ("/interface", "/ip firewall service-port", "/ip firewall connection")
_HIDDEN = ("/ip firewall connection", "/file", "/interface")
_UNIQUE = ("/interface list", "/system scheduler", "/system script", "/file")
_VERBS = frozenset(
    ("add", "set", "remove", "move", "enable", "disable", "print", "export", "find", "get", "run")
)
_SERVICES = {"ftp": "21", "tftp": "69", "irc": "6667", "h323": "", "sip": "5060,5061", "pptp": ""}
#: How a menu's name can begin.
_PREFIXES = frozenset(
    " ".join(menu.split(" ")[:length])
    for menu in (*REQUIRED, "/system resource", "/system backup", "/system identity")
    for length in range(1, len(menu.split(" ")) + 1)
)

Entry = dict[str, str]


@dataclass(slots=True)
class Menus:
    """All menus; an entry has an id (``*1F``) that nothing else ever gets."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def of(self, menu: str) -> dict[str, Entry]:
        """Give a menu's entries by id.

        Raises:
            ScriptError: there is no such menu.
        """
        if menu not in REQUIRED:
            raise ScriptError(f"bad command name {menu.rpartition(' ')[2].lstrip('/')}")
        return self.entries.setdefault(menu, {})

    def add(self, menu: str, properties: Entry, *, factory: bool = False) -> str:
        """Add an entry at the end.

        Raises:
            ScriptError: it cannot be added, or lacks a property.
        """
        found = self.of(menu)
        if menu in _FIXED and not factory:
            raise ScriptError("bad command name add")
        missing = [name for name in REQUIRED[menu] if name not in properties]
        if missing:
            raise ScriptError(f"failure: missing value(s) of argument(s) {' '.join(missing)}")
        same = [e for e in found.values() if e.get("name") == properties.get("name")]
        if menu in _UNIQUE and same:
            raise ScriptError("failure: already have such name")
        self._check(menu, properties)
        number = f"*{next(self.numbers):X}"
        before = properties.pop("place-before", "")
        found[number] = {"disabled": "no", "dynamic": "no", **properties}
        if before:
            self.move(menu, [number], before)
        return number

    def _check(self, menu: str, properties: Entry) -> None:
        name = properties.get("interface", "")
        interfaces = [entry["name"] for entry in self.of("/interface").values()]
        if menu == "/interface list member" and name not in interfaces:
            raise ScriptError("input does not match any value of interface")
        lists = ["all", "none", *(e["name"] for e in self.of("/interface list").values())]
        if menu.endswith("address-list"):  # those make their lists by being in them
            return
        for key in ("in-interface-list", "out-interface-list", "list"):
            value = properties.get(key, "").lstrip("!")
            if value and value not in lists:
                raise ScriptError("input does not match any value of list")

    def move(self, menu: str, ids: list[str], before: str) -> None:
        """Put entries before another one."""
        found = self.of(menu)
        if menu not in _ORDERED:
            raise ScriptError("bad command name move")
        moved = {number: found[number] for number in ids}
        rest = {number: entry for number, entry in found.items() if number not in moved}
        ordered: dict[str, Entry] = {}
        for number, entry in rest.items():
            if number == before:
                ordered |= moved
            ordered[number] = entry
        self.entries[menu] = ordered if before in rest else {**rest, **moved}

    def export(self, wanted: str = "") -> Iterator[str]:
        """Print what is not as it was made, menu by menu."""
        for menu in sorted(self.entries):
            if not menu.startswith(wanted) or menu in _HIDDEN:
                continue
            lines = list(_lines(menu, self.of(menu)))
            if lines:
                yield menu
                yield from lines

    def save(self) -> str:
        """Give everything as text, for the flash; how often a timer ran is not on it."""
        kept = {
            menu: {n: {k: v for k, v in e.items() if k != "run-count"} for n, e in found.items()}
            for menu, found in self.entries.items()
            if found
        }
        return json.dumps(kept)


def _lines(menu: str, entries: dict[str, Entry]) -> Iterator[str]:
    for entry in entries.values():
        stated = {k: v for k, v in sorted(entry.items()) if v and k not in ("dynamic", "run-count")}
        if stated.get("disabled") == "no":
            del stated["disabled"]
        if entry["dynamic"] == "yes":
            continue
        if menu == "/ip firewall service-port":
            if entry["disabled"] != entry["default"]:
                yield f"set {entry['name']} disabled={entry['disabled']}"
            continue
        yield "add " + " ".join(f"{key}={quoted(value)}" for key, value in stated.items())


def addressed(here: str, found: list[str]) -> tuple[str, list[str]]:
    """Split the menu off a command: ``/ip firewall filter add`` or ``/ip/firewall/filter/add``."""
    first = found[0]
    if not first.startswith("/"):
        return here or "/", found
    steps = [part for part in first.split("/") if part]
    rest = found[1:]
    if steps and (steps[-1] in _VERBS or steps[-1] in ("import", "reboot")):
        rest = [steps.pop(), *rest]
    else:
        while rest and rest[0] not in _VERBS and f"/{' '.join([*steps, rest[0]])}" in _PREFIXES:
            steps.append(rest[0])
            rest = rest[1:]
    return f"/{' '.join(steps)}", rest


def factory(interfaces: tuple[str, ...]) -> Menus:
    """Give a router as it comes, with a small firewall of its owner."""
    menus = Menus()
    for name in interfaces:
        menus.add("/interface", {"name": name, "type": "ether"}, factory=True)
    for name, ports in _SERVICES.items():
        disabled = "yes" if name == "irc" else "no"
        entry = {"name": name, "ports": ports, "default": disabled, "disabled": disabled}
        menus.add("/ip firewall service-port", entry, factory=True)
    menus.add("/interface list", {"name": "WAN", "comment": "defconf"})
    menus.add("/interface list member", {"interface": interfaces[0], "list": "WAN"})
    rules = (
        {"action": "fasttrack-connection", "connection-state": "established,related"},
        {"action": "accept", "connection-state": "established,related,untracked"},
        {"action": "drop", "connection-state": "invalid"},
    )
    for rule in rules:
        menus.add("/ip firewall filter", {"chain": "forward", "comment": "defconf", **rule})
    nat = {"chain": "srcnat", "action": "masquerade", "out-interface-list": "WAN"}
    menus.add("/ip firewall nat", {"comment": "defconf", **nat})
    return menus
