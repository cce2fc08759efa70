"""Linksys Smart Wi-Fi routers, spoken to in JNAP: nine booleans in one object.

The switches are inverted: ``blockPPTP: true`` blocks. Sources and doubts are in README.md.
"""

from __future__ import annotations

from compiler.model.effect import HelperState
from compiler.model.protocol import AH, BOTH_FAMILIES, ESP, GRE, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.document import DocumentForm, JsonAnswer, Request
from compiler.toggles.family import IPV6, Family, HelperFact, Match, Toggle, Value

_ACTION = "http://linksys.com/jnap/firewall/"
_SOURCE = (
    "linksys/PrivacyGUI and insolite/linksys-jnap (names, polarity, the whole object is set); "
    "rdkcentral/utopia, of the same descent (which packets a block drops)"
)
_UNSURE = "no public source of this firmware says whether it drops this packet"


def _switch(key: str, title: str, drops: tuple[Match, ...], unsure: tuple[Match, ...]) -> Toggle:
    return Toggle(
        key,
        title,
        (Value(native=False), Value(native=True, drops=drops, unsure=unsure)),
        default=False,
        source=_SOURCE,
        unsure_because=_UNSURE,
    )


JNAP = Family(
    name="linksys",
    flavour="jnap",
    summary="Linksys Smart Wi-Fi (EA, WRT AC, Velop): the JNAP firewall object",
    toggles=(
        _switch(
            "blockIPSec",
            "IPsec passthrough, inverted",
            (Match.port(UDP, 500), Match.port(UDP, 4500)),
            (
                Match(ESP, families=BOTH_FAMILIES),
                Match(AH, families=BOTH_FAMILIES),
                Match.port(UDP, 500, IPV6),
                Match.port(UDP, 4500, IPV6),
            ),
        ),
        _switch(
            "blockPPTP",
            "PPTP passthrough, inverted",
            (Match.port(TCP, 1723),),
            (Match(GRE, families=BOTH_FAMILIES), Match.port(TCP, 1723, IPV6)),
        ),
        _switch(
            "blockL2TP",
            "L2TP passthrough, inverted",
            (Match.port(UDP, 1701),),
            (Match.port(UDP, 1701, IPV6),),
        ),
    ),
    carried=(
        "isIPv4FirewallEnabled",
        "isIPv6FirewallEnabled",
        "blockMulticast",
        "blockNATRedirection",
        "blockIDENT",
        "blockAnonymousRequests",
    ),
    field_values=(True, False),
    helpers=(
        HelperFact(
            "pptp",
            (Match(GRE),),
            "JNAP has no action about it; Get/SetALGSettings speak of SIP alone",
            HelperState.UNKNOWN,
        ),
    ),
    form=DocumentForm(
        read_request=Request(
            "/JNAP/", "json", headers=(("X-JNAP-Action", f"{_ACTION}GetFirewallSettings"),)
        ),
        write_request=Request(
            "/JNAP/", "json", headers=(("X-JNAP-Action", f"{_ACTION}SetFirewallSettings"),)
        ),
        answered=JsonAnswer(("output",), ("result", "OK")),
        login="jnap",
        sender="adds the header X-JNAP-Authorization and sends the body as JSON text",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="HTTP through an SSH host",
        rolls_back="writes the old object again; no dead-man",
        helper="no switch; its state is unknown",
        ipv6="unknown",
        running_tunnels="survive a block, as far as is known",
    ),
)
