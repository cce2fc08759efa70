"""Routers with nvram: whether the PPTP helper is at work is read, and said where it is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compiler.device.job import State
from compiler.device.push import push
from compiler.embedded import EmbeddedFleet
from compiler.model.finding import Code, Severity
from compiler.toggles.nvram import nvram_facts
from tests.device.routers import Site
from tests.device.support import NEW, OLD, OPTIONS

_RULE = "-A PREROUTING -p tcp -m tcp --dport 1723 -j CT --helper pptp"


@pytest.mark.parametrize(
    ("kernel", "module", "switch", "raw", "state"),
    [
        ("2.6.36.4brcmarm", "nf_nat_pptp", "", "", "assigned"),
        ("2.4.37", "ip_nat_pptp", "", "", "assigned"),
        ("4.1.27", "nf_nat_pptp", "1", "", "assigned"),
        ("4.1.27", "nf_nat_pptp", "0", "", "idle"),
        ("4.1.27", "", "1", "", "absent"),
        ("4.1.27", "nf_nat_ftp", "1", "", "absent"),
        ("4.6.9", "nf_nat_pptp", "", "", "assigned"),
        ("4.7.0", "nf_nat_pptp", "", "", "unknown"),
        ("4.19.183", "nf_nat_pptp", "0", "", "idle"),
        ("4.19.183", "nf_nat_pptp", "0", _RULE, "assigned"),
        ("5.15.1", "nf_nat_pptp", "", _RULE, "assigned"),
        ("6.1-rc1", "nf_nat_pptp", "", _RULE.replace("pptp", "ftp"), "unknown"),
    ],
)
def test_what_the_router_tells(
    tmp_path: Path, kernel: str, module: str, switch: str, raw: str, state: str
) -> None:
    tools, proc = tmp_path / "bin", tmp_path / "proc"
    for folder in (tools, proc / "net", proc / "sys/net/netfilter", tmp_path / "sys/module"):
        folder.mkdir(parents=True)
    for name, text in {
        "uname": f"echo {kernel}",
        "lsmod": "echo Module Size",
        "nvram": ":",
        "iptables": f"echo '{raw}'\necho asked >>{tmp_path}/asked",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    if module:
        (tmp_path / "sys/module" / module).mkdir()
    if switch:
        (proc / "sys/net/netfilter/nf_conntrack_helper").write_text(f"{switch}\n")
    if raw:
        (proc / "net/ip_tables_names").write_text("filter\nraw\nnat\n")
    done = subprocess.run(
        ["sh", "-c", nvram_facts("buildno")],
        env={"PATH": f"{tools}:/usr/bin:/bin", "PASSTHRU_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"helper_pptp={state}\n" in done.stdout
    assert done.stderr == ""
    assert (tmp_path / "asked").exists() == bool(raw)


@pytest.mark.parametrize("family", ["asuswrt", "ddwrt"])  # freshtomato loads it itself
def test_a_helper_that_is_not_there_is_said(
    fleet: EmbeddedFleet, tmp_path: Path, family: str
) -> None:
    """1. changed, and the module is missing; 2. also when nothing is to do; 3. a block asks not."""
    if not fleet.namespaces:
        pytest.skip("the routers need namespaces of their own here")
    site = Site(fleet, family, f"{family}-helper", tmp_path, modules=())
    for state in (State.CHANGED, State.UNCHANGED):
        result = push(site.job(OLD), OPTIONS)
        assert result.state is state
        (found,) = result.findings
        assert (found.code, found.severity) == (Code.D503, Severity.WARNING)
        assert "no module of it is loaded" in found.message
    blocked = push(site.job(NEW), OPTIONS)
    assert (blocked.state, blocked.findings) == (State.CHANGED, ())
