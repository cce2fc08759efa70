"""Print a table as the files of a bundle."""

from __future__ import annotations

import posixpath
from functools import cache
from typing import TYPE_CHECKING

from compiler.model.device import Device
from compiler.model.target import Bundle, File
from compiler.source.printing import environment
from targets.linux import nft
from targets.linux.options import Options

if TYPE_CHECKING:
    from jinja2 import Environment

NATIVE = "etc/passthru/passthru.nft"
_SYSCTL = "etc/sysctl.d/90-passthru.conf"
_MODULES = "etc/modules-load.d/passthru.conf"
_UNIT = "etc/systemd/system/passthru.service"
_ALL = (NATIVE, _SYSCTL, _MODULES, _UNIT)
#: Kernel modules by helper: the tracking half and the NAT half (net/netfilter, net/ipv4/netfilter).
_HELPER_MODULES = {
    "amanda": ("nf_conntrack_amanda", "nf_nat_amanda"),
    "ftp": ("nf_conntrack_ftp", "nf_nat_ftp"),
    "irc": ("nf_conntrack_irc", "nf_nat_irc"),
    "pptp": ("nf_conntrack_pptp", "nf_nat_pptp"),
    "sip": ("nf_conntrack_sip", "nf_nat_sip"),
    "tftp": ("nf_conntrack_tftp", "nf_nat_tftp"),
}


@cache
def _environment() -> Environment:
    return environment(
        "targets.linux",
        quoted=lambda text: f'"{text}"',
        rule=nft.write_rule,
        lines=",\n\t\t\t     ".join,
        pairs=lambda named: [f"{key} : {to.write()}" for key, to in named.elements],
        dirname=posixpath.dirname,
    )


def table_text(table: nft.Table) -> str:
    """Print the table as a file for ``nft -f`` that replaces it in one transaction."""
    return _environment().get_template("table.nft.j2").render(table=table)


def render(table: nft.Table, device: Device, options: Options) -> Bundle:
    """Print the whole bundle: rules, what they need at boot, and a script that applies them."""
    modules = helper_modules(table)
    sysctls = forwarding(device) if options.gateway else ()
    files = [File(NATIVE, table_text(table).encode()), _printed(_UNIT, "passthru.service.j2")]
    if sysctls:
        files.append(_printed(_SYSCTL, "sysctl.conf.j2", sysctls=sysctls))
    if modules:
        files.append(_printed(_MODULES, "modules.conf.j2", modules=modules))
    files.sort(key=lambda file: file.path)
    script = _environment().get_template("apply.sh.j2")
    apply = script.render(
        files=[(file.path, f"{file.mode:04o}") for file in files],
        gone=[path for path in _ALL if path not in {file.path for file in files}],
        modules=modules,
        sysctls=sysctls,
        sysctl_file=_SYSCTL,
        native=NATIVE,
        table=table.name,
    )
    files.insert(0, File("apply.sh", apply.encode(), 0o755))
    return Bundle(tuple(files), NATIVE)


def _printed(path: str, template: str, **values: object) -> File:
    return File(path, _environment().get_template(template).render(**values).encode())


def helper_modules(table: nft.Table) -> tuple[str, ...]:
    """Give the kernel modules behind the table's helper objects."""
    wanted = (_HELPER_MODULES.get(helper.type, ()) for helper in table.helpers)
    return tuple(sorted({module for modules in wanted for module in modules}))


def forwarding(device: Device) -> tuple[tuple[str, str], ...]:
    """Forward both families; a forwarding host ignores router advertisements unless told (RA=2).

    Source: Documentation/networking/ip-sysctl.rst, ``accept_ra``. Dots in interface names are
    written as slashes, as sysctl(8) asks.
    """
    found = [("net.ipv4.ip_forward", "1")]
    if device.ipv6:
        found.append(("net.ipv6.conf.all.forwarding", "1"))
        found += [
            (f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra", "2")
            for zone in device.wan_zones
            for name in zone.devices
        ]
    return tuple(found)
