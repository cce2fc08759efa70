"""What the firmware writes, held against what effects and audits say of the same settings."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.errors import TargetError
from compiler.evaluate import load_iptables
from compiler.model.device import Device
from compiler.model.effect import Direction, Verdict
from compiler.model.finding import Code
from compiler.model.intent import Action, Intent
from compiler.model.judge import probes
from compiler.vyatta import dialect
from compiler.vyatta.firmware.path import tables
from compiler.vyatta.foreign import ruleset
from compiler.vyatta.read import read
from compiler.vyatta.settings import VyattaSettings, of
from compiler.vyatta.target import VyattaTarget
from compiler.vyatta.tree import tree_of
from tests.targets.modelled import catalogued, disagreements
from tests.targets.openwrt.support import decision, exposure, intent, intents
from tests.vyatta.support import KINDS
from tests.vyatta.whole import config, packets

kinds = pytest.mark.parametrize(("target", "device"), KINDS, ids=["1.4", "1.3", "edge", "attach"])
OLD = (dialect.EDGEOS, dialect.VYOS13)


@kinds
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wanted=intents().map(catalogued))
def test_effects_are_what_the_firmware_does(
    target: VyattaTarget, device: Device, wanted: Intent
) -> None:
    assert [*disagreements(target, device, wanted)] == []


@pytest.mark.parametrize("system", OLD, ids=lambda each: each.name)
def test_audits_read_configs_as_the_firmware_does(system: dialect.Dialect) -> None:
    rng = random.Random(0)  # noqa: S311 - configs for a test
    certain = 0
    for _ in range(30):
        tree = tree_of(config(rng, system))
        written = tables(tree, system)
        theirs, mine = load_iptables(written.iptables, written.ip6tables), ruleset(tree, "")
        for packet in packets(rng, 20):
            expected, got = theirs.forward(packet), mine.forward(packet)
            if Verdict.UNKNOWN not in (expected.verdict, got.verdict):
                assert expected.verdict is got.verdict, (packet, expected.because, got.because)
                certain += 1
    assert certain > 500


@pytest.mark.parametrize(
    "line",
    [
        "set firewall name WAN_OUT rule 1 limit rate 1/minute",
        "set firewall name WAN_OUT rule 1 source mac-address 02:00:00:00:00:01",
        "set firewall name WAN_OUT rule 1 source group network-group GONE",
        "set firewall name WAN_OUT rule 1 state wrong enable",
        "set firewall name WAN_OUT rule 1 destination port 500",
        "set firewall name WAN_OUT rule 1 action queue",
        "set firewall name OTHER default-action queue",
        "set interfaces ethernet eth7 firewall in name GONE",
        "set service nat rule 1 type source",
        "set zone-policy zone lan interface eth1",
        "set firewall ipv4 name X rule 1 action offload",
        "set firewall ipv4 forward filter rule 9 jump-target GONE",
        "set firewall name WAN_OUT rule 1 protocol 'udp -j ACCEPT'",
        "set firewall zone lan interface eth1",
        "set nat source rule 9 translation port 1",
    ],
)
def test_what_is_not_modelled_is_refused(line: str) -> None:
    modern = any(word in line for word in ("ipv4", "firewall zone", "nat source"))
    target, device = KINDS[0 if modern else 2]
    begin = "set firewall ipv4 forward filter rule 9 action jump\n" if "filter" in line else ""
    paths = tuple(command.path for command in read(f"{begin}{line}\n", "x"))
    with pytest.raises(TargetError) as caught:
        target.data_path(VyattaSettings(paths), device)
    assert [finding.code for finding in caught.value.findings] == [Code.T406]


@pytest.mark.parametrize(("target", "device"), KINDS[:3], ids=["1.4", "1.3", "edge"])
def test_a_block_leaves_the_answers_of_an_exposed_server(
    target: VyattaTarget, device: Device
) -> None:
    """GRE has no ports: without a rule for them, answers would fall to the block."""

    def verdicts(ours: VyattaSettings) -> set[Verdict]:
        found = target.effects(ours, device, probes(wanted, device))
        return {one.verdict for one in found if one.probe.direction is Direction.IN}

    wanted = intent(decision("pptp", Action.BLOCK), exposure("pptp", "192.168.1.21"))
    ours = target.settings(wanted, device)
    assert verdicts(ours) == {Verdict.PASS}
    answers = {path[:-2] for path in ours.paths if path[-1].endswith("answers")}
    assert len(answers) == 2
    off = of([*ours.paths, *((*rule, "disable") for rule in answers)], ours.helper)
    assert verdicts(off) == {Verdict.UNKNOWN}
