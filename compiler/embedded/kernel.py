"""The few system calls that a sandbox needs and Python 3.11 does not offer."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import termios

NEWNS = 0x0002_0000
NEWUTS = 0x0400_0000
NEWIPC = 0x0800_0000
NEWUSER = 0x1000_0000
NEWPID = 0x2000_0000
NEWNET = 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PDEATHSIG, _DUMPABLE, _SUBREAPER = 1, 4, 36
_SIGKILL = 9
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces of the parent."""
    _checked(_libc.unshare(flags), "unshare")


def enter(pidfd: int, flags: int) -> None:
    """Enter namespaces of a process; a PID namespace is that of children from then on."""
    _checked(_libc.setns(pidfd, flags), "setns")


def mount(source: str, place: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount."""
    args = (source.encode(), place.encode(), kind.encode() or None, flags, options.encode() or None)
    _checked(_libc.mount(*args), f"mount {place}")


def bind(source: str, place: str, *, readonly: bool = False) -> None:
    """Show a file or folder in a second place."""
    mount(source, place, flags=MS_BIND | MS_REC)
    if readonly:
        mount(source, place, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def pivot(root: str) -> None:
    """Make a mount the root folder; nothing of the old one can be reached afterwards."""
    os.chdir(root)
    _checked(_libc.pivot_root(b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Name the machine, in a UTS namespace of its own."""
    text = name.encode()[:63]
    _checked(_libc.sethostname(text, len(text)), "sethostname")


def die_with_parent() -> None:
    """Be killed when the thread that made this process ends."""
    _checked(_libc.prctl(_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def be_visible() -> None:
    """Let processes of the same user look into ``/proc/PID`` after the change of user."""
    _checked(_libc.prctl(_DUMPABLE, 1, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _checked(_libc.prctl(_SUBREAPER, 1, 0, 0, 0), "prctl")


def loopback_up() -> None:
    """Switch the loopback interface of a network namespace on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        fcntl.ioctl(line, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def take_terminal(fd: int) -> None:
    """Make a terminal the controlling one of this session."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
