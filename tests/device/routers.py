"""Embedded routers as targets of a push, and what may be said of one afterwards."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from compiler.device.job import Job, Observed, Options
from compiler.device.push import changes_of, observe
from compiler.embedded import EmbeddedFleet, EmbeddedRouter
from compiler.model.device import Device
from compiler.model.intent import Intent
from tests.device.support import NEW, OPTIONS, device_of, job

#: Family, and whether its firewall script is used.
FAMILIES = {
    "linux": False,
    "openwrt": False,
    "asuswrt": True,
    "ddwrt": True,
    "freshtomato": True,
    "netgear": True,
    "edgeos": False,
    "vyos": False,
}
#: The folder of the dead-man, by family.
KEEP = {
    "linux": "/var/lib/passthru/deadman",
    "openwrt": "/etc/passthru/deadman",
    "asuswrt": "/jffs/passthru/deadman",
    "ddwrt": "/tmp/passthru/deadman",  # noqa: S108 - on the router
    "freshtomato": "/tmp/passthru/deadman",  # noqa: S108 - same
    "netgear": "/root/passthru/deadman",
    "edgeos": "/config/passthru/deadman",
    "vyos": "/config/passthru/deadman",
}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "edgeos": {"ruleset": "WAN_OUT", "ruleset6": "WAN6_OUT"}
}
_KILLED = Path(__file__).with_name("killed.py")


def device_on(family: str) -> Device:
    found = device_of(family, scripts=FAMILIES.get(family, False))
    return replace(found, options=_OPTIONS.get(family, found.options))


class Site:
    """One embedded router and the jobs for it."""

    def __init__(
        self,
        fleet: EmbeddedFleet,
        family: str,
        name: str,
        folder: Path,
        modules: tuple[str, ...] | None = None,
    ) -> None:
        self.family = family
        self.router: EmbeddedRouter = fleet.add(
            family, name=name, password="pass-word", modules=modules
        )
        self.device = device_on(family)
        known = folder / f"known-{name}"
        known.write_text(self.router.known_hosts)
        self.reach: Mapping[str, Any] = {
            "ansible_host": self.router.host,
            "ansible_port": self.router.port,
            "ansible_user": self.router.username,
            "ansible_password": self.router.password,
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known}",
        }

    @property
    def keep(self) -> str:
        return KEEP[self.family]

    def job(self, wanted: Intent) -> Job:
        return job(self.device, wanted, self.reach, self.router.name)

    def observe(self, wanted: Intent, options: Options = OPTIONS) -> Observed:
        return observe(self.job(wanted), options)

    def has(self, wanted: Intent) -> bool:
        """Tell whether the router has what a push of this would bring."""
        return not changes_of(self.job(wanted), self.observe(wanted))

    def console(self, command: str) -> str:
        return self.router.run(command).stdout


def kill_at(site: Site, step: str, options: Options, folder: Path) -> None:
    """Push from a process that is killed without a chance to do anything."""
    pickled = folder / "job"
    pickled.write_bytes(pickle.dumps((site.job(NEW), options)))
    command = [sys.executable, str(_KILLED), str(pickled), step]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr
