"""Our reading of fw3 against fw3 itself: the program ``fw3judge`` beside PASSTHRU_FW4_JUDGE."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, reject, settings
from hypothesis import strategies as st

from compiler.errors import TargetError
from compiler.evaluate import Ruleset, Verdict, load_iptables, load_nft
from compiler.model.protocol import Family
from targets.openwrt import TARGET, uci
from targets.openwrt.fw3.load import load
from targets.openwrt.model import base
from targets.openwrt.render import block
from targets.openwrt.settings import Settings
from tests.conformance.passthru_conformance.situations import Situation
from tests.conformance.passthru_conformance.strategies import situations
from tests.targets.openwrt.foreign import firewalls
from tests.targets.openwrt.test_against_fw4 import JUDGE, NETWORKS, differences, listed
from tests.targets.openwrt.test_signatures import (
    APART_FW3,
    DETECTED,
    FW3,
    ZONES,
    resolved,
    with_signatures,
)
from tests.targets.openwrt.test_u32 import commands

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


def printed(path: Path, *, warned: bool = True) -> tuple[str, str] | None:
    """Give what iptables-save and ip6tables-save would print once fw3 has loaded a config."""
    done = subprocess.run(
        [_FW3, path, "--ipv6"], capture_output=True, text=True, timeout=60, check=False
    )
    assert warned or done.returncode == 0, f"{done.stderr}\n{path.read_text()}"
    if done.returncode not in (0, 11):
        return None
    lines = done.stdout.splitlines()
    v4 = [line for line in lines if line.startswith("iptables ")]
    v6 = [line for line in lines if line.startswith("ip6tables ")]
    return saved(v4), saved(v6)


def real(path: Path) -> Ruleset | None:
    found = printed(path)
    return load_iptables(*found) if found else None


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


MANY = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "fd00:1::/64"]},
    "guest": {"devices": ["br-guest", "wlan1"], "networks": ["192.168.3.0/24"]},
    "wan": {"devices": ["eth1"]},
    "wan2": {"devices": ["eth2"]},
}


def normal(line: str) -> list[str]:
    """Give a rule's words, whatever its comment, its spelling of numbers, and quotation marks."""
    bare = re.sub(r' -m comment --comment "[^"]*"', "", line).replace('"', "")
    return re.sub(r"\b(0x)?([0-9a-fA-F]+)\b", _decimal, bare).split()


def _decimal(number: re.Match[str]) -> str:
    try:
        return str(int(number[0], 0))
    except ValueError:
        return number[0]


@pytest.mark.kernel
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(situations(FW3, ZONES) | situations(FW3, MANY), st.integers(0, 99))
@example(APART_FW3, 1)
@example(resolved(DETECTED, FW3), 2)
def test_the_real_fw3_makes_of_ours_what_we_think(
    tmp_path: Path, found: Situation, seed: int
) -> None:
    """1. no warning, iptables-restore takes it, every name is there; 2. packets agree."""
    try:
        ours = TARGET.settings(found.intent, found.device)
    except TargetError:
        reject()
    config = tmp_path / "firewall"
    config.write_text(block(Settings(tuple(base(found.device)))) + block(ours))
    texts = printed(config, warned=False)
    assert texts is not None
    for text, tool, family in zip(texts, ("iptables", "ip6tables"), Family, strict=True):
        command = ["unshare", "-n", f"{tool}-legacy-restore", "--test"]
        subprocess.run(command, input=text, text=True, timeout=60, check=True)
        wanted = [normal(line) for line in commands(list(ours.sections), family)]
        marking = [line for line in text.splitlines() if "-A FORWARD" in line and "-j MARK" in line]
        assert [normal(line) for line in marking] == wanted
    names = {s.text("name") for s in ours.sections if s.type != "redirect"} - {""}
    for name in names:
        assert f'"!fw3: {name}"' in "".join(texts), name
    theirs, mine = load_iptables(*texts), listed(TARGET.data_path(ours, found.device).nft)
    assert mine is not None
    wrong, certain = differences(theirs, mine, 80)
    assert not wrong, wrong[0]
    assert certain > 40
    rng = random.Random(seed)  # noqa: S311 - packets for a test
    for packet in with_signatures(found.intent, rng):
        expected, got = theirs.forward(packet), mine.forward(packet)
        assert Verdict.UNKNOWN not in (expected.verdict, got.verdict)
        assert got.verdict is expected.verdict, f"{packet}: {expected.because} {got.because}"
