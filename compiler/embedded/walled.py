"""Routers behind namespaces."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.embedded import firmware, kernel
from compiler.embedded.processes import become, commands, guarded
from compiler.embedded.store import FOLDERS, Store, empty, lay_out, link, replace

_RUN = "/tmp"  # noqa: S108 - a tmpfs of our own is mounted there, in our own mount namespace
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SYSTEM_LINKS = {
    "bin": "rom/bin",
    "sbin": "rom/sbin",
    "lib": "rom/lib",
    "lib64": "rom/lib64",
    "usr/bin": "/rom/bin",
    "usr/sbin": "/rom/sbin",
}
_FILLER = ".filler"


@dataclass(slots=True)
class _Router(Store):
    init: int = 0
    pidfd: int = -1


class Walled:
    """Routers in namespaces of their own. Root in there is nobody on the machine."""

    def __init__(self) -> None:
        self._firmware = firmware.collect()
        self._routers: dict[str, _Router] = {}
        self._by_init: dict[int, str] = {}

    def prepare(self) -> None:
        """Set up the folder of all routers, in a mount namespace that nobody else sees."""
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("tmpfs", _RUN, "tmpfs", options="mode=0755")
        for name in ("proc", "base", "routers"):
            Path(_RUN, name).mkdir()
        kernel.mount("proc", f"{_RUN}/proc", "proc")
        self._own = os.pidfd_open(os.getpid())

    def make(self, name: str, spec: dict[str, Any]) -> None:
        """See :class:`Sandbox`."""
        folder = Path(_RUN, "routers", name)
        folder.mkdir()
        base = self._firmware.build(f"{_RUN}/base", spec["tools"], spec["without"])
        router = self._routers[name] = _Router(folder, spec, base)
        for part in FOLDERS:
            (folder / part).mkdir(parents=True)
        size = f"mode=0755,size={spec['flash_kilobytes']}k"
        kernel.mount("tmpfs", str(folder / "flash"), "tmpfs", options=size)
        lay_out(router)
        for path, target in _SYSTEM_LINKS.items():
            link(router.tree / path, target)
        for path in spec["flash"]:
            (folder / "flash" / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def boot(self, name: str) -> int:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        for part in ("ram", "emulated/ram"):
            empty(router.folder / part)
        for path in ("dev", "sys", *router.spec["ram"]):
            (router.folder / "ram" / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for device in _DEVICES:
            (router.folder / "ram/dev" / device).touch()
        told, telling = os.pipe2(os.O_CLOEXEC)
        between = os.fork()
        if between == 0:
            guarded(telling, lambda: self._conceive(router, telling))
        os.close(telling)
        with os.fdopen(told) as file:
            answer = file.read()
        os.waitpid(between, 0)
        if not answer.isdecimal():
            raise OSError(5, f"{name} does not boot: {answer}")
        router.init = int(answer)
        router.pidfd = os.pidfd_open(router.init)
        self._by_init[router.init] = name
        return router.init

    def _conceive(self, router: _Router, telling: int) -> None:
        """Make the namespaces and the router's process 1, and tell its number."""
        flags = kernel.NEWNS | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS
        kernel.unshare(flags)
        pid = os.fork()
        if pid == 0:
            guarded(telling, lambda: self._live(router))
        # the pipe stays open in the child until it is in place: the reader waits for both
        os.write(telling, str(pid).encode())
        os._exit(0)

    def _live(self, router: _Router) -> None:
        """Be process 1: set the stage, then sleep. Children that nobody waits for vanish."""
        kernel.set_host_name(router.spec["hostname"])
        kernel.loopback_up()
        self._mount(router)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for fd in range(3):
            os.dup2(os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC), fd)
        os.execve("/bin/sleep", ["sleep", "2147483647"], {})  # noqa: S606 - needs no shell

    def _mount(self, router: _Router) -> None:
        root, folder = str(router.tree), router.folder
        if router.spec["root"] == "rom":
            kernel.bind(root, root, readonly=True)
        for path in ("/dev", "/sys", *router.spec["ram"]):
            kernel.bind(f"{folder}/ram{path}", root + path)
        for path in router.spec["flash"] if router.spec["root"] == "rom" else ():
            kernel.bind(f"{folder}/flash{path}", root + path)
        kernel.bind(router.base, f"{root}/rom", readonly=True)
        kernel.bind(f"{folder}/emulated", f"{root}/emulated")
        control = f"{root}/emulated/control"
        kernel.bind(f"{folder}/emulated/control", control, readonly=True)
        for device in _DEVICES:
            kernel.bind(f"/dev/{device}", f"{root}/dev/{device}")
        kernel.mount("proc", f"{root}/proc", "proc")
        boot_id = f"{root}/proc/sys/kernel/random/boot_id"
        kernel.bind(f"{folder}/emulated/control/boot_id", boot_id, readonly=True)
        release = f"{root}/proc/sys/kernel/osrelease"
        kernel.bind(f"{folder}/emulated/control/kernel", release, readonly=True)
        kernel.pivot(root)

    def kill(self, name: str) -> bool:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        if not router.init:
            return False
        os.kill(router.init, signal.SIGKILL)
        return True

    def ended(self, pid: int) -> str:
        """See :class:`Sandbox`."""
        name = self._by_init.pop(pid, "")
        if name:
            router = self._routers[name]
            os.close(router.pidfd)
            router.init, router.pidfd = 0, -1
        return name

    def spawn(self, name: str, command: Mapping[str, Any], fds: list[int]) -> int:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        if not router.init:
            raise OSError(errno.EHOSTDOWN, f"{name} is off")
        kernel.enter(router.pidfd, kernel.NEWPID)
        try:
            pid = os.fork()
        except OSError:
            kernel.enter(self._own, kernel.NEWPID)
            raise
        if pid == 0:
            guarded(fds[2], lambda: self._enter(router, command, fds))
        kernel.enter(self._own, kernel.NEWPID)
        return pid

    def _enter(self, router: _Router, command: Mapping[str, Any], fds: list[int]) -> None:
        rooms = kernel.NEWNS | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS
        kernel.enter(router.pidfd, rooms)
        with contextlib.suppress(OSError):
            os.chdir(command["cwd"])
        become(command, fds)

    def flash(self, name: str, full: int | None, *, readonly: bool) -> None:
        """See :class:`Sandbox`."""
        flash = self._routers[name].folder / "flash"
        kernel.mount("tmpfs", str(flash), flags=kernel.MS_REMOUNT)
        (flash / _FILLER).unlink(missing_ok=True)
        if full is not None:
            there = os.statvfs(flash)
            free = there.f_bavail * there.f_frsize
            with (flash / _FILLER).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(free - full, 1))
        if readonly:
            kernel.mount("tmpfs", str(flash), flags=kernel.MS_REMOUNT | kernel.MS_RDONLY)
            # the file system is what is read-only now, not this mount, which routers copy
            kernel.mount("tmpfs", str(flash), flags=kernel.MS_REMOUNT | kernel.MS_BIND)

    def control(self, name: str, file: str, text: str) -> None:
        """See :class:`Sandbox`."""
        replace(self._routers[name].folder / "emulated/control" / file, text)

    def processes(self, name: str) -> list[str]:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        if not router.init:
            return []
        proc = Path(_RUN, "proc")
        room = (proc / str(router.init) / "ns/pid").stat().st_ino
        return list(commands(proc, lambda pid: (pid / "ns/pid").stat().st_ino == room))[1:]

    def close(self) -> None:
        """See :class:`Sandbox`; the kernel does it when this process ends."""
