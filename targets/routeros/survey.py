"""What an export does, whoever wrote it: its zones, its rules, its PPTP helper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from types import MappingProxyType

from compiler.errors import NativeError
from compiler.evaluate.experience import Conditions
from compiler.evaluate.survey import survey_of
from compiler.model.device import Device, Fact, Network, Role, Zone
from compiler.model.effect import HelperState
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.survey import HelperFound, Survey
from targets.routeros import foreign, script, settings
from targets.routeros.script import Command

_FILE = "export"
#: Menus whose entries get their address from the other side: the internet's.
_CLIENTS = ("/ip dhcp-client", "/interface pppoe-client", "/interface lte")
_ADDRESSES = ("/ip address", "/ipv6 address")
_STATES = {
    "on": (HelperState.ASSIGNED, "/ip firewall service-port pptp disabled=no"),
    "off": (HelperState.ABSENT, "/ip firewall service-port pptp disabled=yes"),
    "": (
        HelperState.UNKNOWN,
        "the export does not say whether the PPTP helper is on; by default it is",
    ),
}


def survey(native: str, device: Device | None) -> Survey:
    """Read an export.

    Raises:
        NativeError: T407.
    """
    text, moved = _unmoved(native.removeprefix("\ufeff"))
    read = script.read(text, _FILE)
    commands = sorted(read, key=lambda command: not _is_moved(command, moved))
    if not any(command.menu.startswith(("/ip", "/interface")) for command in commands):
        message = "the text holds nothing of a router's interfaces or addresses"
        raise NativeError.of(Code.T407, message, Place(_FILE), "give all that `/export` prints")
    export = foreign.export_of(tuple(commands))
    known = device or Device("", "routeros", ())
    facts: Mapping[str, Fact] = dict(known.facts)
    if known.ipv6 is None:
        facts = {**facts, "ipv6": any(c.menu.startswith("/ipv6") for c in commands)}
    zones = known.zones or tuple(_zones(export))
    said = list(_said(zones)) if not known.zones else []
    router = replace(known, zones=zones, facts=MappingProxyType(dict(facts)))
    helper = [state for c in commands if (state := settings.helper_state(c))]
    state, because = _STATES[helper[-1] if helper else ""]
    rules = foreign.ruleset(export, text)
    found = survey_of(rules, router, said, Conditions(state, because))
    return replace(found, helpers=(HelperFound("pptp", state, because),))


def _unmoved(text: str) -> tuple[str, frozenset[str]]:
    """Take the lines out by which a script of ours puts its jumps first; say for which menus.

    Those that remove connections go too: they change no rule.
    """
    moves = {settings.put_first(menu): menu for menu in settings.HOOKS}
    lines = text.split("\n")
    found = frozenset(moves[line.strip()] for line in lines if line.strip() in moves)
    kept = ("" if _is_script(line.strip(), moves) else line for line in lines)
    return "\n".join(kept), found


def _is_script(line: str, moves: Mapping[str, str]) -> bool:
    return line in moves or settings.is_cut(line)


def _is_moved(command: Command, menus: frozenset[str]) -> bool:
    comment = command.properties().get("comment")
    return command.menu in menus and comment == f"{settings.MARK}jump"


def _zones(export: foreign.Export) -> Iterator[Zone]:
    """Give the zones that the export names; the rest is concluded from its rules."""
    wan = [link for link in export.lists.get("WAN", ()) if link and "*" not in link]
    wan = wan or [link for link in dict.fromkeys(_clients(export.commands)) if link]
    lan = [link for link in export.lists.get("LAN", ()) if link and "*" not in link]
    networks = _networks(export.commands)
    lan = lan or [link for link in networks if link not in wan and _private(networks[link])]
    yield from _each(Role.LAN, lan, networks)
    yield from _each(Role.WAN, wan, {})


def _each(
    role: Role, links: Sequence[str], networks: Mapping[str, tuple[Network, ...]]
) -> Iterator[Zone]:
    for link in dict.fromkeys(links):
        name = str(role) if len(set(links)) == 1 else link
        yield Zone(name, role, (link,), networks.get(link, ()))


def _clients(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        found = command.properties()
        if command.menu in _CLIENTS and command.verb == "add" and found.get("disabled") != "yes":
            name = found.get("name") if "client" in command.menu[4:] else None
            yield found.get("interface", "") if command.menu == "/ip dhcp-client" else name or ""


def _networks(commands: Sequence[Command]) -> Mapping[str, tuple[Network, ...]]:
    found: dict[str, tuple[Network, ...]] = {}
    for command in commands:
        stated = command.properties()
        if command.menu not in _ADDRESSES or command.verb != "add":
            continue
        try:
            network = ip_interface(stated.get("address", "")).network
        except ValueError:
            continue
        link = stated.get("interface", "")
        found[link] = (*found.get(link, ()), network)
    return found


def _private(networks: Sequence[Network]) -> bool:
    return any(network.version == 4 and network.is_private for network in networks)


def _said(zones: Sequence[Zone]) -> Iterator[Finding]:
    for role in Role:
        links = [link for zone in zones if zone.role is role for link in zone.devices]
        if links:
            message = f"taken for the {str(role).upper()}: {', '.join(links)}"
            hint = "name them: --lan IFACE, --wan IFACE, or --host with an inventory"
            yield Finding(Code.A801, message, Severity.INFO, hint=hint)
