"""Foreign configs under fw3 (19.07, 21.02): the defaults, and where it differs from fw4."""

from __future__ import annotations

import pytest

from compiler.model.device import Fact
from compiler.model.effect import HelperState, Verdict
from compiler.model.protocol import Family
from tests.targets.openwrt.defaults import CONFIGS
from tests.targets.openwrt.test_survey import FLOWS, block, effect, known, rule, survey

RELEASES = ("19.07", "21.02")
USER: list[Fact] = ["/etc/firewall.user"]
OLD = CONFIGS["21.02"]


def verdict(text: str, flow: str, family: Family = Family.IPV4) -> Verdict:
    router = known(release="21.02", harmless_includes=USER)
    return effect(survey(text, router), flow, family).verdict


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_user_file_holds_is_not_known(release: str) -> None:
    one = effect(survey(CONFIGS[release], known(release=release)), "ike")
    assert one.verdict is Verdict.UNKNOWN
    assert "/etc/firewall.user" in one.because


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("flow", sorted(FLOWS))
def test_defaults_pass_everything(release: str, flow: str) -> None:
    found = survey(CONFIGS[release], known(release=release, harmless_includes=USER))
    for family in Family:
        if family in FLOWS[flow].families:
            assert effect(found, flow, family).verdict is Verdict.PASS
    assert effect(found, "pptp.control").helper is HelperState.ASSIGNED
    assert effect(found, "ssh", Family.IPV6, ("wan", "lan")).verdict is Verdict.REJECT
    assert effect(found, "ike", Family.IPV6, ("wan", "lan")).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("text", "flow", "expected"),
    [
        (block(proto="udp", dest_port="500"), "ike", "drop"),
        (block(proto="udp", dest_port="500"), "esp", "pass"),
        # negation works here
        (block(proto="!tcp"), "ike", "drop"),
        (block(proto="!tcp"), "ssh", "pass"),
        # no target rejects
        (rule(src="lan", dest="wan", proto="udp"), "ike", "reject"),
        # whatever is not true is false
        (block(proto="udp", enabled="Yes"), "ike", "pass"),
        (block(proto="udp", enabled="on"), "ike", "pass"),
        # two negated addresses are two rules, and one of them always matches
        (block(proto="udp", dest_ip="!9.9.9.9 !1.1.1.1"), "ike", "drop"),
        # a name that is none takes the rule away; one of a protocol is case-sensitive
        (block(proto="UDP"), "ike", "pass"),
        (block(proto="udp", dest_port="isakmp"), "ike", "pass"),
        # names of networks are looked up, and nobody knows the answer
        (block(proto="udp", dest_ip="office"), "ike", "unknown"),
        (block(proto="udp", extra="-m policy --dir out"), "ike", "unknown"),
        (block(proto="gre", dest_port="7"), "pptp.control", "pass"),
        (block(proto="l2tp"), "ike", "pass"),
    ],
)
def test_rules(text: str, flow: str, expected: str) -> None:
    assert verdict(OLD + text, flow) == Verdict(expected)


def test_disable_ipv6_leaves_it_unfiltered() -> None:
    text = OLD.replace("syn_flood\t1", "disable_ipv6\t1") + block(proto="udp")
    assert verdict(text, "ike") is Verdict.DROP
    assert verdict(text, "ike", Family.IPV6) is Verdict.PASS


def test_a_long_zone_name_takes_the_zone_away() -> None:
    text = OLD.replace("name\t\tlan", "name\t\ttwelve_chars")
    found = survey(text, known(release="21.02", harmless_includes=USER))
    assert [zone.name for zone in found.device.zones] == ["wan"]
