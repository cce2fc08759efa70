"""Which running connections apply.sh ends: those that a rule of ours drops.

The firewall accepts established connections before it asks our rules. Which signature a running
connection began with nobody knows any more. So where a rule of ours tells the packets of a port
apart, its connections stay: what passes is not cut, and what is blocked ends with its session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.model.effect import Probe
from compiler.model.protocol import AH, Family
from targets.openwrt.settings import Settings, values
from targets.openwrt.uci import Section

_NUMBERS = {"tcp": "6", "udp": "17"}


@dataclass(frozen=True, slots=True, order=True)
class Ended:
    """Connections that are ended: family (``any``: both), protocol number, destination ports.

    Ports are 0 where the protocol has none.
    """

    family: str
    protocol: str
    first: str
    last: str

    def holds(self, probe: Probe) -> bool:
        """Tell whether a probe's connection is one of them."""
        ported = self.last != "0"
        return (
            self.family in ("any", str(probe.family))
            and self.protocol == str(probe.flow.layer4)
            and (not ported or int(self.first) <= probe.port <= int(self.last))
        )

    def overlaps(self, other: Ended) -> bool:
        """Tell whether one connection can be both."""
        families = {self.family, other.family}
        return (
            self.protocol == other.protocol
            and ("any" in families or len(families) == 1)
            and int(self.first) <= int(other.last)
            and int(other.first) <= int(self.last)
        )


def ended(settings: Settings) -> tuple[Ended, ...]:
    """Give what is ended, sorted."""
    rules = [section for section in settings.sections if section.type == "rule"]
    apart = [each for s in rules if s.get("mark") and s.get("dest_port") for each in _of(s)]
    found = {
        each
        for section in rules
        if section.text("target") in ("DROP", "REJECT") and not section.get("mark")
        for each in _of(section)
        if not any(map(each.overlaps, apart))
    }
    return tuple(sorted(found))


def ends(found: Sequence[Ended], probe: Probe) -> bool:
    """Tell whether apply.sh finds a connection of a probe's, to end it where a rule drops it.

    For connection tracking, an IPv6 authentication header is an extension header
    (ipv6_skip_exthdr): the entry has the protocol of what follows, which no rule says.
    """
    if probe.flow.layer4 == AH and probe.family is Family.IPV6:
        return False
    return any(each.holds(probe) for each in found)


def _of(section: Section) -> Iterator[Ended]:
    for protocol in values(section, "proto"):
        for port in values(section, "dest_port") or ("0",):
            first, _, last = port.partition("-")
            number = _NUMBERS.get(protocol, protocol)
            yield Ended(section.text("family"), number, first, last or first)
