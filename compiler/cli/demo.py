"""``passthru demo``: the main job on an example site, told as it happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import textwrap
from contextlib import ExitStack
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
    from compiler.cli.demo_routers import Demo

_SECONDS = 60
_WIDTH = 78
_PROVEN = "gateway,branches"
_SERIAL = "1,25%,100%"


@click.command("demo")
@click.option("-o", "--out", metavar="DIR", help="Keep the output there (default: throw it away).")
def demo_command(out: str | None) -> int:
    """Compile an example office and 200 branches, push to some of them, audit, prove.

    The routers that it pushes to are small stand-ins on loopback. Rules are loaded into network
    namespaces of their own. Nothing outside of the output folder is touched, and nothing is left.
    """
    with (
        resources.as_file(resources.files("inventories").joinpath("office")) as office,
        tempfile.TemporaryDirectory(prefix="passthru-demo-") as scratch,
    ):
        folder = Path(scratch)
        _compile(office, folder, out)
        code = _push(office, folder)
        if code == ExitCode.OK:
            code = _prove(office)
    if code == ExitCode.OK:
        _say("That is all. Nothing of it is left but this text" + (f" and {out}." if out else "."))
    return code


def _compile(office: Path, folder: Path, out: str | None) -> None:
    from compiler.build.output import Output  # noqa: PLC0415 - keeps --help quick

    options = {
        "inventory": (str(office / "hosts.yml"),),
        "policy": (str(office / "policies"),),
        "limit": "",
        "extra_vars": (),
        "vault_password_file": (),
        "allow_expired": False,
    }
    _say("An example site: an office with routers of several families, and 200 branches.")
    _tell(str(office))
    site, compiled, findings = compile_site(options)
    counts: dict[str, int] = {}
    for item in compiled.values():
        target = item.router.device.target
        counts[target] = counts.get(target, 0) + 1
    _say(f"Its policy of {len(site.plays)} plays is compiled for {len(compiled)} routers:")
    print_table(("target", "routers"), [(name, str(n)) for name, n in sorted(counts.items())])
    _say("What a router cannot do exactly is said, not hidden:")
    for line in _warnings(findings):
        _tell(line)
    root = Path(out) if out else folder / "out"
    Output(root, site.policy_hash).write(compiled, whole=True, prune=False)
    files = sum(1 for path in root.rglob("*") if path.is_file())
    _say(f"{files} files are written" + (f" to {root}." if out else ", and thrown away after."))
    _tell(_load(root, compiled))


def _push(office: Path, folder: Path) -> int:
    """Push, push again, find what somebody changed, mend it; or say why not."""
    from compiler.cli import demo_routers  # noqa: PLC0415 - most of it is of no use elsewhere

    why = demo_routers.missing()
    if why:
        _say(f"Pushing is left out: {why}")
        return ExitCode.OK
    from compiler.embedded import EmbeddedError  # noqa: PLC0415 - same

    with ExitStack() as stack:
        try:
            demo = stack.enter_context(demo_routers.embedded_office(folder, office))
        except EmbeddedError as error:
            _say(f"Pushing is left out: {error}")
            return ExitCode.OK
        if not demo.walled:
            _say("Pushing is left out: the stand-ins for routers need root or user namespaces.")
            return ExitCode.OK
        return _story(demo, demo_routers.GROUP, demo_routers.CHANGED)


def _story(demo: Demo, group: str, changed: str) -> int:
    number = len(demo.routers)
    _say(f"{number} of these routers start, as small stand-ins with SSH servers on loopback.")
    _tell("First the policy goes to one of them, then to a quarter, then to the rest.")
    code = demo.run("push", "-l", group, "--serial", _SERIAL, "--yes")
    if code:
        return code
    _say("The same again: each is read and compared, and there is nothing to write.")
    code = demo.run("push", "-l", group, "--yes")
    if code:
        return code
    _say(f"Now somebody removes a rule on '{changed}' by hand. An audit finds it:")
    demo.change_by_hand()
    code = demo.run("audit", "-l", group, "--no-journal")
    if code != ExitCode.DIFFERENT:
        return code or ExitCode.INTERNAL
    _say("A push mends it, and writes to that router only:")
    return demo.run("push", "-l", group, "--yes")


def _prove(office: Path) -> int:
    """Send packets through what one router and the branches compile to; or say why not."""
    from compiler.cli.demo_routers import passthru  # noqa: PLC0415 - as above

    site = ("-i", str(office / "hosts.yml"), "-p", str(office / "policies"))
    done = passthru(("prove", *site, "-l", _PROVEN, "--output", "json"), office, hidden=True)
    if done.returncode not in (ExitCode.OK, ExitCode.DIFFERENT):
        lines = done.stderr.decode(errors="replace").splitlines()
        why = next((line for line in lines if line.startswith("error")), "it did not run")
        _say(f"Proof by packets is left out: {why}")
        return ExitCode.OK if "E802" in why else done.returncode
    _say("Proof: the rules go into a kernel, and every protocol through them, packet by packet:")
    for router in json.loads(done.stdout)["routers"]:
        checks = router["checks"]
        good = sum(check["as_wanted"] for check in checks)
        names = len(router["hosts"])
        alike = f" and {names - 1} like it" if names > 1 else ""
        _tell(f"{router['hosts'][0]}{alike}: {good} of {len(checks)} checks as the policy wants")
    return done.returncode


def _warnings(findings: Iterable[Finding]) -> Iterator[str]:
    """Give one line for each kind of warning, with the routers it is about."""
    hosts: dict[Code, dict[str, None]] = {}
    for finding in sorted(findings, key=lambda finding: finding.code.name):
        if finding.severity is Severity.WARNING:
            named = hosts.setdefault(finding.code, {})
            named.update({finding.host: None} if finding.host else {})
    for code, names in hosts.items():
        yield f"{code.name} {code.value}" + (f": {', '.join(names)}" if names else "")


def _say(text: str) -> None:
    """Begin a step, in plain words."""
    click.echo()
    click.echo(_wrapped(text, "* "))


def _tell(text: str) -> None:
    """Say more about a step."""
    click.echo(_wrapped(text, "  "))


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent="  ")


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
