"""D-Link firmware by its nodes: rgdb (older) and xmldb (later), set by hand.

How the nodes are read and written from outside is not known for sure, so a person does it on the
router's page; the nodes are what a listing names.
"""

from __future__ import annotations

from compiler.model.protocol import AH, ESP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.byhand import ByHand
from compiler.toggles.family import Example, FactSpec, Family, Gate, Match, Toggle, Value
from targets.dlink.facts import IPSEC, PPTP, helper, switch

_WORDS = ("1", "0")
_RGDB = (
    "flush_passthrough.php (the rules of the chain FOR_VPN) and flush_main.php (when FORWARD "
    "enters it) of rgdb firmware"
)
_XMLDB = "the IPTLAN script of xmldb firmware (the drops in the chain FWD.LAN-n)"
_CAPABILITIES = Capabilities(
    reads=True,
    writes=False,
    pushes="instructions for a person",
    rolls_back="by hand",
    helper="no switch of its own; its state is unknown",
    ipv6="not covered",
    running_tunnels="survive a block, as far as is known",
)

RGDB = Family(
    name="dlink",
    flavour="rgdb",
    summary="D-Link routers with rgdb: nodes below /nat/passthrough, by hand",
    toggles=(
        switch("/nat/passthrough/pptp", "PPTP passthrough", _WORDS, PPTP, _RGDB),
        Toggle(
            "/nat/passthrough/ipsec",
            "IPsec passthrough",
            (
                Value("1"),
                Value(
                    "0",
                    drops=(Match.port(UDP, 500), Match(AH), Match(ESP)),
                    builds=(("drops_natt", (Match.port(UDP, 4500),)),),
                ),
            ),
            default="1",
            source=_RGDB,
            unsure_because="older builds have no rule for NAT-T (the fact drops_natt tells)",
        ),
        Toggle(
            "/nat/passthrough/l2tp",
            "L2TP passthrough",
            (Value("1"), Value("0", drops=(Match.port(UDP, 500), Match.port(UDP, 1701)))),
            default="1",
            source=_RGDB,
            # Builds were read that enter the chain only if one of the other two is off.
            gate=Gate(
                (("/nat/passthrough/pptp", "0"), ("/nat/passthrough/ipsec", "0")), shut=False
            ),
        ),
    ),
    helpers=(helper(),),
    examples=(Example("", {"drops_natt": True}), Example("old", {"drops_natt": False})),
    facts=(
        FactSpec(
            "drops_natt",
            "rgdb: whether flush_passthrough.php has a rule for udp/4500 (newer builds do)",
            bool,
        ),
    ),
    form=ByHand(
        "Open the router's page Advanced, Firewall settings (or Advanced Network).",
        "Save. The router then applies it by itself (submit RG_MISC).",
    ),
    capabilities=_CAPABILITIES,
)

XMLDB = Family(
    name="dlink",
    flavour="xmldb",
    summary="D-Link routers with xmldb: nodes below /device/passthrough, by hand",
    toggles=(
        switch("/device/passthrough/pptp", "PPTP ALG", _WORDS, PPTP, _XMLDB),
        switch("/device/passthrough/ipsec", "IPsec ALG", _WORDS, IPSEC, _XMLDB),
    ),
    helpers=(helper(),),
    form=ByHand(
        "Open the router's page Advanced, Firewall settings, Application Level Gateway (ALG).",
        "Save. The router then applies it by itself.",
    ),
    capabilities=_CAPABILITIES,
)
