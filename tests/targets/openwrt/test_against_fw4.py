"""Our reading of fw4 against fw4 itself, where PASSTHRU_FW4_JUDGE names a program that runs it.

Both rulesets are loaded into a kernel, listed, and asked about the same packets.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.evaluate import Packet, Ruleset, Verdict, load_nft
from compiler.evaluate.names import LAYER4
from compiler.model.intent import Intent
from targets.openwrt import TARGET, uci
from targets.openwrt.fw4.load import Firewall, load
from targets.openwrt.model import base
from targets.openwrt.networks import Net, Networks
from targets.openwrt.render import block
from targets.openwrt.settings import Settings
from tests.targets.openwrt.defaults import CONFIGS
from tests.targets.openwrt.foreign import firewalls
from tests.targets.openwrt.support import MODULES, device, intents

JUDGE = os.environ.get("PASSTHRU_FW4_JUDGE", "")
pytestmark = [pytest.mark.judge, pytest.mark.kernel]
#: What the program tells fw4 of the router's networks.
NETWORKS = Networks(
    {
        "loopback": Net("lo", (ip_network("127.0.0.0/8"),)),
        "lan": Net(
            "br-lan",
            (
                ip_network("192.168.1.0/24"),
                ip_network("fd00:1::/64"),
                ip_network("2001:db8:1::/64"),
            ),
        ),
        "guest": Net("br-guest", (ip_network("192.168.3.0/24"),)),
        "wan": Net("eth1", (ip_network("203.0.113.0/24"),)),
        "wan6": Net("eth1", (ip_network("2001:db8:ffff::/64"),)),
        "wan2": Net("eth2", (ip_network("198.51.100.0/24"),)),
    },
    complete=True,
)
_HERE = frozenset({"nf_conntrack_pptp"})
_DEVICES = ("br-lan", "br-guest", "eth1", "eth2", "tun0", "eth9")
_V4 = ("192.168.1.50", "192.168.3.9", "8.8.8.8", "203.0.113.9", "10.0.0.5")
_V6 = ("2001:db8:1::50", "fd00:1::9", "2001:db8:77::77", "2620:fe::9")
_PORTS = (500, 4500, 1723, 1194, 443, 1500, 22)
_PORTLESS = ("gre", "esp", "ah", "l2tp", "icmp", "sctp", "udplite")
#: fw4's own include of files that are not in the config, which nft would look for.
_LEFT_OUT = re.compile(r'^\s*include ".*"$', re.MULTILINE)


def listed(text: str) -> Ruleset | None:
    """Load a ruleset into a kernel and read it back; nothing where nft refuses it."""
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", "nft -f - && nft -j list ruleset"],
        input=_LEFT_OUT.sub("", text),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return load_nft(done.stdout) if done.returncode == 0 else None


def real(path: Path) -> Ruleset | None:
    """Give what fw4 makes of a config; nothing where it ends with an error or nft refuses it."""
    done = subprocess.run(
        [JUDGE, path, "--ipv6"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (0, 11, 12, 13), done.stderr
    return listed(done.stdout) if done.returncode in (0, 11) else None


def packets(seed: int, count: int) -> Iterator[Packet]:
    rng = random.Random(seed)  # noqa: S311 - packets for a test
    for _ in range(count):
        source, destination = rng.choices(rng.choice((_V4, _V4, _V6)), k=2)
        iif, oif = rng.sample(_DEVICES, 2)
        layer4 = rng.choice((6, 17, 6, 17, *(LAYER4[name] for name in _PORTLESS)))
        ported = layer4 in (6, 17)
        yield Packet(
            ip_address(source),
            ip_address(destination),
            layer4,
            iif,
            oif,
            rng.choice((40000, 500)) if ported else 0,
            rng.choice(_PORTS) if ported else 0,
            b"\xff" * 64,
            state=rng.choice(("new", "new", "new", "established", "invalid")),
        )


def ours(text: str) -> Firewall:
    return load(uci.read(text, "firewall"), NETWORKS, _HERE)


def differences(theirs: Ruleset, mine: Ruleset, count: int) -> tuple[list[str], int]:
    """Say where two rulesets differ, and how often ours knows."""
    found, certain = [], 0
    for packet in packets(1, count):
        expected, got = theirs.forward(packet), mine.forward(packet)
        if Verdict.UNKNOWN in (expected.verdict, got.verdict):
            continue
        certain += 1
        helper = got.helper != expected.helper and not got.uncertain | expected.uncertain
        if got.verdict is not expected.verdict or helper:
            found.append(f"{packet}: fw4 {expected.because}, ours {got.because}")
    return found, certain


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(firewalls())
def test_random_configs(tmp_path: Path, text: str) -> None:
    """1. fw4 renders, nft loads; 2. so do we, or we say that nobody can; 3. packets agree."""
    config = tmp_path / "firewall"
    config.write_text(text)
    theirs, mine = real(config), ours(text)
    if mine.ruleset is None:
        return
    assert theirs is not None, f"nft refuses what fw4 makes of this:\n{text}"
    found, _ = differences(theirs, load_nft(mine.ruleset.listing()), 80)
    assert not found, f"{found[0]}\n{text}"


@pytest.mark.parametrize("release", CONFIGS)
def test_defaults(tmp_path: Path, release: str) -> None:
    config = tmp_path / "firewall"
    config.write_text(CONFIGS[release])
    theirs, mine = real(config), ours(CONFIGS[release])
    assert theirs is not None
    assert mine.ruleset is not None
    found, certain = differences(theirs, load_nft(mine.ruleset.listing()), 400)
    assert not found
    assert certain > 300


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(intents())
def test_the_printed_model_of_our_settings(tmp_path: Path, wanted: Intent) -> None:
    """The text for proofs, loaded into a kernel, does what fw4's does."""
    router = device(modules=MODULES)
    wanted_settings = TARGET.settings(wanted, router)
    config = tmp_path / "firewall"
    config.write_text(block(Settings(tuple(base(router)))) + block(wanted_settings))
    theirs, mine = real(config), listed(TARGET.data_path(wanted_settings, router).nft)
    assert theirs is not None
    assert mine is not None
    found, certain = differences(theirs, mine, 80)
    assert not found
    assert certain > 40
