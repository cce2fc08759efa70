"""How fast a fleet is pushed to, beside what others would do the same work with.

Embedded OpenWrt routers on loopback, in processes of their own, 20 ms for each round trip. Every
contender reads, writes, loads and verifies the same three rules on each router, over SSH with the
same key, as a whole process of its own, its code compiled as an installation leaves it; before each
of them every router is brought back to its former state, and afterwards the routers are asked who
has the rules.

Five routers at a time, as many as Ansible takes by default, are few enough for the line's latency
to count, as it does where routers have CPUs of their own. Fifty at a time keep all CPUs of this
machine busy, most of all with being routers: there, whoever does less work on them is ahead.

A peer runs twice. Bare, it adds the rules to the file as it is, loads them and looks, which leaves
a router that is cut off in the middle with whatever it has. Careful, it does by hand what a push
does besides: it refuses unsaved changes of others, keeps the former state, sets up a timer and a
boot hook that bring it back, puts the whole file in place at once, and looks over a second
connection. It still takes no lease, and two of it at once get into each other's way.

    python -m benchmarks.push [ROUTERS] [ROUNDS] [FORKS...]

Client and routers share the machine, so routers/s is about both; CPU is the client's alone. The
peers live in an environment of their own (`make bench` makes .venv-bench; PEERS names another).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.push_fleet import Site, site
from benchmarks.push_programs import CAREFUL, PEERS, Program, programs

_FORKS = (5, 50)
_CHANGES = "passthru push"
_NOTHING = "passthru push, nothing to do"
_UNIT = "one paramiko exec"
#: At most so many times the CPU of one bare paramiko connection with one exec, for each router.
_MOST_CPU = {_CHANGES: 2.5, _NOTHING: 1.3}
_MOST_TRIPS = 3


@dataclass(frozen=True, slots=True)
class Taken:
    """What one contender took in one round; ``inner`` is without start-up, where it tells."""

    seconds: float
    cpu: float
    wrong: int
    inner: float | None


def _run(program: Program, work: dict[str, Any], found: Site) -> Taken:
    """Run a contender; the CPU is that of its process and of all that it waited for."""
    if program.writes:
        found.reset()
    folder = found.folder / program.name.replace(" ", "-").replace(",", "")
    folder.mkdir(exist_ok=True)
    command, environment = program.command(folder, work)
    began = time.perf_counter()
    output = folder / "output"
    with output.open("wb") as stream:
        pid = os.posix_spawn(
            command[0],
            command,
            {**os.environ, **environment, "PYTHONPATH": str(Path.cwd())},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stream.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, stream.fileno(), 2),
            ],
        )
        _, _, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    told = _told(output)
    number = len(found.routers)
    wrong = number - found.done() if program.writes or program.keeps else 0
    wrong = max(wrong, int(told.get("failed", 0)))
    return Taken(seconds, usage.ru_utime + usage.ru_stime, wrong, told.get("cpu"))


def _told(output: Path) -> dict[str, float]:
    lines = output.read_text(errors="replace").strip().splitlines()
    if lines and lines[-1].startswith("{"):
        found: dict[str, float] = json.loads(lines[-1])
        return found
    return {}


def _median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def _table(taken: dict[str, list[Taken]], routers: int) -> None:
    rates = {name: routers / _median(t.seconds for t in each) for name, each in taken.items()}
    print(f"{'':30}{'routers/s':>10}{'passthru is':>13}{'CPU ms/router':>15}{'wrong':>7}")
    for name, each in taken.items():
        cpu = 1000 * _median(t.cpu for t in each) / routers
        ratio = "" if name == _CHANGES else f"{rates[_CHANGES] / rates[name]:.2f} x"
        wrong = sum(t.wrong for t in each)
        print(f"{name:30}{rates[name]:10.1f}{ratio:>13}{cpu:15.1f}{wrong:7}")
    print()
    for kind, names in (("careful", CAREFUL), ("bare", PEERS)):
        peers = [name for name in names if name in taken]
        faster = [name for name in peers if rates[name] >= rates[_CHANGES]]
        holds = "holds" if not faster else f"DOES NOT HOLD: {', '.join(faster)}"
        print(f"ahead of every {kind} peer that was measured ({len(peers)}): {holds}")


def _goals(taken: dict[str, list[Taken]]) -> None:
    """Hold CPU without start-up against the unit: the median of what each round says."""
    for name, most in _MOST_CPU.items():
        pairs = zip(taken[name], taken[_UNIT], strict=True)
        ratios = [a.inner / b.inner for a, b in pairs if a.inner and b.inner]
        if not ratios:
            print(f"{name}: not measured")
            continue
        ratio = _median(ratios)
        word = "holds" if ratio <= most else "DOES NOT HOLD"
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name}: {ratio:.2f} times {_UNIT} ({spread}), at most {most}: {word}")


def _trips(program: Program, work: dict[str, Any], found: Site) -> None:
    """Count the SSH messages of a push that has nothing to do, one router at a time."""
    few = {**work, "forks": 1, "count": True}
    _run(program, few, found)
    folder = found.folder / program.name.replace(" ", "-").replace(",", "")
    told = _told(folder / "output")
    routers = len(found.routers)
    connections, trips = told["connections"] / routers, told["trips"] / routers
    good = connections == 1 and trips <= _MOST_TRIPS
    print(
        f"{program.name}: {connections:g} connection, {trips:g} round trips after the log-in, "
        f"at most 1 and {_MOST_TRIPS}: {'holds' if good else 'DOES NOT HOLD'}"
    )


def main() -> None:
    """Measure and print."""
    numbers = [int(word) for word in sys.argv[1:]]
    routers, rounds = (numbers + [40, 3][len(numbers) :])[:2]
    contenders = programs()
    with (
        tempfile.TemporaryDirectory(prefix="passthru-bench-") as scratch,
        site(Path(scratch), routers) as found,
    ):
        for program in contenders[:3]:  # so that the code of all of them is compiled
            _run(program, found.work(_FORKS[0]), found)
        for forks in numbers[2:] or _FORKS:
            _compare(contenders, found, forks, rounds)
        work = found.work(_FORKS[0])
        _run(contenders[0], work, found)  # so that there is nothing to do
        _trips(contenders[1], work, found)


def _compare(contenders: list[Program], found: Site, forks: int, rounds: int) -> None:
    """Measure all of them with as many routers at a time, and print."""
    taken: dict[str, list[Taken]] = {program.name: [] for program in contenders}
    work, load = found.work(forks), os.getloadavg()[0]
    for number in range(rounds):
        for program in contenders:
            taken[program.name].append(_run(program, work, found))
            print(f"{forks} at a time, round {number + 1}: {program.name}", file=sys.stderr)
    routers = len(found.routers)
    print(f"{routers} routers, {forks} at a time, median of {rounds} rounds; ", end="")
    print(f"{os.cpu_count()} CPUs, load before {load:.1f}")
    _table(taken, routers)
    _goals(taken)
    print()


if __name__ == "__main__":
    main()
