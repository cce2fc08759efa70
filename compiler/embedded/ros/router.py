"""A RouterOS router on the fleet's lines: no shell, every change in force and kept at once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import time
from pathlib import Path
from typing import Any, cast

import asyncssh

from compiler.embedded.faults import Fault, FlashFull, PowerCut, ReadOnlyFlash, SlowFlash, ToolFails
from compiler.embedded.ros.language import Machine
from compiler.embedded.ros.menus import Menus, factory
from compiler.embedded.ros.words import ScriptError
from compiler.embedded.router import Router

_INTERFACES = ("ether1", "ether2", "bridge", "eth0", "eth1", "br-lan")
_TIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?|(\d+):(\d+):(\d+)")
_CHUNK = 4096
_UNITS = (604_800, 86_400, 3600, 60, 1, 3600, 60, 1)


class RosRouter(Router):
    """RouterOS in this process: its menus are its flash, its connections and timers are its RAM."""

    def _prepare(self) -> None:
        self._menus: Menus = factory(_INTERFACES)
        self._log: list[str] = []
        self._timers: set[asyncio.Task[None]] = set()
        self._folder = Path(self._sandboxes.folder) / "ros" / self.name
        self._folder.mkdir(mode=0o700, parents=True)
        self._began = time.monotonic()
        self._release: str = self._values["release"] or self._family.release

    async def _start(self) -> None:
        self._began = time.monotonic()
        self._menus.of("/ip firewall connection").clear()
        for number, entry in list(self._menus.of("/system scheduler").items()):
            if entry["disabled"] == "no" and entry.get("start-time") == "startup":
                self._log.append(f"run {entry['name']}")
                self._script(entry.get("on-event", ""))
            if number in self._menus.of("/system scheduler"):
                self._arm(number)

    async def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    async def _tell_faults(self) -> None:
        """Nothing to tell: this process knows them."""

    async def fault(self, fault: Fault) -> None:
        """Let something go wrong; what concerns flash and tools is not for RouterOS."""
        if isinstance(fault, SlowFlash | ToolFails):
            text = f"RouterOS knows no {type(fault).__name__}"
            raise ValueError(text)  # noqa: TRY004 - a fault, and not one of RouterOS
        await super().fault(fault)

    def _streams(self) -> dict[str, Any]:
        folder = str(self._folder).encode()
        return {
            "session_factory": self._session,
            "sftp_factory": lambda chan: asyncssh.SFTPServer(chan, chroot=folder),
            "line_editor": False,
        }

    async def _session(
        self,
        stdin: asyncssh.SSHReader[bytes],
        stdout: asyncssh.SSHWriter[bytes],
        stderr: asyncssh.SSHWriter[bytes],
    ) -> None:
        """Run a command, or a console that runs lines as they come."""
        del stderr
        channel = cast("asyncssh.SSHServerChannel[bytes]", stdout.channel)
        command = channel.get_command()
        if command is not None:
            stdout.write(self.execute(command).encode(errors="surrogateescape"))
        else:
            with contextlib.suppress(OSError, asyncssh.Error):
                await self._console_lines(stdin, stdout)
        channel.exit(0)

    async def _console_lines(
        self, stdin: asyncssh.SSHReader[bytes], stdout: asyncssh.SSHWriter[bytes]
    ) -> None:
        prompt = f"[{self._username}@{self.name}] > ".encode()
        stdout.write(prompt)
        typed = ""
        while data := await stdin.read(_CHUNK):
            for char in data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n"):
                if char != "\n":
                    typed += char
                    stdout.write(char.encode())
                    continue
                line, typed = typed.strip(), ""
                if line in ("/quit", "quit", "exit"):
                    return
                stdout.write(b"\r\n" + self.execute(line).encode(errors="surrogateescape"))
                stdout.write(prompt)

    def admits(self, username: str, password: str) -> bool:
        """Judge a password; what follows a plus sign is about the terminal."""
        return super().admits(username.partition("+")[0], password)

    def knows(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Judge a key."""
        return super().knows(username.partition("+")[0], key)

    def execute(self, text: str) -> str:
        """Run what a client sends; give what it prints, errors included.

        RouterOS gives exit status 0 whatever happens, so no status is given here.
        """
        cut = next((f for f in self._faults if isinstance(f, PowerCut)), None)
        hit = cut is not None and cut.event in text
        if hit and cut is not None and not cut.after:
            self._self_reboot()
            return ""
        output = self._script(text)
        if hit:
            self._self_reboot()
        return output

    def _self_reboot(self) -> None:
        self._faults = [fault for fault in self._faults if not isinstance(fault, PowerCut)]
        self._keep(asyncio.ensure_future(self._again(0.2)))

    def _script(self, text: str) -> str:
        stuck = any(isinstance(f, FlashFull | ReadOnlyFlash) for f in self._faults)
        machine = Machine(self._menus, self._system, self._file)
        kept = self._menus.save()
        timers = set(self._menus.of("/system scheduler"))
        with contextlib.suppress(RecursionError):
            try:
                machine.run(text)
            except ScriptError as error:
                machine.output.append(str(error))
            except (KeyError, IndexError, ValueError, re.error):
                machine.output.append("syntax error (line 1 column 1)")
        if stuck and self._menus.save() != kept:
            self._menus.entries = json.loads(kept)
            machine.output.append("failure: cannot write to the flash")
        for number in set(self._menus.of("/system scheduler")) - timers:
            self._arm(number)
        if self._menus.save() != kept:
            self._log.append("change")
        return "".join(f"{line}\r\n" for line in machine.output)

    def _arm(self, number: str) -> None:
        entry = self._menus.of("/system scheduler")[number]
        seconds = _seconds(entry.get("interval", "0s"))
        if seconds:
            task = asyncio.ensure_future(self._tick(number, seconds))
            self._timers.add(task)
            task.add_done_callback(self._timers.discard)

    async def _tick(self, number: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            entry = self._menus.of("/system scheduler").get(number)
            if entry is None:
                return
            if entry["disabled"] == "no":
                self._log.append(f"run {entry['name']}")
                self._script(entry.get("on-event", ""))

    def _system(self, menu: str, plain: list[str], named: dict[str, str]) -> str | None:
        asked = " ".join((menu, *plain))
        told = {
            "/system resource get version": f"{self._release} (stable)",
            "/system resource get uptime": f"{int(time.monotonic() - self._began)}s",
            "/system identity get name": self.name,
        }
        if asked == "/system backup save":
            (self._folder / f"{named['name']}.backup").write_text(self._menus.save())
        elif asked == "/system backup load":
            text = self._file(f"{named['name'].removesuffix('.backup')}.backup")
            self._menus.entries = json.loads(text)
            self._self_reboot()
        elif asked == "/system reboot":
            self._self_reboot()
        else:
            return told.get(asked)
        return ""

    def _file(self, name: str) -> str:
        path = (self._folder / name.lstrip("/")).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            raise ScriptError("no such file")
        return path.read_text(errors="surrogateescape")

    async def _console(self, command: str, stdin: str) -> dict[str, Any]:
        del stdin
        await self._on()
        return {"status": 0, "stdout": self.execute(command), "stderr": ""}

    async def _read(self, path: str) -> str:
        try:
            return base64.b64encode(self._file(path).encode()).decode()
        except ScriptError as error:
            raise OSError(str(error)) from None

    async def _write(self, path: str, data: str, mode: int) -> None:
        del mode
        (self._folder / path.lstrip("/")).write_bytes(base64.b64decode(data))

    async def _root(self) -> str:
        return str(self._folder)

    async def _state(self) -> dict[str, Any]:
        await self._on()
        return {
            "log": self._log,
            "loaded": "".join(f"{line}\n" for line in self._menus.export()),
            "nvram": {},
            "nvram_flash": {},
            "up": self._up,
            "boots": self._boots,
            "connections": self._count,
            "open": len(self._open),
            "processes": [f"timer {len(self._timers)}"] if self._timers else [],
        }


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        return 0
    return float(
        sum(int(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)
    )
