"""The fleet that a push is measured on: embedded OpenWrt routers, their inventory, one policy.

Also what a peer needs for the same work, as commands: one that reads, one that adds to the file
what the policy compiles to, has it checked and loads it, one that reads again. And the same with
care.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compiler.embedded import EmbeddedFleet, EmbeddedRouter

LATENCY = 0.02
_FILE = "/etc/config/firewall"
_POLICY = "- hosts: all\n  passthrough: {pptp: block, l2tp: block}\n"
_RULE = (
    r"config rule '%s'\n\toption name 'passthru %s'\n\toption src 'lan'\n\toption dest 'wan'\n"
    r"\toption family 'any'\n\toption proto '%s'\n\toption target 'DROP'\n%s\n"
)
_RULES = (
    ("passthru_a", "l2tp tunnel block", "udp", r"\toption dest_port '1701'\n"),
    ("passthru_b", "pptp control block", "tcp", r"\toption dest_port '1723'\n"),
    ("passthru_c", "pptp data block", "47", ""),
)
#: What only a router with the new rules prints.
AFTER = "passthru pptp data block"
_READ = f"cat {_FILE}; nft list table inet fw4 | grep passthru"
_ADD = f'printf "\\n{"".join(_RULE % each for each in _RULES)}" >>'
_BARE = (_READ, f"{_ADD}{_FILE} && fw4 check && fw4 reload", _READ)
_UNDO = f"cp -p /etc/change/old /etc/config/.f && sync && mv /etc/config/.f {_FILE}; fw4 reload"
_TICK = (
    "n=0; while [ -d /tmp/change ]; do sleep 5; n=$((n+5)); [ $n -lt 120 ] || sh /etc/change/undo;"
    " done"
)
_PREPARE = (
    "[ ! -s /tmp/.uci/firewall ] && mkdir /tmp/change && mkdir -p /etc/change &&"
    f" cp -p {_FILE} /etc/change/old && cmp -s {_FILE} /etc/change/old &&"
    f" echo '{_UNDO}' >/etc/change/undo && printf '#!/bin/sh /etc/rc.common\\nSTART=18\\n"
    "boot() { sh /etc/change/undo; }\\n' >/etc/init.d/undo && chmod 755 /etc/init.d/undo &&"
    " ln -sf ../init.d/undo /etc/rc.d/S18undo && sync &&"
    f" {{ setsid sh -c '{_TICK}' </dev/null >/dev/null 2>&1 & }}"
)
_WRITE = (
    f"cp {_FILE} /tmp/change/firewall && {_ADD}/tmp/change/firewall &&"  # noqa: S108 - a router's
    f" uci -q -c /tmp/change show firewall >/dev/null && cp -p {_FILE} /etc/config/.f &&"
    f" cat /tmp/change/firewall >/etc/config/.f && sync && mv /etc/config/.f {_FILE} &&"
    " fw4 check && fw4 reload || sh /etc/change/undo"
)
_CONFIRM = (
    f"{{ {_READ}; }} | grep '{AFTER[:-1]}[k]' &&"
    " rm -rf /etc/change /etc/init.d/undo /etc/rc.d/S18undo /tmp/change && sync"
)
#: The same with what a push does besides, as far as few lines can: no unsaved changes of others, a
#: former state that a timer and the next boot bring back, the file put in place at once and whole,
#: a look over a new connection (``None``) before it is confirmed. Each line fits into ash's editor.
_CAREFUL = (_READ, _PREPARE, _WRITE, None, _CONFIRM)


class Site:
    """The routers and the files that lead to them."""

    def __init__(self, fleet: EmbeddedFleet, folder: Path, number: int) -> None:
        self.folder = folder
        self.routers = [
            fleet.add("openwrt", f"r{n:03}", latency=LATENCY) for n in range(1, number + 1)
        ]
        self._each(lambda router: router.run("true"))  # the first command powers it on
        self._former = self.routers[0].read(_FILE)
        self.key = folder / "key"
        self.key.touch(0o600)
        self.key.write_text(fleet.client_key)
        self.known = folder / "known_hosts"
        self.known.write_text("".join(router.known_hosts for router in self.routers))
        hosts = {router.name: self._variables(router) for router in self.routers}
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        (folder / "policy.yml").write_text(_POLICY)

    def _variables(self, router: EmbeddedRouter) -> dict[str, Any]:
        number = int(router.name[1:])
        network = f"10.{number // 250}.{number % 250}.0/24"  # as in life, no two are alike
        return {
            "passthru_target": "openwrt",
            "passthru_zones": {
                "lan": {"device": "br-lan", "networks": [network]},
                "wan": {"device": "eth0"},
            },
            "passthru_facts": {"release": "24.10"},
            "ansible_host": router.host,
            "ansible_port": router.port,
            "ansible_user": router.username,
            "ansible_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={self.known}",
        }

    def work(self, forks: int) -> dict[str, Any]:
        """Give what a contender is told."""
        return {
            "forks": forks,
            "key": str(self.key),
            "known_hosts": str(self.known),
            "arguments": [
                *("-i", str(self.folder / "hosts.json"), "-p", str(self.folder / "policy.yml")),
                *("--journal", str(self.folder / "state")),
            ],
            "bare": _BARE,
            "careful": _CAREFUL,
            "before": "Allow-ISAKMP",
            "after": AFTER,
            "routers": [
                {"name": r.name, "host": r.host, "port": r.port, "user": r.username}
                for r in self.routers
            ],
        }

    def reset(self) -> None:
        """Bring every router back to what it had first."""

        def back(router: EmbeddedRouter) -> None:
            router.write(_FILE, self._former)
            router.run("fw4 reload")

        self._each(back)

    def done(self) -> int:
        """Count the routers that have the new rules, in the file and loaded."""

        def has(router: EmbeddedRouter) -> bool:
            loaded = AFTER in router.run("nft list table inet fw4").stdout
            return loaded and AFTER in router.read(_FILE).decode()

        return sum(self._each(has))

    def _each(self, work: Any) -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(work, self.routers))


@contextmanager
def site(folder: Path, number: int) -> Iterator[Site]:
    """Start the fleet, in processes of its own."""
    with EmbeddedFleet() as fleet:
        yield Site(fleet, folder, number)
