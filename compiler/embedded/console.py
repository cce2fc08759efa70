"""The console of a router: commands without SSH, latency or faults of the line."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from compiler.embedded.session import Spawn

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ATTEMPTS = 5
_PAUSE = 0.2


class Console:
    """Runs commands as root; ``on`` sees that the router is on, ``spawn`` starts a command."""

    def __init__(
        self, name: str, shell: str, spawn: Spawn, on: Callable[[], Awaitable[None]]
    ) -> None:
        self._name, self._shell = name, shell
        self._spawn, self._on = spawn, on

    async def command(self, command: str, stdin: str) -> dict[str, Any]:
        """Run a command through the router's shell; give status and output."""
        await self._on()
        status, out, err = await self._run([self._shell, "-c", command], stdin.encode())
        return {
            "status": status,
            "stdout": out.decode(errors="replace"),
            "stderr": err.decode(errors="replace"),
        }

    async def read(self, path: str) -> str:
        """Give a file in base64.

        Raises:
            OSError: there is none.
        """
        await self._on()
        place = shlex.quote(path.lstrip("/"))
        return base64.b64encode(await self._sh(f'cat "${{PASSTHRU_ROOT:-}}"/{place}')).decode()

    async def write(self, path: str, data: str, mode: int) -> None:
        """Write a file from base64, with the folders above it.

        Raises:
            OSError: it cannot be written.
        """
        await self._on()
        place = shlex.quote(path.lstrip("/"))
        script = (
            f'file="${{PASSTHRU_ROOT:-}}"/{place}; mkdir -p "${{file%/*}}" && cat > "$file" && '
            f'chmod {mode:o} "$file"'
        )
        await self._sh(script, base64.b64decode(data))

    async def state(self) -> dict[str, Any]:
        """Give the log of tools, what is loaded, and nvram in RAM and in flash."""
        await self._on()
        status, out = -1, b""
        while status:  # not 0 where a reboot has come in between
            status, out = await self.tool("state.sh")
        parts: dict[str, Any] = {"log": "", "loaded": "", "nvram": {}, "nvram_flash": {}}
        for record in out.decode(errors="surrogateescape").split("\0"):
            kind, _, text = record.partition(" ")
            if kind in ("log", "loaded"):
                parts[kind] = text
            elif kind in ("nvram", "nvram_flash"):
                key, _, value = text.partition("=")
                parts[kind][key] = value
        return {**parts, "log": parts["log"].splitlines()}

    async def tool(self, name: str) -> tuple[int, bytes]:
        """Run a script of our own in the router; give status and output."""
        script = f'. "${{PASSTHRU_ROOT:-}}/rom/emulate/{name}"'
        status, out, _ = await self._run(["/bin/sh", "-c", script])
        return status, out

    async def _sh(self, script: str, stdin: bytes = b"") -> bytes:
        status, out, err = await self._run(["/bin/sh", "-c", script], stdin)
        if status:
            raise OSError(err.decode(errors="replace").strip())
        return out

    async def _run(self, argv: list[str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run a command; give status and output, without what background processes print."""
        command = {
            "argv": argv,
            "env": {"PATH": PATH, "HOME": "/root", "USER": "root"},
            "cwd": "/",
            "terminal": False,
        }
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        try:
            os.write(files[0], stdin)
            os.lseek(files[0], 0, os.SEEK_SET)
            status = await self._patiently(command, (files[0], files[1], files[2]))
            return status, _all(files[1]), _all(files[2])
        finally:
            for file in files:
                os.close(file)

    async def _patiently(self, command: Mapping[str, Any], fds: tuple[int, int, int]) -> int:
        """Run a command; where the router is just going down, when it is up again."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(OSError):
                return await (await self._spawn(command, fds))
            await asyncio.sleep(_PAUSE)
            await self._on()
        raise OSError(f"{self._name} runs no commands")


def _all(file: int) -> bytes:
    size = os.fstat(file).st_size
    return os.pread(file, size, 0) if size else b""
