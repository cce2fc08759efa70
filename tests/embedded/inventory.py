"""Embedded OpenWrt routers as hosts of an inventory, for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from compiler.embedded import EmbeddedRouter

ZONES = {"lan": {"device": "br-lan", "networks": ["192.168.1.0/24"]}, "wan": {"device": "eth0"}}
#: A site whose inventory is JSON, with a journal of its own.
CONFIG = 'inventory = "hosts.json"\npolicy = ["policy.yml"]\njournal = "state"\n'


def openwrt_hosts(routers: Iterable[EmbeddedRouter], folder: Path) -> dict[str, Any]:
    """Give the variables of each router; their host keys go into a file of the folder."""
    found = list(routers)
    known = folder / "known_hosts"
    known.write_text("".join(router.known_hosts for router in found))
    return {
        router.name: {
            "passthru_target": "openwrt",
            "passthru_zones": ZONES,
            "passthru_facts": {"release": "24.10"},
            "ansible_host": router.host,
            "ansible_port": router.port,
            "ansible_user": router.username,
            "ansible_password": router.password,
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
        }
        for router in found
    }
