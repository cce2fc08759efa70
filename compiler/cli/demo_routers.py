"""The second half of ``passthru demo``: the office's routers, embedded, and the real commands."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import compiler
from compiler.cli.manners import verbosity
from compiler.cli.options import CONFIG

if TYPE_CHECKING:
    from compiler.embedded import EmbeddedFleet, EmbeddedRouter

#: Hosts of the example office that become embedded routers: family, and release where it matters.
_ROUTERS = {
    "branch001": ("linux", ""),
    "meeting-room": ("openwrt", ""),
    "canteen": ("asuswrt", ""),
    "gateway": ("linux", ""),
    **{f"branch{number:03}": ("linux", "") for number in range(2, 10)},
}
#: The meeting room has a guest network, which a new OpenWrt has not.
_GUESTS = """
config zone
	option name	guest
	list network	'guest'
	option input	REJECT
	option output	ACCEPT
	option forward	REJECT

config forwarding
	option src	guest
	option dest	wan
"""
_LATENCY = 0.005
_SECONDS = 120
GROUP = "demo"
#: Whose setting somebody turns by hand, and how.
CHANGED = "meeting-room"
BY_HAND = """\
rule=$(uci show firewall | sed -n '/passthru.*pptp.*=rule$/{s/=rule$//p;q;}')
[ -n "$rule" ] && uci delete "$rule" && uci commit firewall && fw4 reload
"""


def missing() -> str:
    """Say why there can be no embedded routers here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "embedded routers need Linux"
    if importlib.util.find_spec("asyncssh") is None:
        return "asyncssh is missing: pip install 'passthru[demo]'"
    return ""


class Demo:
    """Embedded routers of the office, and a folder whose commands speak to them."""

    def __init__(self, fleet: EmbeddedFleet, folder: Path, office: Path) -> None:
        """Start the routers, and write what leads to them."""
        self._folder = folder
        self.walled = fleet.namespaces
        self.routers: Mapping[str, EmbeddedRouter] = {}
        if self.walled:
            self._start(fleet, office)

    def _start(self, fleet: EmbeddedFleet, office: Path) -> None:
        folder = self._folder
        self.routers = {
            name: fleet.add(family, name, release=release, latency=_LATENCY)
            for name, (family, release) in _ROUTERS.items()
        }
        room, config = self.routers[CHANGED], "/etc/config/firewall"
        room.write(config, room.read(config).decode() + _GUESTS)
        key = folder / "key"
        key.touch(0o600)
        key.write_text(fleet.client_key)
        known = folder / "known_hosts"
        known.write_text("".join(router.known_hosts for router in self.routers.values()))
        options = f"-F none -o {shlex.quote(f'UserKnownHostsFile={known}')}"
        hosts = {name: _variables(router, key, options) for name, router in self.routers.items()}
        reach = folder / "reach.json"
        reach.write_text(json.dumps({GROUP: {"hosts": hosts}}))
        paths = {"inventory": [str(office / "hosts.yml"), str(reach)]}
        paths["policy"] = [str(office / "policies" / "10-company.yml")]
        lines = [f"{key} = {json.dumps(value)}" for key, value in paths.items()]
        (folder / CONFIG).write_text("\n".join([*lines, 'journal = "journal"', ""]))

    def run(self, *arguments: str) -> int:
        """Run a command as a user would, in sight, and give its exit code."""
        click.secho(f"  $ passthru {shlex.join(arguments)}", dim=True)
        sys.stdout.flush()
        return passthru(arguments, self._folder).returncode

    def change_by_hand(self) -> bool:
        """Remove a rule of ours from a router, as somebody who wants PPTP back would."""
        return self.routers[CHANGED].run(BY_HAND).status == 0


@contextmanager
def embedded_office(folder: Path, office: Path) -> Iterator[Demo]:
    """Start the routers; nothing of them is left afterwards.

    Raises:
        EmbeddedError: they cannot be started.
    """
    from compiler.embedded import EmbeddedFleet  # noqa: PLC0415 - an optional extra

    with EmbeddedFleet() as fleet:
        yield Demo(fleet, folder, office)


def _variables(router: EmbeddedRouter, key: Path, options: str) -> dict[str, Any]:
    return {
        "ansible_host": router.host,
        "ansible_port": router.port,
        "ansible_user": router.username,
        "ansible_private_key_file": str(key),
        "ansible_ssh_common_args": options,
    }


def passthru(
    arguments: Sequence[str], folder: Path, *, hidden: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of passthru in a folder; ``hidden``: nobody sees what it prints."""
    stream = subprocess.PIPE if hidden else None
    context = click.get_current_context()
    flags = [] if context.color is None else ["--color", "always" if context.color else "never"]
    flags += ["-q"] if verbosity() < 0 else []
    package = str(Path(compiler.__file__).parents[1])  # the folder is another one, on purpose
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "compiler", *flags, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        check=False,
        timeout=_SECONDS,
        env={**os.environ, "PYTHONPATH": path},
    )
