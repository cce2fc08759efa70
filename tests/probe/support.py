"""What the probe's tests share: a lab with real sockets at both ends, and both commands in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.prove.lab import OFFICE, Lab
from compiler.prove.lab.network import INTERNET

ROOT = Path(__file__).parents[2]
TOKEN = "a token that both know"
SERVER = str(OFFICE.wans[0].far4)
SERVER6 = str(OFFICE.wans[0].far6)
#: A bound on how long a test waits for a program of ours, never a measure.
SECONDS = 120
NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
    "--inh-caps=-all",
)  # fmt: skip
NAT = """table ip nat {
	chain out { type nat hook postrouting priority 100; oifname "wan" masquerade; }
}
"""
HELPER = """table ip helpers {
	ct helper pptp { type "pptp" protocol tcp; }
	chain in { type filter hook prerouting priority 0; tcp dport 1723 ct helper set "pptp"; }
}
"""


def filtered(*rules: str) -> str:
    """Give a forward chain with these rules."""
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return (
        "table inet filter {\n\tchain forward {\n"
        f"\t\ttype filter hook forward priority 0;\n{lines}\t}}\n}}\n"
    )


@dataclass(frozen=True)
class Ran:
    """How a client's run ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    @property
    def results(self) -> dict[str, str]:
        """Every flow's result, by its id (the last of several ports)."""
        return {flow["flow"]: flow["result"] for flow in self.data["flows"]}

    def flow(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(f for f in self.data["flows"] if f["flow"] == name)
        return found

    @property
    def advice(self) -> dict[str, str]:
        return {one["protocol"]: one["text"] for one in self.data["advice"]}


def environment(token: str = TOKEN) -> dict[str, str]:
    return {**os.environ, "PASSTHRU_PROBE_TOKEN": token}


def started(
    lab: Lab, host: str, *arguments: str, token: str = TOKEN, prefix: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start a passthru command on a host of the lab."""
    command = (*prefix, sys.executable, "-m", "compiler", "probe", *arguments)
    return subprocess.Popen(
        lab.hosts[host].namespace.command(*command),
        cwd=ROOT,
        env=environment(token),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class Serve:
    """A server that runs; ``told`` is what it said before it was ready, ``ended`` all it said."""

    process: subprocess.Popen[str]
    told: str
    err: str = ""


@contextmanager
def serving(lab: Lab, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[Serve]:
    """Serve in the internet for the length of a block."""
    process = started(lab, INTERNET, "serve", *arguments, prefix=prefix)
    assert process.stderr
    told = ""
    for line in process.stderr:
        told += line
        if line.startswith("serving on"):
            break
    found = Serve(process, told)
    try:
        yield found
    finally:
        process.terminate()
        found.err = told + process.communicate(timeout=SECONDS)[1]
    assert "Traceback" not in found.err
    assert "exception" not in found.err.lower()
    assert process.returncode == 0, found.err


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=SECONDS)
    assert "Traceback" not in err, err
    return Ran(process.returncode, out, err)


def run(
    lab: Lab,
    *arguments: str,
    host: str = "c1",
    to: str = SERVER,
    token: str = TOKEN,
    prefix: Sequence[str] = (),
) -> Ran:
    """Run the client behind the router."""
    given = ("run", to, "--output", "json", *arguments)
    return ended(started(lab, host, *given, token=token, prefix=prefix))


def opened(lab: Lab) -> Lab:
    """Let the kernels at both ends of a lab take packets: here programs answer, not the lab."""
    for end in lab.hosts.values():
        end.namespace.run("nft", "flush", "ruleset")
    return lab


def ready(lab: Lab, *rules: str) -> Lab:
    """Forget everything and load rules on the router."""
    lab.clear()
    for text in rules:
        lab.load(text)
    return lab
