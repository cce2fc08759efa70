"""A RouterOS router on the fleet's lines: no shell, every change in force and kept at once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import asyncssh

from compiler.embedded.faults import Fault, FlashFull, PowerCut, ReadOnlyFlash, SlowFlash, ToolFails
from compiler.embedded.ros.language import Machine
from compiler.embedded.ros.menus import Entry, Menus, factory
from compiler.embedded.ros.values import seconds_of
from compiler.embedded.ros.words import ScriptError
from compiler.embedded.router import Router

_INTERFACES = ("ether1", "ether2", "bridge", "eth0", "eth1", "br-lan")
_CHUNK = 4096
_WRITES = frozenset({"add", "set", "remove", "move", "enable", "disable"})
#: What is long and in quotes is data: the source of a script is not run by being stored.
_DATA = re.compile(r'"(?:\\.|[^"\\]){40,}"', re.DOTALL)


class _PowerLossError(Exception):
    """The power is cut in the middle of a script."""


class RosRouter(Router):
    """RouterOS in this process: its menus are its flash, its connections and timers are its RAM."""

    def _prepare(self) -> None:
        self._menus: Menus = factory(_INTERFACES)
        self._log: list[str] = []
        self._timers: set[asyncio.Task[None]] = set()
        self._folder = Path(self._sandboxes.folder) / "ros" / self.name
        self._folder.mkdir(mode=0o700, parents=True)
        self._began = time.monotonic()
        self._lost = False
        self._release: str = self._values["release"] or self._family.release

    def actions(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Give what can be asked."""
        found = super().actions()
        found.update(read=self._read, write=self._write, run=self._command)
        return found

    async def start(self) -> None:
        """Boot: what is only in RAM is gone, and the timers run that shall at startup."""
        self._began = time.monotonic()
        self._lost = False
        self._menus.of("/ip firewall connection").clear()
        for number, entry in list(self._menus.of("/system scheduler").items()):
            entry.pop("run-count", None)
            at_startup = entry.get("start-time") == "startup" and not _interval(entry)
            if entry["disabled"] == "no" and at_startup:
                self._event(entry)
            if number in self._menus.of("/system scheduler"):
                self._arm(number)

    async def stop(self) -> None:
        """Stop the timers."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    async def _tell_faults(self) -> None:
        """Nothing to tell: this process knows them."""

    async def fault(self, fault: Fault) -> None:
        """Let something go wrong; what concerns flash and tools is not for RouterOS."""
        if isinstance(fault, SlowFlash):
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
            output = self.execute(command)
            if self._lost:
                return
            stdout.write(output.encode(errors="surrogateescape"))
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
        return self._script(text)

    def _self_reboot(self) -> None:
        self._faults.end(PowerCut)
        self._power.restart()

    def _script(self, text: str) -> str:
        if self._lost:
            return ""
        machine = Machine(self._menus, self._system, self._file, self._before, self._after)
        kept = self._menus.save()
        timers = set(self._menus.of("/system scheduler"))
        try:
            machine.run(text)
        except ScriptError as error:
            machine.output.append(str(error))
        except (KeyError, IndexError, ValueError, RecursionError, re.error):
            machine.output.append("syntax error (line 1 column 1)")
        except _PowerLossError:
            self._lost = True
            self._self_reboot()
            return ""
        for number in set(self._menus.of("/system scheduler")) - timers:
            self._arm(number)
        if self._menus.save() != kept:
            self._log.append("change")
        return "".join(f"{line}\r\n" for line in machine.output)

    def _before(self, menu: str, rest: str) -> bool:
        """Let go wrong what shall, at the command that it shall go wrong at."""
        text = _DATA.sub('""', f"{menu} {rest}")
        for fault in self._faults:
            if isinstance(fault, PowerCut) and not fault.after and fault.event in text:
                raise _PowerLossError
            if isinstance(fault, ToolFails) and fault.event in text:
                if fault.status:
                    raise ScriptError("failure: not done")
                return False
            full = isinstance(fault, FlashFull | ReadOnlyFlash)
            if full and rest.partition(" ")[0] in _WRITES:
                raise ScriptError("failure: cannot write to the flash")
        return True

    def _after(self, menu: str, rest: str) -> None:
        text = _DATA.sub('""', f"{menu} {rest}")
        if any(isinstance(f, PowerCut) and f.after and f.event in text for f in self._faults):
            raise _PowerLossError

    def _arm(self, number: str) -> None:
        if _interval(self._menus.of("/system scheduler")[number]):
            task = asyncio.ensure_future(self._tick(number))
            self._timers.add(task)
            task.add_done_callback(self._timers.discard)

    async def _tick(self, number: str) -> None:
        timers = self._menus.of("/system scheduler")
        while number in timers and (seconds := _interval(timers[number])):
            await asyncio.sleep(seconds)
            timers = self._menus.of("/system scheduler")
            entry = timers.get(number)
            if entry is not None and entry["disabled"] == "no":
                entry["run-count"] = str(int(entry.get("run-count", "0")) + 1)
                self._event(entry)

    def _event(self, entry: Entry) -> None:
        """Run what a timer runs: a script by its name, or commands."""
        event = entry.get("on-event", "")
        stored = self._menus.of("/system script").values()
        named = next((e.get("source", "") for e in stored if e["name"] == event), event)
        told = self._script(named).strip()
        if told or f"run {entry['name']}" not in self._log:
            self._log.append(f"run {entry['name']}" + (f": {told}" if told else ""))

    def _system(self, menu: str, plain: list[str], named: dict[str, str]) -> str | None:
        asked = " ".join((menu, *plain))
        told = {
            "/system resource get version": f"{self._release} (stable)",
            "/system resource get uptime": _uptime(int(time.monotonic() - self._began)),
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

    async def _command(self, command: str, stdin: str) -> dict[str, Any]:
        del stdin
        await self._power.on()
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
        await self._power.on()
        return {
            "log": self._log,
            "loaded": "".join(f"{line}\n" for line in self._menus.export()),
            "nvram": {},
            "nvram_flash": {},
            **self._counted(),
            "processes": [f"timer {len(self._timers)}"] if self._timers else [],
        }


def _interval(entry: Entry) -> float:
    return seconds_of(entry.get("interval", "0s")) or 0.0


def _uptime(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    weeks, days = divmod(days, 7)
    parts = f"{weeks}w" * bool(weeks) + f"{days}d" * bool(days)
    return f"{parts}{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
