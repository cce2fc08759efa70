"""The program inside: build the lab, run the stages, report line by line as JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from compiler.prove.vpn.guest import syslog
from compiler.prove.vpn.guest.network import Lab, Wiring
from compiler.prove.vpn.guest.node import BASE
from compiler.prove.vpn.guest.shell import CommandError, run
from compiler.prove.vpn.guest.stages import Case, Rules, Stages
from compiler.prove.vpn.guest.tunnels.table import TUNNELS

#: Nothing loads these by itself where it is needed.
_MODULES = (
    "nf_tables nft_ct nft_masq nft_nat nft_chain_nat nft_reject_inet nft_fib_inet nft_log"
    " nft_limit nft_xfrm nft_counter veth bridge tun ppp_generic ppp_async ppp_mppe l2tp_ppp"
    " esp4 esp6 xfrm_user wireguard"
)


class Report:
    """Writes one JSON object a line; threads may share it."""

    def __init__(self, into: TextIO) -> None:
        """Write to an open file."""
        self._into, self._lock, self._start = into, threading.Lock(), time.monotonic()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Write one event with the second in which it happened."""
        line = json.dumps({**event, "at": round(time.monotonic() - self._start, 1)})
        with self._lock:
            self._into.write(line + "\n")
            self._into.flush()


def main(job: bytes, results: str) -> None:
    """Do a job. Whatever happens is in the results; ``-`` is standard output."""
    if results == "-":
        _tell_all(job, Report(sys.stdout))
    else:
        with Path(results).open("w", encoding="utf-8") as into:
            _tell_all(job, Report(into))
    os._exit(0)  # daemons and threads end with the machine or the namespaces


def _tell_all(job: bytes, report: Report) -> None:
    threading.excepthook = lambda args: report.tell(_error(str(args.exc_value)))
    try:
        _work(json.loads(job), report)
        report.tell({"kind": "done"})
    except CommandError as error:
        report.tell(_error(str(error)))
    except Exception:  # noqa: BLE001 - the far end of a serial line: nobody else can tell it
        report.tell(_error(traceback.format_exc()))


def _error(text: str) -> dict[str, Any]:
    return {"kind": "error", "message": text[-4000:]}


def _work(job: Mapping[str, Any], report: Report) -> None:
    report.tell({"kind": "started"})
    (prepare_machine if job["machine"] else prepare_namespaces)()
    tunnels = [TUNNELS[name] for name in job["tunnels"]]
    lab = Lab(Wiring(**job["wiring"]))
    cells = lab.cells([(tunnel.name, tunnel.version, tunnel.watches) for tunnel in tunnels])
    if job["machine"]:
        syslog.relay([node for cell in cells for node in cell.nodes])
    report.tell({"kind": "ready"})
    cases = [
        Case(tunnel, cell, client)
        for tunnel, cell in zip(tunnels, cells, strict=True)
        for client in cell.clients
    ]
    rules = [_rules(entry) for entry in job["rulesets"]]
    Stages(lab, cases, job["keys"], report.tell).run(rules, job["patience"])


def _rules(entry: Mapping[str, Any]) -> Rules:
    files = tuple((path, mode, content) for path, mode, content in entry["files"])
    return Rules(entry["name"], files, entry["script"], tuple(entry["only"]))


def prepare_machine() -> None:
    """Load the modules that nothing loads by itself. One that is built in is none."""
    run(["mount", "--make-rprivate", "/"])
    run(["ip", "link", "set", "lo", "up"])
    run(["modprobe", "-a", "-q", *_MODULES.split()], check=False)
    BASE.mkdir(parents=True, exist_ok=True)


def prepare_namespaces() -> None:
    """Hide the host's /run, and let what a bundle writes to /etc end in memory."""
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    layers = BASE / "etc-new", BASE / "etc-work"
    for layer in layers:
        layer.mkdir(parents=True)
    options = f"lowerdir=/etc,upperdir={layers[0]},workdir={layers[1]}"
    run(["mount", "-t", "overlay", "-o", options, "overlay", "/etc"])
