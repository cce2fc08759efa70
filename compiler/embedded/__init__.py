"""Embedded routers: many small routers on loopback, for the demo, the tests and the benchmarks.

::

    with EmbeddedFleet() as fleet:
        router = fleet.add("openwrt", name="r1", password="pass", latency=0.02)
        web = fleet.add_http("tplink", password="pass")
        bastion = fleet.add_bastion(password="pass")
        ...  # SSH to router.host, router.port as router.username
        router.fault(PowerCut("fw4 reload"))

Every router is an SSH server whose commands run under the real BusyBox shell in a sandbox of their
own, with tools that behave as those of the family do, traps included. They are stand-ins, written
from public descriptions: what holds here has not been shown on a physical device.

Reading order: :mod:`~compiler.embedded.fleet` (what you call), ``faults``, ``server`` (the process
with the SSH servers), ``router`` and what it is made of (``power``, ``ssh``, ``console``),
``spawner`` (the process that runs commands), ``walled`` and ``plain`` (its two sandboxes),
``families`` (what a router's tools do), ``ros`` (RouterOS), ``sites`` (web interfaces).
"""

from __future__ import annotations

from compiler.embedded.control import EmbeddedError
from compiler.embedded.faults import (
    ClockJump,
    DropLine,
    Fault,
    FlashFull,
    Hang,
    PowerCut,
    ReadOnlyFlash,
    Refuse,
    SlowFlash,
    ToolFails,
    WrongHostKey,
)
from compiler.embedded.fleet import EmbeddedFleet
from compiler.embedded.handle import EmbeddedHttp, EmbeddedRouter, RouterState

__all__ = [
    "ClockJump",
    "DropLine",
    "EmbeddedError",
    "EmbeddedFleet",
    "EmbeddedHttp",
    "EmbeddedRouter",
    "Fault",
    "FlashFull",
    "Hang",
    "PowerCut",
    "ReadOnlyFlash",
    "Refuse",
    "RouterState",
    "SlowFlash",
    "ToolFails",
    "WrongHostKey",
]
