"""A real firewalld in a namespace: a LAN that may go out through a masquerading WAN.

It needs a message bus; it gets one of its own, in a folder that goes with it. Nothing of the
system's own firewalld or bus is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from compiler.prove.lab.namespaces import Namespace

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={bus}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow user="*"/>
  </policy>
</busconfig>
"""
_FILES = {
    "firewalld.conf": "DefaultZone=public\nFirewallBackend=nftables\nIPv6_rpfilter=no\n",
    "zones/lan.xml": "<zone><interface name='{lan}'/><forward/></zone>",
    "zones/uplink.xml": "<zone><interface name='{wan}'/><masquerade/></zone>",
    "policies/out.xml": (
        "<policy target='ACCEPT'><ingress-zone name='lan'/><egress-zone name='uplink'/></policy>"
    ),
}
_PATIENCE = 30.0


def missing() -> str:
    """Say which program is not here; empty when all are."""
    for tool in ("firewalld", "dbus-daemon"):
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
            return f"{tool} is not installed (Debian: apt-get install firewalld)"
    return ""


def ruleset(namespace: Namespace, folder: Path, lan: str, wan: str) -> str:
    """Let firewalld write its rules into the namespace, and give them for ``nft -f``."""
    bus = folder / "bus"
    (folder / "bus.conf").write_text(_BUS.format(bus=bus))
    for name, text in _FILES.items():
        path = folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(lan=lan, wan=wan))
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
    environment["PATH"] = f"{environment['PATH']}:/usr/sbin:/sbin"
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in (
            ["dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork", "--nopidfile"],
            ["firewalld", "--nofork", "--nopid", "--system-config", str(folder / "etc"),
             "--log-target", "console"],
        ):  # fmt: skip
            started.append(
                subprocess.Popen(
                    namespace.command(*command),
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            _wait(bus)
        return _written(namespace)
    finally:
        for process in reversed(started):
            process.kill()  # firewalld removes its rules if it may end in peace
            process.wait()


def _wait(bus: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not bus.exists() and time.monotonic() < end:
        time.sleep(0.1)


def _written(namespace: Namespace) -> str:
    end = time.monotonic() + _PATIENCE
    last = ""
    while time.monotonic() < end:
        time.sleep(1.0)
        with suppress(OSError):
            text = namespace.run("nft", "list", "ruleset", check=False)
            if "filter_FORWARD" in text and text == last:
                return text
            last = text
    raise SystemExit("firewalld has written no rules")
