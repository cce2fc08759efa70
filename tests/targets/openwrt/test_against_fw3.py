"""Our reading of fw3 against fw3 itself: the program ``fw3judge`` beside PASSTHRU_FW4_JUDGE."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.evaluate import Ruleset, load_iptables, load_nft
from targets.openwrt import uci
from targets.openwrt.fw3.load import load
from tests.targets.openwrt.foreign import firewalls
from tests.targets.openwrt.test_against_fw4 import JUDGE, NETWORKS, differences

pytestmark = pytest.mark.judge
_FW3 = os.path.join(os.path.dirname(JUDGE), "fw3judge")  # noqa: PTH118, PTH120 - may be empty
_HERE = frozenset({"nf_conntrack_pptp"})
_CHAINS = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
}


def saved(commands: list[str]) -> str:
    """Run the commands that fw3 prints in mind, and write what iptables-save would print."""
    policies = {table: dict.fromkeys(chains, "ACCEPT") for table, chains in _CHAINS.items()}
    rules: dict[str, list[str]] = {table: [] for table in _CHAINS}
    for command in commands:
        _, _, table, action, chain, *rest = command.split(None, 5)
        line = f"-A {chain} {''.join(rest)}"
        if action == "-P":
            policies[table][chain] = rest[0]
        elif action == "-N":
            policies[table][chain] = "-"
        elif action == "-D" and line in rules[table]:
            rules[table].remove(line)
        elif action == "-A":
            rules[table].append(line)
    return "\n".join(_listed(policies, rules)) + "\n"


def _listed(policies: dict[str, dict[str, str]], rules: dict[str, list[str]]) -> Iterator[str]:
    for table, chains in policies.items():
        yield f"*{table}"
        yield from (f":{chain} {policy} [0:0]" for chain, policy in chains.items())
        yield from rules[table]
        yield "COMMIT"


def real(path: Path) -> Ruleset | None:
    done = subprocess.run(
        [_FW3, path, "--ipv6"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode not in (0, 11):
        return None
    lines = done.stdout.splitlines()
    v4 = [line for line in lines if line.startswith("iptables ")]
    v6 = [line for line in lines if line.startswith("ip6tables ")]
    return load_iptables(saved(v4), saved(v6))


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(firewalls())
def test_random_configs(tmp_path: Path, text: str) -> None:
    config = tmp_path / "firewall"
    config.write_text(text)
    theirs, mine = real(config), load(uci.read(text, "firewall"), NETWORKS, _HERE)
    if theirs is None or mine.ruleset is None:
        return
    found, _ = differences(theirs, load_nft(mine.ruleset.listing()), 80)
    assert not found, f"{found[0]}\n{text}"
