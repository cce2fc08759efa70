"""The power of a router: on when somebody first needs it, off at once, and on again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

REBOOT_DELAY = 0.2


class Powered(Protocol):
    """What the power is given to."""

    async def start(self) -> None:
        """Boot."""

    async def stop(self) -> None:
        """End what runs."""

    def cut(self) -> None:
        """Drop all connections, and take no more."""

    def listen(self) -> None:
        """Take connections."""


class Power:
    """Whether a router is on, and how often it was started; one change at a time."""

    def __init__(self, router: Powered, keep: Callable[[asyncio.Future[None]], None]) -> None:
        self._router, self._keep = router, keep
        self._changing = asyncio.Lock()
        self._reviving: asyncio.Future[None] | None = None
        self.up = self.closed = False
        self.boots = 0

    async def on(self) -> None:
        """Power on, where it is off; a router that reboots itself does that first."""
        while self._reviving is not None:
            await asyncio.wait((self._reviving,))
        async with self._changing:
            if not self.up:
                await self._boot()

    def restart(self, delay: float = REBOOT_DELAY) -> asyncio.Future[None]:
        """Pull the plug, and put it in again after a while; give the end of that."""
        task = asyncio.ensure_future(self._again(delay))
        self._keep(task)
        return task

    def revive(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Let a router that went off by itself start again; whoever needs it waits for that."""
        self.up = False
        self._reviving = asyncio.ensure_future(self._revive(prepare))
        self._keep(self._reviving)

    async def _revive(self, prepare: Callable[[], Awaitable[None]]) -> None:
        try:
            await prepare()
            await self._again(REBOOT_DELAY)
        finally:
            self._reviving = None

    async def _again(self, delay: float) -> None:
        async with self._changing:
            await self._off()
            await asyncio.sleep(delay)
            if self.closed:
                return
            await self._boot()
            self._router.listen()

    async def _boot(self) -> None:
        await self._router.start()
        self.up = True
        self.boots += 1

    async def _off(self) -> None:
        self._router.cut()
        if self.up:
            self.up = False
            await self._router.stop()
