"""Small sites in a folder, compiled as the command line does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from compiler.build.device import Devices
from compiler.build.plan import Compiled, RouterCompiler
from compiler.build.registry import installed
from compiler.build.site import Request, Site, load_site
from compiler.inventory import load
from compiler.model.device import Device
from compiler.model.finding import Finding

ZONES: Mapping[str, Any] = {
    "lan": {"device": "br-lan", "networks": ["192.168.1.0/24"]},
    "wan": {"device": "eth0"},
}
LINUX: Mapping[str, Any] = {"passthru_target": "linux", "passthru_zones": ZONES}
TODAY = date(2026, 1, 1)


def device(folder: Path, variables: Mapping[str, Any]) -> tuple[Device | None, list[Finding]]:
    """Make a device of one host's variables."""
    path = folder / "hosts.json"
    path.write_text(json.dumps({"all": {"hosts": {"r1": variables}}}, indent=1))
    return Devices(installed()).device(load([str(path)]).host("r1"))


def site(folder: Path, hosts: Mapping[str, Any], limit: str = "", **passthrough: Any) -> Site:
    """Load a site with these hosts and one play for all of them."""
    folder.mkdir(exist_ok=True)
    inventory, policy = folder / "hosts.json", folder / "policy.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}, indent=1))
    play = {"name": "all", "hosts": "all", "passthrough": passthrough, "on_deviation": "warn"}
    policy.write_text(json.dumps([play], indent=1))
    return load_site(Request((str(inventory),), (policy,), limit, today=TODAY), installed())


def bundles(loaded: Site) -> dict[str, Compiled]:
    """Compile every router of a site; none may fail."""
    found = {}
    compiler = RouterCompiler(installed())
    for name, router, findings in loaded.routers():
        assert router is not None, findings
        item, more = compiler.compile(router)
        assert item is not None, more
        found[name] = item
    return found
