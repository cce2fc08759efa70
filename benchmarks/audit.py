"""How fast saved answers of a mixed fleet are audited, how flat memory stays, beside its compile.

No two answers are alike: each holds settings and remarks of its own, so nothing is judged once for
many. Every command runs in a process of its own, whose resident memory is read while it works.

    python -m benchmarks.audit [ROUTERS]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_POLICY = """
- hosts: all
  on_deviation: warn
  passthrough: {pptp: block, ipsec: pass, wireguard: pass, l2tp: block}
"""
_ZONES = "{lan: {devices: [br-lan], networks: [10.%d.%d.0/24]}, wan: {devices: [eth0]}}"
_FIREWALL = """\
# %s
config defaults
\toption input 'REJECT'
\toption output 'ACCEPT'
\toption forward 'REJECT'

config zone
\toption name 'lan'
\tlist network 'lan'
\toption input 'ACCEPT'
\toption output 'ACCEPT'
\toption forward 'ACCEPT'

config zone
\toption name 'wan'
\tlist network 'wan'
\toption input 'REJECT'
\toption output 'ACCEPT'
\toption forward 'REJECT'
\toption masq '1'

config forwarding
\toption src 'lan'
\toption dest 'wan'
"""
_TPLINK = """{"success": true, "data": {"note": "%s", "pptp": "on", "l2tp": "off", "ipsec": "on",
"ftp": "on", "tftp": "on", "h323": "on", "rtsp": "on", "sip": "on"}}
"""
_NVRAM = "lan_hostname=%s\nfw_pt_pptp=0\nfw_pt_l2tp=0\nfw_pt_ipsec=1\nnf_pptp=0\n"
_TOMATO = "lan_hostname=%s\nnf_pptp=0\nipsec_pass=3\n"
_JNAP = """{"result": "OK", "output": {"name": "%s", "isIPv4FirewallEnabled": true,
"isIPv6FirewallEnabled": true, "blockMulticast": false, "blockNATRedirection": false,
"blockIDENT": true, "blockAnonymousRequests": true, "blockIPSec": false, "blockPPTP": true,
"blockL2TP": true}}
"""
#: Target, its facts, and what such a router answers, with a place for its own name.
_FAMILIES = (
    ("openwrt", "{release: '24.10'}", _FIREWALL),
    ("tplink", "{}", _TPLINK),
    ("asuswrt", "{}", _NVRAM),
    ("freshtomato", "{}", _TOMATO),
    ("linksys", "{}", _JNAP),
)
_RSS = re.compile(r"VmRSS:\s+(\d+)")


def _site(folder: Path, routers: int) -> None:
    saved = folder / "saved"
    saved.mkdir()
    lines = ["all:", "  hosts:"]
    for number in range(routers):
        target, facts, answer = _FAMILIES[number % len(_FAMILIES)]
        zones = _ZONES % divmod(number % 65536, 256)
        lines.append(
            f"    r{number:05}: {{passthru_target: {target}, passthru_facts: {facts}, "
            f"passthru_zones: {zones}}}"
        )
        (saved / f"r{number:05}.txt").write_text(answer % f"r{number:05}")
    (folder / "hosts.yml").write_text("\n".join(lines) + "\n")
    (folder / "policy.yml").write_text(_POLICY)


def _run(folder: Path, command: Sequence[str]) -> tuple[float, list[int]]:
    """Run a command, and give its seconds and its resident memory (MiB) on the way."""
    site = ("-i", "hosts.yml", "-p", "policy.yml")
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "compiler", "-q", *command, *site],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin:/usr/sbin"},
    )
    seen: list[int] = []
    while process.poll() is None:
        try:
            found = _RSS.search(Path(f"/proc/{process.pid}/status").read_text())
        except OSError:
            break
        if found:
            seen.append(int(found[1]) // 1024)
        time.sleep(0.25)
    if process.wait() not in (0, 2):
        raise SystemExit(f"{command[0]} failed: {process.returncode}")
    return time.monotonic() - began, seen


def main(routers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _site(folder, routers)
        print(f"{routers} routers, {len(_FAMILIES)} families, no two answers alike")
        for title, command in (
            ("compile", ("compile", "-o", "out")),
            ("audit --from", ("audit", "--from", "saved", "--journal", "state")),
            (
                "audit --from, html",
                ("audit", "--from", "saved", "--no-journal", "--output", "html", "-o", "r.html"),
            ),
        ):
            seconds, seen = _run(folder, command)
            quarters = [seen[len(seen) * part // 4] for part in (1, 2, 3)] if len(seen) > 8 else []
            print(
                f"{title:20} {seconds:7.1f} s {1000 * seconds / routers:6.2f} ms/router   "
                f"memory at 1/4, 1/2, 3/4, peak: {[*quarters, max(seen, default=0)]} MiB"
            )
        print(f"page: {(folder / 'r.html').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
