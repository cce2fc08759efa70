"""ACME Home routers: two nvram keys. The whole family is data."""

from __future__ import annotations

from compiler.model.protocol import ESP, TCP, UDP
from compiler.model.target import Capabilities
from compiler.toggles.family import Family, Match, Toggle, Value
from compiler.toggles.nvram import NvramForm
from compiler.toggles.target import ToggleTarget

_MANUAL = "the manual of the imaginary ACME Home, page 7"

TARGET = ToggleTarget(
    Family(
        name="acme",
        summary="ACME Home: two nvram keys",
        toggles=(
            Toggle(
                "vpn_pptp",
                "Point-to-point tunnels",
                (Value("on"), Value("off", drops=(Match.port(TCP, 1723),))),
                default="on",
                unset="on",
                source=_MANUAL,
            ),
            Toggle(
                "vpn_ipsec",
                "IPsec",
                (Value("on"), Value("off", drops=(Match.port(UDP, 500), Match(ESP)))),
                default="on",
                unset="on",
                source=_MANUAL,
            ),
        ),
        form=NvramForm(restart="service firewall restart"),
        capabilities=Capabilities(
            reads=True,
            writes=True,
            pushes="ssh",
            rolls_back="sets the former values again",
            helper="none",
            ipv6="not covered",
            running_tunnels="survive",
        ),
    )
)
