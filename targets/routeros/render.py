"""Print settings as a script that replaces our entries, and put them into an export."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from compiler.model.device import Device
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, File
from compiler.rules import block
from targets.routeros import script
from targets.routeros.script import fail, quoted
from targets.routeros.settings import (
    ADDRESSES,
    CHAIN,
    FILTER,
    HELPER_MENU,
    HOOKS,
    KEY,
    MARK,
    MEMBERS,
    MENUS,
    Entry,
    RouterSettings,
    cut,
    helper_state,
    is_ours,
    jump_places,
    put_at,
    read,
)

NATIVE = "passthru.rsc"
CHECK, FACTS, READ, ROLLBACK, VERIFY = (
    f"{name}.rsc" for name in ("check", "facts", "read", "rollback", "verify")
)
_HEADER = (
    "# passthru: replaces the entries whose comments begin with passthru: and touches nothing else."
)
_VALUES = {"on": "no", "off": "yes"}
CUT = ("tcp", "udp")
#: More ports than this are cut by cutting everything of their protocol.
MOST_PORTS = 64
_TEXTS = ("comment", "log-prefix")
_SIX = frozenset((ADDRESSES[6], FILTER[6]))


def bundle(settings: RouterSettings, device: Device) -> Bundle:
    """Print the script, and the documents of the procedure; every one is a RouterOS script."""
    files = {
        CHECK: [':put "passthru: checking interfaces"', *checking(settings)],
        FACTS: [":put [/system resource get version]"],
        NATIVE: [native(settings, device).rstrip("\n")],
        READ: list(reading(device)),
        ROLLBACK: list(_header(device)),
        VERIFY: list(_verify(settings, device)),
    }
    return Bundle(
        tuple(
            File(path, ("\n".join(lines) + "\n").encode()) for path, lines in sorted(files.items())
        ),
        NATIVE,
    )


def native(settings: RouterSettings, device: Device) -> str:
    """Print the script: it takes out what is ours, then puts in the settings."""
    return "\n".join((*_header(device), "")) + block.block(list(_lines(settings)))


def menus(device: Device) -> Iterator[str]:
    """Give the menus in the order in which entries can be removed.

    Without the IPv6 package, RouterOS 6 does not know its menus and would stop at them.
    """
    for menu in reversed(MENUS):
        if menu not in _SIX or device.facts.get("ipv6") is not False:
            yield menu


def reading(device: Device) -> Iterator[str]:
    """Give commands that print our entries, the rules around them, and the helper.

    An export leaves out what is as it was made, and the helper is on by default.
    """
    yield from (f"{menu} export" for menu in reversed(tuple(menus(device))))
    yield f':put "{HELPER_MENU}"'
    on = f'[:len [{HELPER_MENU} find where name="{KEY}" and disabled=no]]'
    yield (
        f':if ({on} > 0) do={{ :put "set {KEY} disabled=no" }} '
        f'else={{ :put "set {KEY} disabled=yes" }}'
    )


def _header(device: Device) -> Iterator[str]:
    yield _HEADER
    for menu in menus(device):
        yield f'{menu} remove [find where comment~"^{MARK}"]'


def applying(settings: RouterSettings, device: Device) -> tuple[str, ...]:
    """Give the lines that replace our entries."""
    return (*tuple(_header(device))[1:], *_lines(settings))


def undoing(text: str, device: Device) -> tuple[str, ...]:
    """Give the lines that bring back what an export holds of ours, each jump to its old place.

    They end by looking whether they did: a way back that failed is tried again.

    Raises:
        NativeError: the text is no export, or it is cut off.
    """
    places = jump_places(text, READ)
    old = read(text, READ)
    return (
        *tuple(_header(device))[1:], *_lines(old, places), *_verify(old, device, places)
    )  # fmt: skip


def _lines(
    settings: RouterSettings, places: Mapping[str, int] = MappingProxyType({})
) -> Iterator[str]:
    for menu in MENUS:
        entries = [entry for entry in settings.entries if entry.menu == menu]
        if entries:
            yield menu
            yield from (f"add {_properties(entry)}" for entry in entries)
            if any(entry.is_jump for entry in entries):
                yield put_at(menu, places.get(menu, 0))
    if settings.helper:
        yield HELPER_MENU
        yield f"set {KEY} disabled={_VALUES[settings.helper]}"
    yield from _cuts(settings)


def _properties(entry: Entry) -> str:
    return " ".join(f"{name}={_value(name, value)}" for name, value in entry.properties)


def _value(name: str, value: str) -> str:
    return quoted(value, always=name in _TEXTS)


def _cuts(settings: RouterSettings) -> Iterator[str]:
    """Remove connections that are dropped now: FastTrack would carry them past every rule."""
    wanted: dict[str, None] = {}
    for entry in settings.of_menu(FILTER[4]):
        dropped = entry.get("chain") == CHAIN and entry.get("action") in ("drop", "reject")
        if dropped and entry.get("protocol") in CUT:
            wanted.update(dict.fromkeys(_connections(entry)))
    yield from map(cut, wanted)


def _connections(entry: Entry) -> Iterator[str]:
    protocol = f"protocol={entry.get('protocol')}"
    for stated in entry.get("dst-port").split(",") if entry.get("dst-port") else ():
        first, _, last = stated.partition("-")
        ports = range(int(first), int(last or first) + 1)
        if len(ports) > MOST_PORTS:
            yield protocol
        else:
            yield f'{protocol} and dst-address~":({"|".join(map(str, ports))})\\$"'
    if not entry.get("dst-port"):
        yield protocol


def checking(settings: RouterSettings) -> Iterator[str]:
    """Stop before anything is changed where an interface is missing that ours would refer to."""
    for name in sorted({entry.get("interface") for entry in settings.of_menu(MEMBERS)}):
        found = f"[:len [/interface find where name={quoted(name, always=True)}]]"
        yield f':if ({found} = 0) do={{ :error "passthru: an interface of a zone is missing" }}'


def _verify(
    settings: RouterSettings, device: Device, places: Mapping[str, int] = MappingProxyType({})
) -> Iterator[str]:
    """Stop where the number of our entries or the place of a jump is another one."""
    for menu in reversed(tuple(menus(device))):
        wanted = sum(entry.menu == menu for entry in settings.entries)
        found = f'[:len [{menu} find where comment~"^{MARK}"]]'
        told = f"passthru: {menu} does not hold {wanted} entries of ours"
        yield f':if ({found} != {wanted}) do={{ :error "{told}" }}'
    for menu, hook in HOOKS.items():
        if any(entry.menu == menu and entry.is_jump for entry in settings.entries):
            at = f"[:pick [{menu} find where chain={hook} and dynamic=no] {places.get(menu, 0)}]"
            yield (
                f':if ([{menu} get {at} comment] != "{MARK}jump") do='
                f'{{ :error "passthru: the jump in {menu} is not at its place" }}'
            )


_SAYS = (
    (StepName.FACTS, "print the release", FACTS),
    (StepName.READ, "export the menus that hold entries of ours", READ),
    (StepName.CHECK, "see that the interfaces of all zones are there", CHECK),
    (
        StepName.APPLY,
        "import the script: our old entries out, ours in, blocked tunnels cut",
        NATIVE,
    ),
    (StepName.VERIFY, "see that our entries are there and the jump comes first", VERIFY),
    (StepName.ROLLBACK, "take every entry of ours out again", ROLLBACK),
)


def steps() -> tuple[Step, ...]:
    """Give the steps as scripts that a person imports."""
    return tuple(Step(name, says, request=path) for name, says, path in _SAYS)


def merge(settings: RouterSettings, text: str, file: str) -> str:
    """Put settings into a script or export; every line that is not ours stays byte for byte.

    Our block comes at the end and moves its jumps to the front. A foreign line about the
    helper is turned where it stands.

    Raises:
        NativeError: the text is no script, or it is cut off.
    """
    commands = script.read(text, file)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    spans = block.spans(lines)
    if spans is None:
        raise fail(file, 0, "our own block in this text is cut off")
    dropped = {number for first, last in spans for number in range(first, last + 1)}
    for command in commands:
        if is_ours(command):
            dropped.update(range(command.first, command.last + 1))
    turned: dict[int, str] = {}
    stated = False
    for command in commands:
        if settings.helper and command.first not in dropped and helper_state(command):
            stated = True
            for number in range(command.first, command.last + 1):
                value = _VALUES[settings.helper]
                turned[number] = re.sub(
                    r"\bdisabled=(?:yes|no)\b", f"disabled={value}", lines[number]
                )
    rest = "".join(turned.get(n, line) for n, line in enumerate(lines) if n not in dropped)
    ours = RouterSettings(settings.entries) if stated else settings
    return block.with_block(rest, list(_lines(ours)))
