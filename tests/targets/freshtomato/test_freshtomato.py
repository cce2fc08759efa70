"""FreshTomato: a helper, and an IPsec switch that speaks of what comes in."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from compiler.errors import NativeError
from compiler.model.effect import Direction, HelperState, Probe, Verdict
from compiler.model.intent import Exposure, Intent
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from targets.freshtomato import TARGET
from tests.model.flows import ORIGIN
from tests.toggles.intents import FLOWS, block, device, let, probe

ROUTER = device("freshtomato", {"ipv6": True, "kernel": "2.6.36.4brcmarm"})
SCRIPTS = device("freshtomato", {"ipv6": True}, scripts=True)
PASS, DROP = Verdict.PASS, Verdict.DROP

#: The values of ipsec_pass, unset and strange ones too: the IPv6 flows that come in.
INBOUND = {
    "0": set[str](),
    "1": {"ipsec.ike", "ipsec.esp"},
    "2": {"ipsec.ike", "ipsec.esp"},
    "3": set[str](),
    "": set[str](),
    "4": set[str](),
}


@pytest.mark.parametrize("value", INBOUND)
def test_ipsec_pass_lets_in_and_says_nothing_of_what_goes_out(value: str) -> None:
    settings = TARGET.parse(f"nf_pptp=1\nipsec_pass={value}\n", ROUTER)
    for flow in FLOWS["ipsec"] + FLOWS["l2tp"]:
        port = flow.ports[0].first if flow.ports else 0
        for family in Family:
            asked = [
                Probe(flow, family, "wan", "lan", port, direction=Direction.IN),
                probe(flow, family),
            ]
            inbound, outbound = TARGET.effects(settings, ROUTER, asked)
            opened = family is Family.IPV6 and flow.id in INBOUND[value]
            assert inbound.verdict is (PASS if opened else DROP), (flow.id, family)
            assert outbound.verdict is PASS


@pytest.mark.parametrize(("value", "loaded"), [("1", 1), ("0", 0), ("", 1), ("2", 1)])
def test_nf_pptp_is_the_helper(value: str, loaded: int) -> None:
    settings = TARGET.parse(f"nf_pptp={value}\nipsec_pass=1\n", ROUTER)
    (effect,) = TARGET.effects(settings, ROUTER, [probe(FLOWS["pptp"][1])])
    assert effect.verdict is PASS
    assert effect.helper is (HelperState.ASSIGNED if loaded else HelperState.ABSENT)


def test_no_switch_blocks_anything() -> None:
    wanted = block("pptp", "l2tp", "ipsec")
    settings = TARGET.settings(wanted, ROUTER)
    assert settings.toggles.as_dict() == {}
    found = compare(wanted, TARGET.effects(settings, ROUTER, probes(wanted, ROUTER)))
    assert {d.code.name for d in found} == {"D501"}


def test_pass_needs_the_helper_alone() -> None:
    settings = TARGET.settings(let("pptp", "ipsec"), ROUTER)
    assert settings.toggles.as_dict() == {"nf_pptp": "1"}
    found = compare(let("pptp"), TARGET.effects(settings, ROUTER, probes(let("pptp"), ROUTER)))
    assert found == ()


def test_script_fire_blocks() -> None:
    wanted = block("pptp", "l2tp", "ipsec", "wireguard")
    settings = TARGET.settings(wanted, SCRIPTS)
    assert compare(wanted, TARGET.effects(settings, SCRIPTS, probes(wanted, SCRIPTS))) == ()
    text = "nf_pptp=1\nipsec_pass=1\n@script_fire\nlogger started\n"
    merged = TARGET.merge(settings, text, SCRIPTS)
    assert TARGET.parse(merged, SCRIPTS).rules == settings.rules
    assert merged.endswith("# <<< passthru\nlogger started\n")


def test_an_exposure_over_ipv6_needs_the_way_in() -> None:
    server = Exposure("ipsec", ip_address("2001:db8:1::9"), FLOWS["ipsec"][:1], ORIGIN)
    wanted = Intent("r1", exposures=(server,))
    settings = TARGET.settings(wanted, ROUTER)
    assert settings.toggles.as_dict() == {"ipsec_pass": "1"}
    assert compare(wanted, TARGET.effects(settings, ROUTER, probes(wanted, ROUTER))) == ()


@pytest.mark.parametrize("text", ["", "pptp_pass=1\n", "nf_pptp=1\nipsec", "ipsec_pass=1\n$ \n"])
def test_listings_that_are_refused(text: str) -> None:
    with pytest.raises(NativeError):
        TARGET.parse(text, ROUTER)
