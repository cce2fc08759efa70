"""The nvram switches of FreshTomato and what they do. Sources are in README.md.

``ipsec_pass`` has the name of DD-WRT's key and another meaning: it lets IPsec in from the WAN and
says nothing of what goes out.
"""

from __future__ import annotations

from compiler.model.protocol import ESP, GRE, UDP
from compiler.model.target import Capabilities
from compiler.toggles.family import IPV6, Example, Family, HelperFact, Loading, Match, Toggle, Value
from compiler.toggles.nvram import nvram_facts
from compiler.toggles.nvramscript import scripted_form
from compiler.toggles.script import Place

SCRIPT_FIRE = Place("script_fire")

_FORWARD = "FreshTomato-Project/freshtomato-arm release/src-rt-6.x.4708/router/rc/firewall.c"
_HELPER = "the Tomato family's rc/misc.c and shared/misc.c: only the text 0 unloads"
#: IPv6 alone: over IPv4 the rules accept what no port forwarding brings, so nothing gets in.
_INBOUND = (Match(ESP, families=IPV6), Match.port(UDP, 500, IPV6))

FRESHTOMATO = Family(
    name="freshtomato",
    summary="FreshTomato: PPTP helper, inbound IPsec, and rules through script_fire",
    toggles=(
        Toggle(
            "nf_pptp",
            "PPTP helper",
            (
                Value("1", helpers=(("pptp", Loading.LOADED),)),
                Value("0", helpers=(("pptp", Loading.ABSENT),)),
            ),
            default="1",
            unset="1",
            other="1",
            source=_HELPER,
        ),
        Toggle(
            "ipsec_pass",
            "IPsec from the WAN: 0 off, 1 both families, 2 IPv6, 3 IPv4",
            (
                Value("1", opens=_INBOUND),
                Value("0"),
                Value("2", opens=_INBOUND),
                Value("3"),
            ),
            default="1",
            unset="0",
            other="0",
            source=_FORWARD,
        ),
    ),
    helpers=(HelperFact("pptp", (Match(GRE),), _HELPER),),
    examples=(Example(facts={"kernel": "2.6.36.4brcmarm"}),),
    form=scripted_form(
        SCRIPT_FIRE,
        restart="{ service ctnf restart && service firewall restart; }",
        facts=nvram_facts("os_version"),
        boot="script_init",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="ssh",
        rolls_back="sets the former values again",
        helper="own switch (nf_pptp); assigned by itself only before Linux 4.7",
        ipv6="ipsec_pass opens the way in; script_fire can block",
        running_tunnels="script_fire cuts them",
        own_vpn="not touched; the script also drops what LAN hosts send into its tunnels",
    ),
)
