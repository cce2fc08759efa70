"""Routers in plain folders."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.embedded import firmware, kernel
from compiler.embedded.processes import become, commands, guarded
from compiler.embedded.store import FOLDERS, Store, empty, lay_out, link, replace


class Plain:
    """Routers in plain folders, for machines that allow no namespaces.

    The tools are those of the router, and ``PASSTHRU_ROOT`` is its folder; but an absolute path
    is one of the machine, and the flash has no size: when full or read-only, no file at all can
    grow.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._firmware = firmware.collect()
        self._routers: dict[str, Store] = {}
        self._stuck: set[str] = set()
        (self._folder / "routers").mkdir()

    def make(self, name: str, spec: dict[str, Any]) -> None:
        """See :class:`Sandbox`."""
        folder = self._folder / "routers" / name
        base = self._firmware.build(f"{self._folder}/base", spec["tools"], spec["without"])
        router = self._routers[name] = Store(folder, {**spec, "root": "flash"}, base)
        for part in FOLDERS:
            (folder / part).mkdir(parents=True)
        for path, target in (("emulated", folder / "emulated"), ("rom", base)):
            link(router.tree / path, str(target))
        lay_out(router)

    def boot(self, name: str) -> int:
        """See :class:`Sandbox`."""
        router = self._routers[name]
        for path in ("/dev", "/sys", "/proc", *router.spec["ram"]):
            empty(router.tree / path.lstrip("/"))
        empty(router.folder / "emulated/ram")
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
            guarded(fds[2], lambda: self._enter(name, command, fds))
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
        become({**command, "argv": argv, "env": env}, fds)

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
        replace(self._routers[name].folder / "emulated/control" / file, text)

    def processes(self, name: str) -> list[str]:
        """See :class:`Sandbox`."""
        wanted = self._pids(name)
        return list(commands(Path("/proc"), lambda pid: int(pid.name) in wanted))

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
