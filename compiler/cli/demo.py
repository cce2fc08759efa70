"""``passthru demo``: the main job on an example site, told as it happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compiler.cli.compile import compile_site
from compiler.cli.table import print_table
from compiler.errors import ExitCode, OutputError
from compiler.model.finding import Code, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from compiler.build.plan import Compiled

_SECONDS = 60


@click.command("demo")
@click.option("-o", "--out", metavar="DIR", help="Keep the output there (default: throw it away).")
def demo_command(out: str | None) -> int:
    """Compile an example office of every router family and 200 branches, and load what nft can.

    Touches nothing outside of the output folder: rules are loaded into a network namespace of
    their own, which ends with the command.
    """
    from compiler.build.output import Output  # noqa: PLC0415 - keeps --help quick

    with resources.as_file(resources.files("inventories").joinpath("office")) as office:
        _say(1, f"an office: {office}")
        options = {
            "inventory": (str(office / "hosts.yml"),),
            "policy": (str(office / "policies"),),
            "limit": "",
            "extra_vars": (),
            "vault_password_file": (),
            "allow_expired": False,
        }
        site, compiled, findings = compile_site(options)
    counts: dict[str, int] = {}
    for item in compiled.values():
        target = item.router.device.target
        counts[target] = counts.get(target, 0) + 1
    _say(2, f"{len(site.plays)} plays, {len(compiled)} routers compiled")
    print_table(("target", "routers"), [(name, str(n)) for name, n in sorted(counts.items())])
    _say(3, "what a router cannot do exactly is said, not hidden:")
    for line in _warnings(findings):
        click.echo(f"   {line}")
    with tempfile.TemporaryDirectory(prefix="passthru-demo-") as scratch:
        root = Path(out) if out else Path(scratch) / "out"
        Output(root, site.policy_hash).write(compiled, whole=True, prune=False)
        files = sum(1 for path in root.rglob("*") if path.is_file())
        _say(4, f"{files} files written" + (f" to {root}" if out else " (and thrown away after)"))
        loaded = _load(root, compiled)
    _say(5, loaded)
    return ExitCode.OK


def _warnings(findings: Iterable[Finding]) -> Iterator[str]:
    """Give one line for each kind of warning, with the routers it is about."""
    hosts: dict[Code, dict[str, None]] = {}
    for finding in sorted(findings, key=lambda finding: finding.code.name):
        if finding.severity is Severity.WARNING:
            named = hosts.setdefault(finding.code, {})
            named.update({finding.host: None} if finding.host else {})
    for code, names in hosts.items():
        yield f"{code.name} {code.value}" + (f": {', '.join(names)}" if names else "")


def _say(number: int, text: str) -> None:
    click.echo(click.style(f"{number}. ", bold=True) + text)


def _load(root: Path, compiled: Mapping[str, Compiled]) -> str:
    """Load one bundle of each different content into a real kernel, or say why not.

    Raises:
        OutputError: nft or the kernel refuses a ruleset: that would be a bug of ours.
    """
    missing = _cannot_load()
    if missing:
        return f"not loaded into a kernel: {missing}"
    texts = {
        item.bundle.native_text: name
        for name, item in compiled.items()
        if item.router.device.target == "linux"
    }
    rules = 0
    for name in texts.values():
        path = root / name / compiled[name].bundle.native
        script = 'nft -f "$1" && nft list table inet passthru'
        done = _in_namespace("sh", "-c", script, "sh", str(path))
        if done.returncode:
            raise OutputError.of(Code.X901, f"nft refuses the rules of '{name}': {done.stderr}")
        rules += sum("accept" in line or "drop" in line for line in done.stdout.splitlines())
    kind = "ruleset" if len(texts) == 1 else "different rulesets"
    return f"{len(texts)} {kind} loaded by the real nft into a real kernel ({rules} verdicts)"


def _cannot_load() -> str:
    for tool, package in (("nft", "nftables"), ("unshare", "util-linux")):
        if shutil.which(tool, path=_path()) is None:
            return f"{tool} is missing (package {package})"
    done = _in_namespace("nft", "add table inet passthru_probe")
    return "" if done.returncode == 0 else "needs root, or user namespaces that may use nftables"


def _in_namespace(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a network namespace of its own (and a user namespace, if not root)."""
    return subprocess.run(
        ["unshare", "--net", "--map-root-user", *command],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, "PATH": _path()},
    )


def _path() -> str:
    """Look where nft is also for users whose PATH leaves the administrator's folders out."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
