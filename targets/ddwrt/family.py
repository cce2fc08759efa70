"""The nvram switches of DD-WRT and what they do. Sources are in README.md."""

from __future__ import annotations

from compiler.model.protocol import GRE, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.family import (
    Example,
    FactSpec,
    Family,
    Gate,
    HelperFact,
    Loading,
    Match,
    Toggle,
    Value,
)
from compiler.toggles.nvram import nvram_facts
from compiler.toggles.nvramscript import scripted_form
from compiler.toggles.script import Place

RC_FIREWALL = Place("rc_firewall")

_FILTER = (
    "mirror/dd-wrt src/router/services/networking/generic/firewall.c: drops for 0, "
    "inside a test that nvram filter is not off"
)
_MODULES = "mirror/dd-wrt, start_vpn_modules: pptp_pass=1 loads nf_conntrack_pptp and nf_nat_pptp"
#: The code asks whether filter is ``off``; everything else leaves the firewall on.
_FIREWALL_ON = Gate((("filter", "on"),))


def _switch(key: str, title: str, dropped: Match, helper: str = "") -> Toggle:
    loads = ((helper, Loading.LOADED),) if helper else ()
    unloads = ((helper, Loading.ABSENT),) if helper else ()
    return Toggle(
        key,
        title,
        (Value("1", helpers=loads), Value("0", drops=(dropped,), helpers=unloads)),
        default="1",
        source=_FILTER,
        gate=_FIREWALL_ON,
    )


DDWRT = Family(
    name="ddwrt",
    summary="DD-WRT: nvram pass-through keys, and rules through rc_firewall",
    toggles=(
        _switch("pptp_pass", "PPTP passthrough", Match.port(TCP, 1723), "pptp"),
        _switch("l2tp_pass", "L2TP passthrough", Match.port(UDP, 1701)),
        _switch("ipsec_pass", "IPsec passthrough", Match.port(UDP, 500)),
        Toggle(
            "filter",
            "SPI firewall",
            (Value("on"), Value("off")),
            default="on",
            unset="on",
            other="on",
            source=_FILTER,
        ),
    ),
    helpers=(HelperFact("pptp", (Match(GRE),), _MODULES),),
    facts=(
        FactSpec(
            "covers_bridges",
            "whether the blocks hold for further bridges (br1 ...) too: newer builds write the "
            "rules for those bridges after the blocks, older ones before them",
            bool,
        ),
    ),
    beyond_main="covers_bridges",
    examples=(Example(facts={"kernel": "3.18.1"}),),
    form=scripted_form(
        RC_FIREWALL,
        restart="{ stopservice firewall; startservice firewall; }",
        facts=nvram_facts("DD_BOARD"),
        boot="rc_startup",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="ssh",
        rolls_back="sets the former values again",
        helper="loaded with pptp_pass=1; assigned by itself only before Linux 4.7",
        ipv6="not covered by the switches; rc_firewall can block",
        running_tunnels="survive a block by a switch; rc_firewall cuts them",
        own_vpn="not touched; the script also drops what LAN hosts send into its tunnels",
    ),
)
