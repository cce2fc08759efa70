"""TP-Link Archer firmware with a luci token in its paths: eight fields, ``on`` or ``off``.

Nobody has published what ``off`` drops in this firmware, so nothing is promised of it. Sources
and doubts are in README.md.
"""

from __future__ import annotations

from compiler.model.protocol import AH, BOTH_FAMILIES, ESP, GRE, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.document import DocumentForm, JsonAnswer, Request
from compiler.toggles.family import Family, HelperFact, Loading, Match, Toggle, Value

_SOURCE = "captures of admin/nat?form=alg on Archer C6, A6 and AXE75; TP-Link user guides"
_UNSURE = "no public source of this firmware says which packets it drops"
_PATH = "/cgi-bin/luci/;stok={stok}/admin/nat?form=alg"


def _switch(key: str, title: str, unsure: tuple[Match, ...], helper: str = "") -> Toggle:
    return Toggle(
        key,
        title,
        (
            Value("on", helpers=((helper, Loading.LOADED),) if helper else ()),
            Value("off", unsure=unsure, helpers=((helper, Loading.ABSENT),) if helper else ()),
        ),
        default="on",
        source=_SOURCE,
        unsure_because=_UNSURE,
    )


def _either(layer4: int, port: int) -> Match:
    return Match.port(layer4, port, BOTH_FAMILIES)


LUCI = Family(
    name="tplink",
    flavour="luci",
    summary="TP-Link Archer and relatives: the ALG page (luci or cgi firmware)",
    toggles=(
        _switch(
            "pptp",
            "PPTP pass-through",
            (_either(TCP, 1723), Match(GRE, families=BOTH_FAMILIES)),
            helper="pptp",
        ),
        _switch("l2tp", "L2TP pass-through", (_either(UDP, 1701),)),
        _switch(
            "ipsec",
            "IPsec pass-through",
            (
                _either(UDP, 500),
                _either(UDP, 4500),
                Match(ESP, families=BOTH_FAMILIES),
                Match(AH, families=BOTH_FAMILIES),
            ),
        ),
    ),
    carried=("ftp", "tftp", "h323", "rtsp", "sip"),
    field_values=("on", "off"),
    helpers=(HelperFact("pptp", (Match(GRE),), "the switch stands on the page of the helpers"),),
    form=DocumentForm(
        read_request=Request(_PATH, "form", {"operation": "read"}),
        write_request=Request(_PATH, "form", {"operation": "write"}),
        answered=JsonAnswer(("data",), ("success", True)),
        login="luci",
        sender="logs in, puts its token in place of {stok}, adds the session cookie, and sends "
        "the body form-encoded (sealed with AES on firmware that asks for it)",
    ),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="HTTP through an SSH host",
        rolls_back="writes the old object again; no dead-man",
        helper="one switch for filter and helper",
        ipv6="unknown",
        running_tunnels="survive a block, as far as is known",
    ),
)
