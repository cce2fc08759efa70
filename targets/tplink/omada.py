"""TP-Link Omada gateways (ER605, ER7206 ...), through the controller: the site's ALG object.

There is no L2TP in it, and nobody has published which packets ``false`` drops. The object is
written whole, without the fields that the controller adds to what it gives out. Sources and doubts
are in README.md.
"""

from __future__ import annotations

from compiler.model.protocol import AH, BOTH_FAMILIES, ESP, GRE, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.document import DocumentForm, JsonAnswer, Request
from compiler.toggles.family import Family, HelperFact, Loading, Match, Toggle, Value

_SOURCE = "wncservices/terraform-provider-omada: the names, the whole object, the verb PUT"
_PATH = "/{omadacId}/api/v2/sites/{site}/setting/transmission/alg"


def _switch(key: str, title: str, unsure: tuple[Match, ...], helper: str = "") -> Toggle:
    return Toggle(
        key,
        title,
        (
            Value(native=True, helpers=((helper, Loading.LOADED),) if helper else ()),
            Value(
                native=False,
                unsure=unsure,
                helpers=((helper, Loading.ABSENT),) if helper else (),
            ),
        ),
        default=True,
        source=_SOURCE,
        unsure_because="no public source of these gateways says which packets it drops",
    )


OMADA = Family(
    name="tplink",
    flavour="omada",
    summary="TP-Link Omada gateways: the ALG object of the site, through the controller",
    toggles=(
        _switch(
            "pptp",
            "PPTP ALG",
            (
                Match.port(TCP, 1723, BOTH_FAMILIES),
                Match(GRE, families=BOTH_FAMILIES),
            ),
            helper="pptp",
        ),
        _switch(
            "ipSec",
            "IPsec ALG",
            (
                Match.port(UDP, 500, BOTH_FAMILIES),
                Match.port(UDP, 4500, BOTH_FAMILIES),
                Match(ESP, families=BOTH_FAMILIES),
                Match(AH, families=BOTH_FAMILIES),
            ),
        ),
    ),
    carried=(
        "ftp", "ftpPorts", "h323", "sip", "sipTcp", "sipUdp", "sipPorts", "sipDirectSignaling",
        "sipDirectMedia", "sipTimeout", "sipSignalingTimeout", "sipMediaTimeout",
    ),
    field_values=(True, False),
    helpers=(HelperFact("pptp", (Match(GRE),), "the switch stands among those of the helpers"),),
    form=DocumentForm(
        read_request=Request(_PATH, "none", method="GET"),
        write_request=Request(_PATH, "json", method="PUT"),
        answered=JsonAnswer(("result",), ("errorCode", 0)),
        login="omada",
        sender="logs in to the controller, puts its id and the site's in place of {omadacId} and "
        "{site}, and adds token and cookie",
        whole=True,
        read_only=r"(support|exist|osgSupport)|resource$",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="HTTPS to the controller",
        rolls_back="writes the old object again; no dead-man",
        helper="one switch for filter and helper",
        ipv6="unknown",
        running_tunnels="survive a block, as far as is known",
    ),
)  # fmt: skip
