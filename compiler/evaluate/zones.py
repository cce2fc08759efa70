"""Which interfaces of a foreign ruleset face the LAN, and which the WAN.

Concluded from what the rules do, not from how they look: what leaves by a WAN interface from
private addresses is translated. Where no rule tells, the names by which routers commonly call
their interfaces do; where neither does, nobody knows, and a zone has no interfaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from compiler.evaluate.packet import Packet
from compiler.evaluate.places import Places, private
from compiler.evaluate.walk import Ruleset
from compiler.model.device import Device, Network, Role, Zone
from compiler.model.finding import Code, Finding, Severity
from compiler.model.protocol import TCP, Family

_WAN = re.compile(r"wan([-_.]?\w+)?|ppp\d+|pppoe[-_.]?\w+|wwan\d+(\.\d+)?|lte\d+|usb\d+|wwlan\d+")
_LAN = re.compile(r"br-\w+|lan([-_.]?\w+)?|br\d+|docker\d+|virbr\d+|lxcbr\d+|lxdbr\d+|podman\d+")
#: More LAN interfaces than this are not told apart one by one.
_MOST = 12
_HINT = "name them: --lan IFACE, --wan IFACE, or --host with an inventory"


@dataclass(frozen=True, slots=True)
class Concluded:
    """Zones as far as the rules tell them, and what to say about that."""

    zones: tuple[Zone, ...]
    findings: tuple[Finding, ...]


def conclude(ruleset: Ruleset, known: Sequence[Zone] = (), host: str = "") -> Concluded:
    """Find the zones of a ruleset; ``known`` zones stay, and are not looked for."""
    if {zone.role for zone in known} == set(Role):
        return Concluded(tuple(known), ())
    places = Places(ruleset, Device(host, "", ()))
    return _Conclusion(ruleset, places, tuple(known), host).zones()


class _Conclusion:
    def __init__(
        self, ruleset: Ruleset, places: Places, known: tuple[Zone, ...], host: str
    ) -> None:
        self._ruleset, self._places, self._host = ruleset, places, host
        self._known = known
        self._links = places.links
        self._other = places.interfaces("")[-1]

    def zones(self) -> Concluded:
        wans, because = self._wans()
        lans = [link for link in self._links if link not in wans]
        if not wans:
            lans = [link for link in lans if _LAN.fullmatch(link)]
        lans = list(self._stated(Role.LAN)) or lans
        findings = list(self._findings(lans, wans, because))
        shown = lans[:_MOST]
        found = [*self._each(Role.LAN, shown, wans), *self._each(Role.WAN, wans, wans)]
        return Concluded(tuple(found), tuple(findings))

    def _stated(self, role: Role) -> tuple[str, ...]:
        return tuple(link for zone in self._known if zone.role is role for link in zone.devices)

    def _wans(self) -> tuple[list[str], str]:
        stated = list(self._stated(Role.WAN))
        if stated:
            return stated, "stated"
        masked = [link for link in self._links if self._translates(link)]
        everywhere = self._translates(self._other)
        named = [link for link in self._links if _WAN.fullmatch(link)]
        if masked and not everywhere:
            return masked, "its rules translate what leaves there"
        if named:
            return named, "their names are those of WAN interfaces"
        return [], ""

    def _translates(self, oif: str) -> bool:
        return any(self._source_nat(iif, oif, network) for iif, network in self._starts(oif))

    def _starts(self, oif: str) -> Iterator[tuple[str, Network | None]]:
        nets = [net for net in private(self._places.mentioned) if net.version == 4]
        links = [link for link in (self._other, *self._links) if link != oif]
        yield from product(links[:_MOST], [None, *nets[:_MOST]])

    def _source_nat(self, iif: str, oif: str, network: Network | None) -> bool:
        """Tell whether a packet is certainly translated on its way out."""
        family = Family.IPV4
        places = self._places
        source = places.host(network) if network else places.inner("", family)[-1]
        far = places.far(family)
        packet = Packet(source, far, TCP, iif, oif, 40000, 80, b"", router=frozenset())
        found = self._ruleset.translate(packet)
        kinds = {one.kind for one in found.translations}
        return bool(kinds & {"snat", "masquerade"}) and "nat" not in found.uncertain

    def _each(self, role: Role, links: Sequence[str], wans: Sequence[str]) -> Iterator[Zone]:
        name = str(role)
        oif = wans[0] if wans else self._other
        known = [zone for zone in self._known if zone.role is role]
        if known:
            yield from known
            return
        if len(links) <= 1:
            link = links[0] if links else ""
            yield Zone(name, role, tuple(links), self._networks(role, link, oif))
            return
        for link in links:
            yield Zone(link, role, (link,), self._networks(role, link, oif))

    def _networks(self, role: Role, link: str, oif: str) -> tuple[Network, ...]:
        """Give the networks that a LAN may have, where alone they are translated.

        A network that is translated even where it leaves by this interface is another's.
        """
        iif = link or f"{self._other}1"
        if role is not Role.LAN or self._source_nat(iif, oif, None):
            return ()
        nets = [net for net in private(self._places.mentioned) if net.version == 4]
        return tuple(
            net
            for net in nets
            if self._source_nat(iif, oif, net) and not (link and self._source_nat(oif, link, net))
        )

    def _findings(self, lans: list[str], wans: list[str], because: str) -> Iterator[Finding]:
        if wans:
            inside = ", ".join(lans[:_MOST]) or "an interface that no rule names"
            yield self._finding(
                Code.A801,
                f"taken for the WAN: {', '.join(wans)} ({because}); for the LAN: {inside}",
                Severity.INFO,
            )
        else:
            yield self._finding(
                Code.A802,
                "the text does not tell which interface faces the WAN; "
                "a verdict holds for any, or is unknown",
                Severity.WARNING,
            )
        if len(lans) > _MOST:
            more = len(lans) - _MOST
            yield self._finding(
                Code.A803,
                f"{more} more interfaces than {_MOST} are not looked at as LANs: "
                f"{', '.join(lans[_MOST : 2 * _MOST])}",
                Severity.WARNING,
            )

    def _finding(self, code: Code, message: str, severity: Severity) -> Finding:
        return Finding(code, message, severity, hint=_HINT, host=self._host)
