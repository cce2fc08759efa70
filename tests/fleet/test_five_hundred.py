"""Many embedded routers, 5 % of them faulty in mixed ways; the others must not notice.

Sixty here; ``make test-fleet`` takes 500 (PASSTHRU_FLEET). 1. every router starts, the faulty ones
get their faults; 2. one `passthru push`, a process of its own, whose memory is read as it goes;
3. what the stream, the exit code and the journal say is what the routers have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from compiler.device.job import State
from compiler.embedded import (
    DropLine,
    EmbeddedFleet,
    EmbeddedRouter,
    Fault,
    FlashFull,
    Hang,
    PowerCut,
    Refuse,
    WrongHostKey,
)
from compiler.errors import ExitCode

NUMBER = int(os.environ.get("PASSTHRU_FLEET", "60"))
#: What may become of a router with each fault.
FAULTS: Mapping[Fault, frozenset[State]] = {
    Refuse(): frozenset({State.UNREACHABLE}),
    WrongHostKey(): frozenset({State.UNREACHABLE}),
    FlashFull(): frozenset({State.FAILED}),
    DropLine(16_000): frozenset({State.CHANGED, State.ROLLED_BACK, State.FAILED}),
    PowerCut("fw4 reload"): frozenset({State.ROLLED_BACK}),
    Hang(): frozenset({State.UNREACHABLE}),
}
MOST_GROWTH = 24 * 1024  # kilobytes, after a third of the routers, whatever their number
RULE = "passthru pptp control block"
POLICY = "- hosts: all\n  passthrough: {pptp: block, l2tp: block}\n"


@pytest.fixture(scope="module")
def routers() -> Iterator[list[EmbeddedRouter]]:
    with EmbeddedFleet() as fleet:
        if not fleet.namespaces:
            pytest.skip("the routers need namespaces of their own here")
        found = [fleet.add("openwrt", f"r{number:03}") for number in range(NUMBER)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda router: router.run("true"), found))
        yield found


@pytest.fixture(scope="module")
def faulty(routers: list[EmbeddedRouter]) -> Mapping[str, Fault]:
    """Spread the faults over the fleet: every kind, and at least one router in twenty."""
    number = max(len(FAULTS), NUMBER // 20)
    victims = routers[:: NUMBER // number][:number]
    found = dict(zip(victims, islice(cycle(FAULTS), number), strict=True))
    for router, fault in found.items():
        router.fault(fault)
    return {router.name: fault for router, fault in found.items()}


def _site(folder: Path, routers: list[EmbeddedRouter]) -> None:
    known = folder / "known_hosts"
    known.write_text("".join(router.known_hosts for router in routers))
    hosts = {
        router.name: {
            "passthru_target": "openwrt",
            "passthru_zones": {
                "lan": {"device": "br-lan", "networks": [f"10.{n // 250}.{n % 250}.0/24"]},
                "wan": {"device": "eth0"},
            },
            "passthru_facts": {"release": "24.10"},
            "ansible_host": router.host,
            "ansible_port": router.port,
            "ansible_user": router.username,
            "ansible_password": router.password,
            "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known}",
        }
        for n, router in enumerate(routers)
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "policy.yml").write_text(POLICY)
    config = 'inventory = "hosts.json"\npolicy = ["policy.yml"]\njournal = "state"\n'
    (folder / "passthru.toml").write_text(config)


def _push(folder: Path) -> tuple[int, list[dict[str, Any]], list[int]]:
    """Push; give the exit code, the events, and the memory in kilobytes after every result."""
    command = [sys.executable, "-m", "compiler", "push", "--yes", "--output", "jsonl"]
    package = str(Path(__file__).parents[2])
    events, memory = [], []
    with (
        (folder / "errors").open("wb") as errors,
        subprocess.Popen(
            [*command, "--connect-timeout", "15"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": package},
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "result":
                memory.append(_resident(process.pid))
    return process.returncode, events, memory


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def test_the_others_are_done(
    routers: list[EmbeddedRouter], faulty: Mapping[str, Fault], tmp_path: Path
) -> None:
    _site(tmp_path, routers)
    code, events, memory = _push(tmp_path)

    results = [event for event in events if event["event"] == "result"]
    states = {event["host"]: State(event["state"]) for event in results}
    assert len(results) == len(states) == NUMBER
    healthy = {name: state for name, state in states.items() if name not in faulty}
    assert set(healthy.values()) == {State.CHANGED}, _bad(results, faulty)
    for name, fault in faulty.items():
        assert states[name] in FAULTS[fault], (fault, _bad(results, {}))

    for router in routers:
        router.clear()
        has = RULE in router.read("/etc/config/firewall").decode()
        assert has is (states[router.name] is State.CHANGED), (router, states[router.name])

    assert code == ExitCode.SOME_FAILED  # the full flash; what is not reached alone would be 5
    end = events[-1]
    assert end["exit_code"] == code
    assert end["counts"] == Counter(str(state) for state in states.values())
    assert _journal(tmp_path, end["run"]) == states
    growth = memory[-1] - memory[len(memory) // 3]
    print(  # noqa: T201 - for pytest -s
        f"{NUMBER} routers, {len(faulty)} faulty; {end['counts']}; {memory[-1]} kB, {growth:+}"
    )
    assert growth < MOST_GROWTH


def _bad(results: list[dict[str, Any]], known: Mapping[str, Fault]) -> list[Any]:
    done = {str(State.CHANGED)}
    return [e for e in results if e["host"] not in known and e["state"] not in done][:3]


def _journal(folder: Path, run: str) -> dict[str, State]:
    command = [sys.executable, "-m", "compiler", "history", "--run", run, "--output", "json"]
    package = str(Path(__file__).parents[2])
    text = subprocess.run(
        command,
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": package},
    ).stdout
    return {each["host"]: State(each["state"]) for each in json.loads(text)["runs"][0]["routers"]}
