"""Print settings: the sections, the script that merges them on the router, and its packages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from compiler.model.device import Device
from compiler.model.target import Bundle, File
from compiler.source.printing import environment
from targets.openwrt import settings as own
from targets.openwrt import uci
from targets.openwrt.facts import (
    DEVELOPMENT,
    HELPERS,
    U32,
    U32_PACKAGE,
    Firewall,
    firewall_of,
    install_command,
    release_of,
)
from targets.openwrt.fw4 import signatures
from targets.openwrt.fw4.signatures import Mark
from targets.openwrt.running import ended
from targets.openwrt.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment

NATIVE = "firewall.uci"
SCRIPT = "apply.sh"
PACKAGES = "packages"
#: What is about to become the config.
BESIDE = "/etc/config/.firewall.passthru"
#: Where pushes keep their leases: apply.sh by hand does not run beside one.
LEASES = "/tmp/passthru-push"  # noqa: S108 - the router's


def bundle(settings: Settings, device: Device) -> Bundle:
    """Print the bundle, files sorted by path."""
    files = [
        File(SCRIPT, script(settings, device).encode(), 0o755),
        File(NATIVE, native(settings).encode()),
    ]
    packages = [(release_of(device) or DEVELOPMENT).helper_package] if settings.needs else []
    packages += [U32_PACKAGE] if _looks(settings, device) else []
    if packages:
        files.append(File(PACKAGES, "".join(f"{package}\n" for package in packages).encode()))
    files += (
        File(signatures.file_name(marks), signatures.text(marks).encode())
        for marks in _included(settings, device)
    )
    return Bundle(tuple(sorted(files, key=lambda file: file.path)), NATIVE)


def native(settings: Settings) -> str:
    """Print our sections as a file that says what it is."""
    return _environment().get_template("firewall.uci.j2").render(block=block(settings))


@lru_cache(maxsize=64)
def block(settings: Settings) -> str:
    """Print our sections as they stand in /etc/config/firewall; each begins with an empty line."""
    sections = [
        {"type": section.type, "name": section.name, "lines": list(_lines(section))}
        for section in settings.sections
    ]
    return _environment().get_template("sections.uci.j2").render(sections=sections)


def _lines(section: uci.Section) -> Iterator[tuple[str, str, str]]:
    several = own.MULTIPLE.get(section.type, frozenset())
    for option, value in section.options:
        if isinstance(value, str):
            yield "option", option, value
        elif option in several and value[0].split() == list(value):
            yield "option", option, value[0]
        else:
            for item in value:
                yield "list", option, item


def script(settings: Settings, device: Device) -> str:
    """Print apply.sh; its steps are what the procedure runs."""
    template = _environment().get_template("apply.sh.j2")
    return template.render(
        leases=LEASES,
        beside=BESIDE,
        firewall=str(firewall_of(device)),
        modules=sorted(_modules(settings, device)),
        assigned=[(name, zone) for name, zones in settings.helpers for zone in zones],
        blocked=ended(settings),
        included=next(map(signatures.file_name, _included(settings, device)), ""),
    )


def _modules(settings: Settings, device: Device) -> Iterator[tuple[str, str]]:
    """Give the modules that the router must have, each with the command that brings it."""
    for name in settings.needs & HELPERS.keys():
        yield HELPERS[name][0], install_command(device)
    if _looks(settings, device):
        yield U32, install_command(device, U32_PACKAGE)


def _looks(settings: Settings, device: Device) -> bool:
    """Tell whether rules of fw3 look into packets."""
    return firewall_of(device) is Firewall.FW3 and bool(signatures.read(settings.sections))


def _included(settings: Settings, device: Device) -> tuple[tuple[Mark, ...], ...]:
    """Give what the file holds that fw4 includes, if it includes one."""
    if firewall_of(device) is Firewall.FW3:
        return ()
    return tuple(signatures.files(settings.sections).values())


@cache
def _environment() -> Environment:
    return environment("targets.openwrt", uci=uci.quote)
