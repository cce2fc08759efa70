"""TP-Link firmware behind ``/cgi_gdpr``: the object DEV2_ALG_CFG, ``1`` or ``0``.

Boot logs of such firmware show what ``0`` drops; only packets seen there are promised. Sources
and doubts are in README.md.
"""

from __future__ import annotations

from compiler.model.protocol import AH, ESP, GRE, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.document import DocumentForm, JsonAnswer, Request
from compiler.toggles.family import (
    FactSpec,
    Family,
    HelperFact,
    Loading,
    Match,
    Toggle,
    Value,
)

_SOURCE = (
    "alg.htm of such firmware (object and names); boot logs with the rules that oal_openAlg "
    "deletes from the chain FORWARD_VPN_PASSTHROUGH (which packets 0 drops)"
)
_UNSURE = "older builds have no rule for this packet, newer ones have not been read"


def _switch(
    key: str, title: str, drops: Match, unsure: tuple[Match, ...] = (), helper: str = ""
) -> Toggle:
    return Toggle(
        key,
        title,
        (
            Value("1", helpers=((helper, Loading.LOADED),) if helper else ()),
            Value(
                "0",
                drops=(drops,),
                unsure=unsure,
                helpers=((helper, Loading.ABSENT),) if helper else (),
            ),
        ),
        default="1",
        source=_SOURCE,
        unsure_because=_UNSURE,
    )


CIPHER = FactSpec(
    "cipher",
    "cgi: how requests are sealed, cbc (AES-CBC, the default) or gcm (newer firmware)",
    str,
    ("cbc", "gcm"),
)

_WHOLE = {"stack": "0,0,0,0,0,0", "pstack": "0,0,0,0,0,0"}
_OBJECT = {"oid": "DEV2_ALG_CFG"}

CGI = Family(
    name="tplink",
    flavour="cgi",
    summary="TP-Link routers with cgi firmware: the object DEV2_ALG_CFG",
    toggles=(
        _switch("pptpAlg", "PPTP pass-through", Match.port(TCP, 1723), (Match(GRE),), "pptp"),
        _switch("l2tpAlg", "L2TP pass-through", Match.port(UDP, 1701)),
        _switch(
            "ipSecAlg",
            "IPsec pass-through",
            Match.port(UDP, 500),
            (Match.port(UDP, 4500), Match(ESP), Match(AH)),
        ),
    ),
    carried=("ftpAlg", "tftpAlg", "h323Alg", "rtspAlg", "sipAlg"),
    field_values=("1", "0"),
    facts=(CIPHER,),
    helpers=(
        HelperFact("pptp", (Match(GRE),), "the boot logs load nf_nat_pptp with the open switch"),
    ),
    form=DocumentForm(
        read_request=Request(
            "/cgi_gdpr?9", "json", {"data": _WHOLE, "operation": "go", **_OBJECT}, ("data",),
            asks=True,
        ),
        write_request=Request(
            "/cgi_gdpr?9", "json", {"data": _WHOLE, "operation": "so", **_OBJECT}, ("data",)
        ),
        answered=JsonAnswer(("data",), ("success", True)),
        login="cgi",
        sender="logs in, seals the body (JSON text) as the firmware asks: sign= and data= lines",
        numbers=True,
        read_only="p?stack$",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="HTTP through an SSH host",
        rolls_back="writes the old object again; no dead-man",
        helper="one switch for filter and helper",
        ipv6="not covered",
        running_tunnels="survive a block, as far as is known",
    ),
)  # fmt: skip
