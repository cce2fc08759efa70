"""What passthru's conformance suite tries these targets on."""

from __future__ import annotations

from passthru_conformance.cases import Case

CASES = (
    Case("acme", "acme", foreign=("vpn_pptp=on\nvpn_ipsec=off\nname=$(id)\n",)),
    Case("plainbox", "plainbox", foreign=("# mine\nallow everything else\n", "")),
    Case("plainbox-6", "plainbox", {"ipv6": True}),  # its zones are drawn with or without IPv6
)
