"""Where the commands of a router run: behind namespaces, or in a plain folder.

A router's store has four parts. ``flash`` outlives a reboot, has a size and can be full or
read-only; ``ram`` is emptied by a reboot; ``rom`` is what cannot be written; ``emulated`` is what
our tools keep (``flash``: the nvram partition; ``ram``; ``control``: what the router is and what
goes wrong, written from outside; ``log``: the calls of tools).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from compiler.embedded import firmware, kernel

RUN = "/tmp"  # noqa: S108 - a tmpfs of our own is mounted there, in our own mount namespace
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
_FOLDERS = ("flash", "ram", "rom", *(f"emulated/{n}" for n in ("flash", "ram", "control", "log")))


class Sandbox(Protocol):
    """What the spawner needs of it."""

    def make(self, name: str, spec: dict[str, Any]) -> None:
        """Create a router's store."""

    def boot(self, name: str) -> int:
        """Empty RAM and give the router life; give the process that stands for it, or 0."""

    def kill(self, name: str) -> bool:
        """End every process of the router; tell whether :meth:`ended` is still to come."""

    def spawn(self, name: str, command: Mapping[str, Any], fds: list[int]) -> int:
        """Run ``argv`` with ``env`` and three descriptors; give the process id."""

    def ended(self, pid: int) -> str:
        """Be told that a child has ended; give the router whose life that was, if so."""

    def flash(self, name: str, full: int | None, *, readonly: bool) -> None:
        """Leave only ``full`` bytes of the flash free, or all; make it read-only or not."""

    def control(self, name: str, file: str, text: str) -> None:
        """Write a file that tells the tools something."""

    def processes(self, name: str) -> list[str]:
        """List the command lines of what runs."""

    def close(self) -> None:
        """End everything."""


@dataclass(slots=True)
class _Router:
    folder: Path
    spec: dict[str, Any]
    base: str
    init: int = 0
    pidfd: int = -1

    @property
    def tree(self) -> Path:
        """The folder that becomes the root."""
        return self.folder / str(self.spec["root"])


def _lay_out(router: _Router) -> None:
    """Write a new router's files and folders."""
    spec, root = router.spec, router.tree
    for path in ("proc", "dev", "sys", "rom", "emulated", *spec["ram"], *spec["flash"]):
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for path, target in spec["links"].items():
        _link(root / path.lstrip("/"), target)
    for path, text in spec["files"].items():
        place = _in_store(router, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if text.startswith("#!") else 0o600 if "shadow" in path else 0o644)
    for file, text in spec["control"].items():
        (router.folder / "emulated/control" / file).write_text(text)


def _in_store(router: _Router, path: str) -> Path:
    if any(path.startswith(f"{folder}/") for folder in router.spec["flash"]):
        return router.folder / "flash" / path.lstrip("/")
    return router.tree / path.lstrip("/")


