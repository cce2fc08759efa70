"""What the tier needs on this machine, said before anything starts."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from compiler.prove.vpn import kernel


class Where(StrEnum):
    """In a virtual machine, or in network namespaces of this machine's own kernel."""

    MACHINE = "machine"
    NAMESPACES = "namespaces"


#: Program: Debian package. By what the protocols need, and what each place needs.
_PPP = {"/usr/sbin/pppd": "ppp"}
_L2TP = {"/usr/sbin/xl2tpd": "xl2tpd", **_PPP}
_IPSEC = {"/usr/lib/ipsec/charon": "strongswan-charon", "/usr/sbin/swanctl": "strongswan-swanctl"}
_OPENVPN = {"/usr/sbin/openvpn": "openvpn"}
_WG = {"wg": "wireguard-tools"}
_NEEDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "pptp": {"/usr/sbin/pptpd": "pptpd", "/usr/sbin/pptp": "pptp-linux", **_PPP},
        "l2tp": _L2TP,
        "l2tp-ipsec": {**_L2TP, **_IPSEC},
        "ikev1": _IPSEC,
        "ikev2": _IPSEC,
        "ikev1-esp": _IPSEC,
        "ikev2-esp": _IPSEC,
        "openvpn-udp": _OPENVPN,
        "openvpn-tcp": _OPENVPN,
        "wireguard": _WG,
        "wireguard-go": {**_WG, "wireguard-go": "wireguard-go"},
    }
)
_LAB = {
    "ip": "iproute2",
    "nft": "nftables",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "sysctl": "procps",
}
_MACHINE = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox",
    "modprobe": "kmod",
    "ldd": "libc-bin",
}
#: What runs where; wireguard-go in the machine would show nothing that the kernel's does not.
PROTOCOLS: Mapping[Where, tuple[str, ...]] = MappingProxyType(
    {
        Where.MACHINE: tuple(name for name in _NEEDS if name != "wireguard-go"),
        Where.NAMESPACES: ("openvpn-udp", "openvpn-tcp", "wireguard-go"),
    }
)
_TUN = Path("/dev/net/tun")
_PATH_TOO = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin")


def missing(
    protocols: Sequence[str] | None = None, where: Where = Where.MACHINE
) -> tuple[str, ...]:
    """Say everything that is missing, in words for a person; empty when the tier can run."""
    chosen = PROTOCOLS[where] if protocols is None else protocols
    software = {name: package for one in chosen for name, package in _NEEDS[one].items()}
    if where is Where.NAMESPACES:
        return (*_to_install({**_LAB, **software}), *_namespaces())
    return (*_to_install({**_LAB, **_MACHINE}), *_machine(software))


def find_program(name: str, root: Path | None = None) -> str | None:
    """Find a program, also where the PATH of ordinary users does not look; or below a folder."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_PATH_TOO]
    if root is not None:
        folders = [f"{root}{folder}" for folder in _PATH_TOO]
        name = f"{root}{name}" if name.startswith("/") else name
    return shutil.which(name, path=os.pathsep.join(folders))


def _to_install(wanted: Mapping[str, str]) -> Iterator[str]:
    absent: dict[str, list[str]] = {}
    for name, package in wanted.items():
        if find_program(name) is None:
            absent.setdefault(package, []).append(Path(name).name)
    for package, names in sorted(absent.items()):
        yield f"{', '.join(names)}: not installed (Debian: apt-get install {package})"


def _machine(software: Iterable[str]) -> Iterator[str]:
    """Say what the guest lacks. Its programs may be installed here, or unpacked for it alone."""
    if platform.machine() != "x86_64":
        yield f"an x86_64 machine: the virtual one runs its programs ({platform.machine()} cannot)"
        return
    script = resources.files("compiler.prove.vpn") / "fetch.sh"
    unpacked = kernel.cache() / "root"
    absent = [
        Path(name).name
        for name in software
        if find_program(name) is None and find_program(name, unpacked) is None
    ]
    if absent:
        yield f"{', '.join(absent)} for the virtual machine (sh {script} fetches, installs nothing)"
    found, why = kernel.find()
    if found is None:
        reasons = f"; not usable: {'; '.join(why)}" if why else ""
        yield f"a stock Debian kernel for the virtual machine (sh {script} fetches it){reasons}"


def _namespaces() -> Iterator[str]:
    if not _TUN.exists():
        yield f"{_TUN}: the kernel has no TUN devices (modprobe tun)"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    try:
        command = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "true"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return  # that unshare is missing has been said
    if done.returncode:
        yield f"network namespaces are not allowed here ({done.stderr.strip()})"
