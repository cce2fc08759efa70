"""What the flavours of D-Link firmware share. Sources are in README.md."""

from __future__ import annotations

from compiler.model.protocol import AH, ESP, GRE, TCP, UDP
from compiler.toggles.family import HelperFact, Match, Toggle, Value

#: The rules of /device/passthrough: no rule for GRE.
PPTP = (Match.port(TCP, 1723),)
IPSEC = (Match.port(UDP, 500), Match.port(UDP, 4500), Match(AH), Match(ESP))


def switch(
    key: str, title: str, words: tuple[str, str], drops: tuple[Match, ...], source: str
) -> Toggle:
    """Give a switch whose first word passes and whose second one drops."""
    on, off = words
    return Toggle(key, title, (Value(on), Value(off, drops=drops)), default=on, source=source)


def helper() -> HelperFact:
    """Give the PPTP helper, of which no source of this firmware says whether it is there."""
    return HelperFact("pptp", (Match(GRE),), "not read in any source of this firmware")
