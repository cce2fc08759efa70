"""The match u32: what iptables takes, and each expression against what the kernel counts."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from compiler.evaluate import Ruleset, Verdict, load_iptables
from compiler.evaluate.iptables import u32
from compiler.prove.lab.network import Lab
from tests.evaluate.court import Clerk, Trial

_HEAD = "*mangle\n:FORWARD ACCEPT [0:0]\n"
_RULE = "-A FORWARD -m u32"
_COUNTED = re.compile(rf"^\[(\d+):\d+\] {_RULE}", re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    ["0==1", "0=1,", "0>>32=1", "0=4294967296", "-4=1", "0", "", "&&0=1", "0=1:2:3", "0@=1",
     "&&".join(["0=1"] * 11), "0" + "&1" * 10 + "=1", "0=" + ",".join("1" * 11)],
)  # fmt: skip
def test_what_iptables_or_the_kernel_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        u32.parse(text)


def test_numbers_spaces_and_limits_are_those_of_iptables() -> None:
    (check,) = u32.parse("010 & 0xFF >>\t2 = 1 : 0X5,9")
    assert (check.offset, check.operations) == (8, (("&", 255), (">>", 2)))
    assert [(span.low, span.high) for span in check.ranges] == [(1, 5), (9, 9)]
    assert len(u32.parse("&&".join(["0&1&1&1&1&1&1&1&1&1=1,2,3,4,5,6,7,8,9,10"] * 10))) == 10


def _expression(rng: random.Random, family: str) -> str:
    """Ask for a few bits at the end, so that about half of the packets have them."""
    found = "&&".join(_check(rng, family) for _ in range(rng.choice((1, 1, 2))))
    try:
        u32.parse(found)
    except ValueError:  # too many operators
        return _expression(rng, family)
    return found


def _check(rng: random.Random, family: str) -> str:
    place = str(rng.choice((0, 4, 6, 9, 12, 16, 24, 40, 48, 56, 64)))
    if family == "ip" and rng.random() < 0.4:
        place = f"0>>22&0x3C@{rng.choice((0, 4, 8, 9, 12, 20, 24, 36, 44))}"
    if rng.random() < 0.4:  # what is read says where to read next
        place += rng.choice((">>24&0x1F", "&0x3F", "<<3&0x18", "&3<<2"))
        place += f"@{rng.choice((0, 1, 20, 40))}"
    for _ in range(rng.choice((0, 0, 1, 2))):
        place += rng.choice((">>3", "<<5", "&0xFFFF0F0F", "<<31", ">>31", "&0x7FFFFFFF"))
    ends = ("&0x3=0:1", "&0x10=0", ">>12&0x6=2,4", "=0:0x7FFFFFFF", ">>24&7=0,3:5", "=0")
    return place + rng.choice(ends)


@pytest.mark.kernel
def test_every_expression_and_the_kernel_agree(lab: Lab) -> None:
    if shutil.which("iptables-legacy-restore") is None:
        pytest.skip("iptables-legacy-restore is not installed")
    rng = random.Random(3)  # noqa: S311 - rules and packets for a test
    tools = {"ip": "iptables-legacy", "ip6": "ip6tables-legacy"}
    single = {family: list(_loaded(lab, rng, family, tool)) for family, tool in tools.items()}
    seen = {True: 0, False: 0, None: 0}
    for trial in Clerk(lab, rng).trials(40):
        family = trial.packet.family
        counted = _counted(lab, trial, tools[family])
        for (rule, ruleset), matched in zip(single[family], counted, strict=True):
            # behind the routing decision, which has counted the TTL down
            found = ruleset.forward(replace(trial.packet, ttl=None))
            seen[None if found.verdict is Verdict.UNKNOWN else matched] += 1
            wanted = Verdict.DROP if matched else Verdict.PASS
            assert wanted in found.possible, f"{rule}\n{trial.packet}\n{matched=}"
    for tool in tools.values():
        lab.router.run(f"{tool}-restore", text=_HEAD + "COMMIT\n")
    assert min(seen[True], seen[False]) > 500, seen
    assert seen[None] < 500, seen


def _loaded(lab: Lab, rng: random.Random, family: str, tool: str) -> Iterator[tuple[str, Ruleset]]:
    """Load many rules at once, and give each as the kernel lists it, to be asked alone."""
    signs = [rng.choice(("", "! ")) for _ in range(60)]
    rules = [f'{_RULE} {sign}--u32 "{_expression(rng, family)}"\n' for sign in signs]
    lab.router.run(f"{tool}-restore", text=_HEAD + "".join(rules) + "COMMIT\n")
    for line in lab.router.run(f"{tool}-save", "-t", "mangle").splitlines():
        if line.startswith(_RULE):
            text = f"{_HEAD}{line} -j DROP\nCOMMIT\n"
            yield line, load_iptables(text, text)


def _counted(lab: Lab, trial: Trial, tool: str) -> list[bool]:
    """Send a packet alone, and say which rules have matched it."""
    lab.router.run(tool, "-t", "mangle", "-Z")
    lab.deliver([(trial.sender, trial.sent)])
    listed = lab.router.run(f"{tool}-save", "-c", "-t", "mangle")
    return [number != "0" for number in _COUNTED.findall(listed)]
