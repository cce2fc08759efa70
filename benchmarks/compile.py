"""How fast a fleet compiles, beside the plainest thing one could do instead.

The peer is a Jinja2 template of about the same size, rendered for each router and written to disk:
what a template-based tool does at best, without validation, effects, comparison or manifests.
Both run in this process, on the same machine, interleaved; the figures are medians.

    python -m benchmarks.compile [ROUTERS] [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from compiler.cli.main import main as passthru

_POLICY = """
- name: everything old stops, gateways stay reachable
  hosts: all
  passthrough:
    default: block
    ipsec: {action: pass, to: [198.51.100.0/28, "2001:db8:ffff::/64"]}
    wireguard: {action: pass, from: [lan]}
"""
_HOST = """\
    r%05d:
      passthru_target: linux
      passthru_zones:
        lan: {device: br-lan, networks: [10.%d.%d.0/24]}
        guest: {device: br-guest}
        wan: {device: wan}
"""


def _site(folder: Path, routers: int, *, alike: bool) -> list[str]:
    hosts = "".join(_HOST % (n, *((0, 0) if alike else divmod(n, 256))) for n in range(routers))
    (folder / "hosts.yml").write_text(f"all:\n  hosts:\n{hosts}")
    (folder / "policy.yml").write_text(_POLICY)
    return ["-q", "compile", "-i", str(folder / "hosts.yml"), "-p", str(folder / "policy.yml")]


def _compile(arguments: list[str], folder: Path, number: int) -> None:
    if passthru([*arguments, "-o", str(folder / f"out{number}")]) != 0:
        raise SystemExit("the benchmark's own site does not compile")


def _template(text: str, folder: Path, routers: int, number: int) -> None:
    """Render a template with one loop over the lines of a compiled ruleset, and write it."""
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - not HTML
    template = environment.from_string(
        "{% for line in lines %}{{ line }}\n{% endfor %}{{ name }}\n"
    )
    lines = text.splitlines()
    for router in range(routers):
        path = folder / f"plain{number}" / f"r{router:05d}" / "passthru.nft"
        path.parent.mkdir(parents=True)
        path.write_text(template.render(lines=lines, name=f"r{router:05d}"))


def _seconds(work: Callable[[], None]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _round(scratch: Path, routers: int, number: int, times: dict[str, list[float]]) -> None:
    for name in ("alike", "all different"):
        folder = scratch / name.replace(" ", "-")
        folder.mkdir()
        arguments = _site(folder, routers, alike=name == "alike")
        times[name].append(_seconds(partial(_compile, arguments, folder, number)))
    text = (folder / f"out{number}/r00000/etc/passthru/passthru.nft").read_text()
    times["plain template"].append(_seconds(partial(_template, text, folder, routers, number)))


def main() -> None:
    """Measure and print."""
    routers = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    times: dict[str, list[float]] = {"alike": [], "all different": [], "plain template": []}
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="passthru-bench-") as scratch:
            _round(Path(scratch), routers, number, times)
    floor = statistics.median(times["plain template"])
    print(f"{routers} routers, median of {rounds} rounds")
    for name, values in times.items():
        middle = statistics.median(values)
        rate, ratio = routers / middle, middle / floor
        print(f"{name:15} {middle:7.2f} s {rate:8.0f} routers/s {ratio:6.1f} x plain")


if __name__ == "__main__":
    main()