def _link(place: Path, target: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(target)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _run(command: Mapping[str, Any], fds: list[int]) -> None:
    """Become the command; never comes back."""
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    if command["terminal"]:
        kernel.take_terminal(0)
    argv = command["argv"]
    os.execve(argv[0], argv, command["env"])  # noqa: S606 - a shell is what it starts


def _guarded(fd: int, action: Callable[[], None]) -> NoReturn:
    """Run the rest of a forked process; whatever fails is told on a descriptor."""
    try:
        action()
    except BaseException as error:  # noqa: BLE001 - a forked child must not unwind into the parent's code
        with contextlib.suppress(OSError):
            os.write(fd, f" {error}\n".encode())
    os._exit(127)


class Walled:
    """Routers in namespaces of their own. Root in there is nobody on the machine."""

    def __init__(self) -> None:
        self._firmware = firmware.collect()
        self._routers: dict[str, _Router] = {}
        self._by_init: dict[int, str] = {}

    def prepare(self) -> None:
        """Set up the folder of all routers, in a mount namespace that nobody else sees."""
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("tmpfs", RUN, "tmpfs", options="mode=0755")
        for name in ("proc", "base", "routers"):
            Path(RUN, name).mkdir()
        kernel.mount("proc", f"{RUN}/proc", "proc")
        self._own = os.pidfd_open(os.getpid())

    def make(self, name: str, spec: dict[str, Any]) -> None:
        """See :class:`Sandbox`."""
        folder = Path(RUN, "routers", name)
        folder.mkdir()
        base = self._firmware.build(f"{RUN}/base", spec["tools"], spec["without"])
        router = self._routers[name] = _Router(folder, spec, base)
        for part in _FOLDERS:
            (folder / part).mkdir(parents=True)
        size = f"mode=0755,size={spec['flash_kilobytes']}k"
        kernel.mount("tmpfs", str(folder / "flash"), "tmpfs", options=size)
        _lay_out(router)
        for path, target in _SYSTEM_LINKS.items():
            _link(router.tree / path, target)
        for path in spec["flash"]:
            (folder / "flash" / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def boot(self, name: str) -> int:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        for part in ("ram", "emulated/ram"):
            _empty(router.folder / part)
        for path in ("dev", "sys", *router.spec["ram"]):
            (router.folder / "ram" / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for device in _DEVICES:
            (router.folder / "ram/dev" / device).touch()
        told, telling = os.pipe2(os.O_CLOEXEC)
        between = os.fork()
        if between == 0:
            _guarded(telling, lambda: self._conceive(router, telling))
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
            _guarded(telling, lambda: self._live(router))
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
            _guarded(fds[2], lambda: self._enter(router, command, fds))
        kernel.enter(self._own, kernel.NEWPID)
        return pid

    def _enter(self, router: _Router, command: Mapping[str, Any], fds: list[int]) -> None:
        rooms = kernel.NEWNS | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS
        kernel.enter(router.pidfd, rooms)
        with contextlib.suppress(OSError):
            os.chdir(command["cwd"])
        _run(command, fds)

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
        _write(self._routers[name].folder / "emulated/control" / file, text)

    def processes(self, name: str) -> list[str]:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        if not router.init:
            return []
        proc = Path(RUN, "proc")
        room = (proc / str(router.init) / "ns/pid").stat().st_ino
        return list(_commands(proc, lambda pid: (pid / "ns/pid").stat().st_ino == room))[1:]

    def close(self) -> None:
        """See :class:`Sandbox`; the kernel does it when this process ends."""


class Plain:
    """Routers in plain folders, for machines that allow no namespaces.

    The tools are those of the router, and ``PASSTHRU_ROOT`` is its folder; but an absolute path
    is one of the machine, and the flash has no size: when full or read-only, no file at all can
    grow.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._firmware = firmware.collect()
        self._routers: dict[str, _Router] = {}
        self._stuck: set[str] = set()
        (self._folder / "routers").mkdir()

    def make(self, name: str, spec: dict[str, Any]) -> None:
        """See :class:`Sandbox`."""
        folder = self._folder / "routers" / name
        base = self._firmware.build(f"{self._folder}/base", spec["tools"], spec["without"])
        router = self._routers[name] = _Router(folder, {**spec, "root": "flash"}, base)
        for part in _FOLDERS:
            (folder / part).mkdir(parents=True)
        for path, target in (("emulated", folder / "emulated"), ("rom", base)):
            _link(router.tree / path, str(target))
        _lay_out(router)

    def boot(self, name: str) -> int:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        for path in ("/dev", "/sys", "/proc", *router.spec["ram"]):
            _empty(router.tree / path.lstrip("/"))
        _empty(router.folder / "emulated/ram")
        return 0

    def kill(self, name: str) -> bool:
        """See :class:`Sandbox`; done when it returns."""
        while pids := self._pids(name):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        return False

    def spawn(self, name: str, command: Mapping[str, Any], fds: list[int]) -> int:
        """See :class:`Sandbox`."""
        pid = os.fork()
        if pid == 0:
            _guarded(fds[2], lambda: self._enter(name, command, fds))
        return pid

    def _enter(self, name: str, command: Mapping[str, Any], fds: list[int]) -> None:
        root = self._routers[name].tree
        os.chdir(root)
        with contextlib.suppress(OSError):
            os.chdir(f"{root}{command['cwd']}")
        path = ":".join(f"{root}/rom/{part}" for part in ("sbin", "bin"))
        env = {**command["env"], "PASSTHRU_ROOT": str(root), "PATH": path}
        program, *rest = command["argv"]
        argv = [f"{root}/rom{program}", *rest]
        kernel.die_with_parent()
        if name in self._stuck:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        _run({**command, "argv": argv, "env": env}, fds)

    def ended(self, pid: int) -> str:  # noqa: ARG002 - the contract
        """See :class:`Sandbox`; no process stands for a router here."""
        return ""

    def flash(self, name: str, full: int | None, *, readonly: bool) -> None:
        """See :class:`Sandbox`."""
        if readonly or full is not None:
            self._stuck.add(name)
        else:
            self._stuck.discard(name)

    def control(self, name: str, file: str, text: str) -> None:
        """See :class:`Sandbox`."""
        _write(self._routers[name].folder / "emulated/control" / file, text)

    def processes(self, name: str) -> list[str]:
        """See :class:`Sandbox`."""
        wanted = self._pids(name)
        return list(_commands(Path("/proc"), lambda pid: int(pid.name) in wanted))

    def _pids(self, name: str) -> list[int]:
        mark = f"PASSTHRU_ROOT={self._routers[name].tree}".encode()
        found = []
        for pid in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (pid / "environ").read_bytes().split(b"\0"):
                    found.append(int(pid.name))
        return found

    def close(self) -> None:
        """See :class:`Sandbox`."""
        for name in self._routers:
            self.kill(name)


def _write(path: Path, text: str) -> None:
    """Replace a file in one step: tools may be reading it."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.rename(path)


def _commands(proc: Path, belongs: Callable[[Path], bool]) -> Iterator[str]:
    for pid in sorted(proc.glob("[0-9]*"), key=lambda pid: int(pid.name)):
        with contextlib.suppress(OSError):
            line = (pid / "cmdline").read_bytes()
            if line and belongs(pid):
                yield line.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
