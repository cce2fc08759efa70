"""Network namespaces without names: they live as long as this process holds them, never longer.

Sockets belong to the namespace in which they are made, so one process can own sockets in all of
them. Commands run inside through ``nsenter``, and die with this process (``setpriv --pdeathsig``),
for a child that lived on would hold its namespace.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from compiler.errors import ProofError
from compiler.model.finding import Code

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
#: Tools of the lab and the Debian packages they are in.
PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "conntrack": "conntrack",
    "iptables-restore": "iptables",
    "ip6tables-restore": "iptables",
}
TOOLS = ("ip", "nft", "nsenter", "setpriv", "conntrack")
#: No command of the lab takes long; one that does hangs, and must not hang the lab.
_SECONDS = 60
#: nft lies where ordinary users' PATH does not look.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_T = TypeVar("_T")


class Namespace:
    """One network namespace, held by an open file."""

    def __init__(self, label: str) -> None:
        """Make it.

        Raises:
            OSError: the kernel does not let this process.
        """
        self.label = label
        with ThreadPoolExecutor(1) as pool:
            self._fd = pool.submit(_new_namespace).result()

    def __enter__(self) -> Self:
        """Close it at the end of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self.close()

    @property
    def path(self) -> str:
        """A path by which other programs find it while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    @property
    def inode(self) -> int:
        """The number by which the kernel knows it."""
        return os.fstat(self._fd).st_ino

    def command(self, *command: str) -> list[str]:
        """Give the arguments that run a command inside."""
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={self.path}", *command]

    def run(self, *command: str, text: str = "", check: bool = True) -> str:
        """Run a command inside and give its output.

        Raises:
            ProofError: E802 with what the command said, if it fails and ``check`` holds.
        """
        try:
            done = subprocess.run(
                self.command(*command),
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
                env={**os.environ, "PATH": _PATH},
            )
        except subprocess.TimeoutExpired:
            message = f"the lab's {self.label}: '{' '.join(command)}' does not end"
            raise ProofError.of(Code.E802, message) from None
        if check and done.returncode:
            said = done.stderr.strip()[:2000]
            message = f"the lab's {self.label}: '{' '.join(command)}' fails: {said}"
            raise ProofError.of(Code.E802, message)
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command inside whose output is read as it comes; it dies with this process."""
        return subprocess.Popen(
            self.command(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": _PATH},
        )

    def ip(self, *lines: str) -> None:
        """Run ``ip`` commands, one a line."""
        self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function in a thread that is inside."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self._inside, function).result()

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket inside."""
        return self.call(lambda: socket.socket(family, kind, protocol))

    def sysctl(self, **values: str) -> None:
        """Set values below ``/proc/sys/net``; ``__`` stands for a slash."""
        self.set({name.replace("__", "/"): value for name, value in values.items()})

    def set(self, values: dict[str, str]) -> None:
        """Set values below ``/proc/sys/net``, by path; what this kernel lacks is left out."""

        def write() -> None:
            for name, value in values.items():
                path = Path("/proc/sys/net") / name
                if path.exists():
                    path.write_text(value, "ascii")

        self.call(write)

    def close(self) -> None:
        """Let it go; the kernel removes it with all that is in it."""
        os.close(self._fd)

    def _inside(self, function: Callable[[], _T]) -> _T:
        _libc("setns", self._fd, _CLONE_NEWNET)
        return function()


def _libc(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _new_namespace() -> int:
    _libc("unshare", _CLONE_NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def become_root() -> None:
    """Enter a user namespace in which an ordinary user may make networks; root stays as it is.

    To be called before any thread exists: the kernel moves whole processes of one thread only.
    Where it does not work, :func:`missing` says so.
    """
    if os.geteuid() == 0:
        return
    user, group = os.geteuid(), os.getegid()
    try:
        _libc("unshare", _CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", "ascii")
    except OSError:
        return


def missing(tools: Sequence[str] = TOOLS) -> str:
    """Say why there can be no lab here; empty when there can.

    The tools are looked for, and then a namespace is made and rules are loaded into it: that one
    trial decides, not the name of the user or of the system.
    """
    absent = [tool for tool in tools if shutil.which(tool, path=_PATH) is None]
    if absent:
        packages = sorted({PACKAGES.get(tool, tool) for tool in absent})
        where = f"Debian: apt-get install {' '.join(packages)}"
        return f"{' and '.join(absent)} {'are' if absent[1:] else 'is'} not installed ({where})"
    try:
        with Namespace("trial") as trial:
            trial.run("nft", "-f", "-", text=_TRIAL)
            trial.set({"ipv4/ip_forward": "1"})
    except OSError as error:
        return f"no network namespaces here ({error}); be root, or allow user namespaces"
    except ProofError as error:
        said = error.findings[0].message.splitlines()[0]
        return f"the kernel does not take firewall rules with NAT here ({said})"
    return ""


_TRIAL = """table inet trial {
	chain f { type filter hook forward priority 0; ct state established accept; }
	chain n { type nat hook postrouting priority 100; masquerade; }
}"""
