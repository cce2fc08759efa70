"""Linksys WRT54G and kin (CyberTAN firmware): nvram switches, set on the router's own page.

The drops stand before established traffic is accepted, so a block cuts running tunnels. Sources
and doubts are in README.md.
"""

from __future__ import annotations

from compiler.model.protocol import AH, ESP, GRE, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.byhand import ByHand
from compiler.toggles.family import (
    Example,
    FactSpec,
    Family,
    Gate,
    HelperFact,
    Match,
    Toggle,
    Value,
)

_SOURCE = "GPL releases of such firmware, router/rc/firewall.c: only the text 0 makes rules"
#: Older builds make no rules at all without the firewall; newer ones make these in any case.
_FIREWALL_ON = Gate((("filter", "on"),), shut=False)


def _switch(key: str, title: str, off: Value, because: str = "") -> Toggle:
    return Toggle(
        key,
        title,
        (Value("1"), off),
        default="1",
        unset="1",
        source=_SOURCE,
        unsure_because=because,
        gate=_FIREWALL_ON,
    )


CLASSIC = Family(
    name="linksys",
    flavour="classic",
    summary="Linksys WRT54G and kin: nvram switches, by hand",
    toggles=(
        _switch("ipsec_pass", "IPSec Passthrough",
            Value(
                "0",
                drops=(Match.port(UDP, 500),),
                builds=(("drops_esp", (Match(ESP), Match(AH))),),
            ),
            "early builds have no rule for ESP and AH (the fact drops_esp tells)",
        ),
        _switch("pptp_pass", "PPTP Passthrough", Value("0", drops=(Match.port(TCP, 1723),))),
        _switch("l2tp_pass", "L2TP Passthrough", Value("0", drops=(Match.port(UDP, 1701),))),
        Toggle(
            "filter",
            "Firewall Protection",
            (Value("on"), Value("off")),
            default="on",
            source=_SOURCE,
        ),
    ),
    cuts_running=True,
    helpers=(HelperFact("pptp", (Match(GRE),), "not read in any source of this firmware"),),
    facts=(
        FactSpec(
            "drops_esp",
            "classic: whether ipsec_pass=0 also drops ESP and AH (builds since about 2005 do)",
            bool,
        ),
    ),
    examples=(Example("", {"drops_esp": True}), Example("old", {"drops_esp": False})),
    form=ByHand(
        "Open the router's page Security, VPN Passthrough (and Firewall for its protection).",
        "Save Settings. The router restarts its firewall.",
        words={"1": "Enable", "0": "Disable", "on": "Enable", "off": "Disable"},
    ),
    capabilities=Capabilities(
        reads=True,
        writes=False,
        pushes="instructions for a person",
        rolls_back="by hand",
        helper="no switch of its own; its state is unknown",
        ipv6="not covered",
        running_tunnels="cut by a block",
    ),
)  # fmt: skip
