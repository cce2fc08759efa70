"""What must be known of an OpenWrt router before anything is solved, and whether it is sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from compiler.model.device import Device, Zone
from compiler.model.finding import Code, Finding
from compiler.model.protocol import Helper

OPTIONS = {
    "facts.release": "OpenWrt release in quotes, e.g. '24.10' or 'SNAPSHOT': decides fw3 or fw4, "
    "the package with the PPTP helper, and what rules can say",
    "facts.firewall": "fw3 or fw4, where the router does not run what its release brings",
    "facts.package_manager": "opkg or apk, where the router does not have what its release brings",
    "facts.modules": "list of kernel modules, e.g. [nf_conntrack_pptp, nf_nat_pptp]; with fw3 also "
    "xt_u32, which looks into packets; not stated: apply.sh looks before it changes anything",
    "facts.ipv6": "whether the router forwards IPv6",
    "facts.harmless_includes": "list of files that the firewall config includes and that add no "
    "rules, e.g. [/etc/firewall.user]; without it, what they do is unknown to audits",
}

#: Connection-tracking helpers that firewall4's own list knows and a VPN protocol needs:
#: name -> (module, layer 4, port).
#: https://github.com/openwrt/firewall4 (root/usr/share/firewall4/helpers)
HELPERS = {"pptp": ("nf_conntrack_pptp", 6, 1723)}

#: fw3 looks into packets with a match of iptables that is in a package of its own, from 18.06 to
#: 21.02: it pulls in kmod-ipt-u32, whose module is loaded when it is installed and at boot.
#: https://github.com/openwrt/openwrt (package/network/utils/iptables/Makefile)
U32, U32_PACKAGE = "xt_u32", "iptables-mod-u32"

_RELEASE = re.compile(r"(\d\d)\.(\d\d)(?:[.-][A-Za-z0-9.-]+)?")
_DEVELOPMENT = ("SNAPSHOT", "MAIN", "MASTER")
_ZONE = re.compile(r"[a-zA-Z_.][a-zA-Z0-9/_.-]*")
#: fw4 accepts 75 characters and fails at 90; fw3 takes 11 (FW3_ZONE_MAXNAMELEN in zones.h).
_LONGEST_ZONE = {"fw4": 64, "fw3": 11}


class Firewall(StrEnum):
    """The program that turns /etc/config/firewall into rules."""

    FW3 = "fw3"
    FW4 = "fw4"


@dataclass(frozen=True, slots=True)
class Release:
    """An OpenWrt release; development builds count as later than every numbered one."""

    year: int
    month: int

    @property
    def firewall(self) -> Firewall:
        """fw4 came with 22.03 (https://openwrt.org/releases/22.03/notes-22.03.0)."""
        return Firewall.FW4 if (self.year, self.month) >= (22, 3) else Firewall.FW3

    @property
    def limits_log(self) -> bool:
        """Tell whether rules know ``log_limit`` (firewall4 commit 1874050, not in 23.05)."""
        return (self.year, self.month) >= (24, 10)

    @property
    def package_manager(self) -> str:
        """Releases have opkg before 25.12 and apk from then on."""
        return "apk" if self.year >= 25 else "opkg"

    @property
    def helper_package(self) -> str:
        """The package that carries nf_conntrack_pptp and nf_nat_pptp.

        The development branch split ``kmod-nf-nathelper-extra`` and kept it as a package that
        pulls in the parts (openwrt commit 002c4e5f), so that the old name serves every release.
        """
        return "kmod-nf-nathelper-pptp" if self == DEVELOPMENT else "kmod-nf-nathelper-extra"


DEVELOPMENT = Release(99, 99)


def release_of(device: Device) -> Release | None:
    """Read the fact ``release``; ``None`` when it is missing or not understood."""
    stated = device.facts.get("release")
    if not isinstance(stated, str):
        return None
    if stated.upper() in _DEVELOPMENT:
        return DEVELOPMENT
    match = _RELEASE.fullmatch(stated)
    release = Release(int(match[1]), int(match[2])) if match else None
    return release if release and release.year >= 19 else None


def firewall_of(device: Device) -> Firewall:
    """Give the firewall program: the fact ``firewall``, else what the release brings."""
    stated = device.facts.get("firewall")
    if stated in tuple(Firewall):
        return Firewall(str(stated))
    return (release_of(device) or DEVELOPMENT).firewall


def install_command(device: Device, package: str = "") -> str:
    """Give the command that installs a package on the router, by default the PPTP helper."""
    release = release_of(device) or DEVELOPMENT
    manager = device.facts.get("package_manager") or release.package_manager
    verb = "add" if manager == "apk" else "install"
    return f"{manager} update && {manager} {verb} {package or release.helper_package}"


def module_state(device: Device, helper: str) -> bool | None:
    """Say whether the module of a helper is there; ``None`` when nobody stated the modules."""
    stated = device.facts.get("modules")
    if not isinstance(stated, list):
        return None
    return HELPERS[helper][0] in stated


def lacks_u32(device: Device) -> bool:
    """Tell whether the facts state modules and leave out the match that looks into packets."""
    stated = device.facts.get("modules")
    return isinstance(stated, list) and U32 not in stated


def missing_modules(device: Device, helper: Helper) -> tuple[str, ...]:
    """Give the modules of a helper, for tracking and for NAT, that the facts leave out."""
    stated = device.facts.get("modules")
    if not isinstance(stated, list):
        return ()
    needed = (HELPERS[helper.name][0], *helper.modules)
    return tuple(name for name in dict.fromkeys(needed) if name not in stated)


def check(device: Device) -> tuple[Finding, ...]:
    """Judge the facts and the zones; see the contract."""
    return (*_facts(device), *_zones(device))


def _finding(
    device: Device, code: Code, message: str, hint: str, zone: Zone | None = None
) -> Finding:
    place = (zone.place if zone else None) or device.place
    return Finding(code, message, place=place, hint=hint, host=device.name)


def _facts(device: Device) -> Iterator[Finding]:
    facts = device.facts
    if release_of(device) is None:
        stated = facts.get("release")
        problem = "is not stated" if stated is None else f"{stated!r} is not known"
        hint = 'passthru_facts: {release: "24.10"}, in quotes; 19.07 and later, or SNAPSHOT'
        yield _finding(device, Code.T404, f"the OpenWrt release {problem}", hint)
    allowed = {"firewall": ("fw3", "fw4"), "package_manager": ("opkg", "apk")}
    for name, values in allowed.items():
        if name in facts and facts[name] not in values:
            words = " or ".join(values)
            message = f"passthru_facts.{name} must be {words}, not {facts[name]!r}"
            yield _finding(device, Code.T404, message, OPTIONS[f"facts.{name}"])
    modules = facts.get("modules", [])
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        message = "passthru_facts.modules must be a list of module names"
        yield _finding(device, Code.T404, message, OPTIONS["facts.modules"])


def _zones(device: Device) -> Iterator[Finding]:
    for zones, role in ((device.lan_zones, "lan"), (device.wan_zones, "wan")):
        if not zones:
            message = f"the router has no {role} zone, so no rule can be written"
            yield _finding(device, Code.T404, message, f"name one in passthru_zones: {role}: {{}}")
    firewall = firewall_of(device)
    longest = _LONGEST_ZONE[firewall]
    for zone in device.zones:
        hint = "use the zone's name from /etc/config/firewall"
        if not _ZONE.fullmatch(zone.name):
            message = f"{zone.name!r} cannot be the name of a {firewall} zone"
            yield _finding(device, Code.T408, message, hint, zone)
        elif len(zone.name) > longest:
            message = f"the zone name {zone.name!r} is longer than {longest} characters"
            yield _finding(device, Code.T408, message, hint, zone)
