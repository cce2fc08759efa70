"""D-Link firmware with HNAP: the object of SetFirewallSettings, ``true`` or ``false``.

There is no L2TP in it. A field that a write leaves out is stored as off.
"""

from __future__ import annotations

from compiler.model.target import Capabilities
from compiler.toggles.document import DocumentForm, Request, XmlAnswer
from compiler.toggles.family import Family
from targets.dlink.facts import IPSEC, PPTP, helper, switch

_NAMESPACE = "http://purenetworks.com/HNAP1/"
_SOURCE = (
    "SetFirewallSettings and GetFirewallSettings of such firmware (they set and read "
    "/device/passthrough) and its IPTLAN script (the drops in the chain FWD.LAN-n)"
)


def _request(action: str) -> Request:
    return Request(
        "/HNAP1/",
        "soap",
        inside=(action,),
        headers=(("SOAPAction", f'"{_NAMESPACE}{action}"'),),
        namespace=_NAMESPACE,
    )


HNAP = Family(
    name="dlink",
    flavour="hnap",
    summary="D-Link routers: the HNAP firewall object (or rgdb and xmldb nodes, by hand)",
    toggles=(
        switch("ALGPPTP", "PPTP ALG", ("true", "false"), PPTP, _SOURCE),
        switch("ALGIPSec", "IPsec ALG", ("true", "false"), IPSEC, _SOURCE),
    ),
    carried=("SPIIPv4", "AntiSpoof", "ALGRTSP", "ALGSIP"),
    field_values=("true", "false"),
    helpers=(helper(),),
    form=DocumentForm(
        read_request=_request("GetFirewallSettings"),
        write_request=_request("SetFirewallSettings"),
        answered=XmlAnswer("GetFirewallSettingsResponse", ("GetFirewallSettingsResult", "OK")),
        login="hnap",
        sender="logs in over HNAP, adds the header HNAP_AUTH and the session cookie, and sends "
        "the body as SOAP (the text beside this document, where it is complete)",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="HTTP through an SSH host",
        rolls_back="writes the old object again; no dead-man",
        helper="no switch of its own; its state is unknown",
        ipv6="not covered",
        running_tunnels="survive a block, as far as is known",
    ),
)
