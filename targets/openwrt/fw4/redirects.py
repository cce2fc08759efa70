"""``config redirect``: what it does to packets before they are routed.

Source NAT (``target SNAT``, ``config nat``) changes no verdict and is left out, apart from what
makes nft refuse the ruleset. So is the reflection of redirects that name no outer address: it
takes packets to the router's own WAN addresses only, and no VPN server is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.addresses import NOTHING, Split, address_parts, groups, split
from targets.openwrt.fw4.matches import (
    PORTED,
    checked_name,
    common_parts,
    family_of,
    port_parts,
    ported,
    set_and_protocols,
    set_part,
)
from targets.openwrt.fw4.ruleset import Rule
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import LONGEST_NAME, SetFound, State, Zone, ZoneName, infer_family
from targets.openwrt.fw4.values import Ports, Protocol

_REFLECTION = " (reflection)"


def add(state: State, origin: str, options: dict[str, Any]) -> None:
    """Take a redirect in.

    Raises:
        Vanishes: fw4 skips it.
    """
    name = checked_name(state, origin, options)
    found, protocols = set_and_protocols(state, options)
    if options["target"] == "snat":
        _check_snat(options)
        return
    source = _check_dnat(options)
    _prepare(state, origin, options, source, name)
    for protocol in protocols:
        expansion = _Expansion(state, origin, options, source, protocol, found)
        for rule in expansion.rules():
            state.add(f"dstnat_{source.name}", rule)
        for zone, rule in expansion.reflections():
            zone.dnat = True
            state.add(f"dstnat_{zone.name}", rule)


def _check_snat(options: dict[str, Any]) -> None:
    destination, to = options.get("dest"), options.get("src_dip")
    if destination is None or destination.any or to is None or to.negated:
        raise Vanishes("source NAT needs a destination zone and 'src_dip'")
    if "src_mac" in options or "helper" in options:
        raise Vanishes("source NAT takes neither 'src_mac' nor 'helper'")


def _check_dnat(options: dict[str, Any]) -> Zone:
    source: ZoneName | None = options.get("src")
    if source is None:
        raise Vanishes("it has no source zone")
    if source.zone is None:
        raise Vanishes("its source must not be '*'")
    to = options.get("dest_ip")
    if to is not None and (to.negated or any(address.mask for address in to.found)):
        raise Vanishes("'dest_ip' must not be negated, nor have a mask with holes")
    return source.zone


def _prepare(state: State, origin: str, options: dict[str, Any], source: Zone, name: str) -> None:
    options.setdefault("dest_port", options.get("src_dport"))
    source.dnat = True
    source.helper = source.helper or "helper" in options
    destination: ZoneName | None = options.get("dest")
    reflected = options["reflection"] and source.options.get("masq")
    if not reflected or "dest_ip" not in options:
        return
    if destination is not None and destination.zone is not None:
        destination.zone.leads_to.add("accept")
        destination.zone.dnat = True
    longest = LONGEST_NAME - len(_REFLECTION)
    if len(name.encode(errors="surrogatepass")) > longest:
        message = f"{origin}: nft refuses a name of more than {longest} bytes where it is reflected"
        state.refusals.append(message)


@dataclass(frozen=True, slots=True)
class _Expansion:
    """One redirect for one protocol."""

    state: State
    origin: str
    options: dict[str, Any]
    source: Zone
    protocol: Protocol
    set: SetFound | None

    @property
    def name(self) -> str:
        return self.options.get("name") or self.origin

    def _port(self, option: str) -> Ports | None:
        found: Ports | None = self.options.get(option)
        return found if self.protocol.name in PORTED else None

    def _split(self, option: str) -> Split:
        return split(self.options.get(option))

    def rules(self) -> Iterator[Rule]:
        sources, outer, inner = (self._split(o) for o in ("src_ip", "src_dip", "dest_ip"))
        for each in (sources, outer, inner):
            self.state.check_addresses(self.origin, each.v4 + each.v6)
        family = self._family(sources, outer, inner)
        if isinstance(family, str):
            self.state.vanished.append((self.origin, family))
            return
        for version in _versions(family, (sources, outer, inner)):
            yield from self._of(version, sources, outer, inner)

    def _family(self, *splits: Split) -> int | str | None:
        stated: int | None = self.options.get("family")
        if self.protocol.name == "ipv6-icmp":
            stated = 6
        helper = self.options.get("helper")
        return infer_family(
            stated,
            self.set.family if self.set else None,
            *(each.family for each in splits),
            self.source.family,
            family_of(self.options.get("dest")),
            helper.family if helper else None,
        )

    def _of(self, version: int, sources: Split, outer: Split, inner: Split) -> Iterator[Rule]:
        for saddrs in groups(sources.of(version)) if version else [NOTHING]:
            for daddrs in groups(outer.of(version)) if version else [NOTHING]:
                parts = list(self._matches(version, not any(saddrs) and not any(daddrs)))
                if version:
                    parts += address_parts(saddrs, version, "saddr")
                    parts += address_parts(daddrs, version, "daddr")
                parts += (nft.doubt(each.doubt) for each in (sources, outer) if each.doubt)
                parts += self._end(version, inner)
                yield Rule(tuple(parts), f"{self.origin} DNAT", f"!fw4: {self.name}")

    def _matches(self, version: int, bare: bool) -> Iterator[nft.Part]:  # noqa: FBT001 - see above
        sport, dport = self._port("src_port"), self._port("src_dport")
        if version and bare:
            yield nft.match("meta nfproto", [f"ipv{version}"])
        if sport or dport:
            yield from port_parts(self.protocol.name, [sport] if sport else [], "sport")
            yield from port_parts(self.protocol.name, [dport] if dport else [], "dport")
        elif self._port("dest_port"):
            message = f"{self.origin}: nft refuses 'dest_port' without 'src_dport'"
            self.state.refusals.append(message)
        elif not self.protocol.any:
            number = self.state.protocol(self.origin, self.protocol.name)
            yield nft.match("meta l4proto", ["58" if number == "1" and version == 6 else number])
        yield from common_parts(self.options)
        if self.set is not None:
            yield set_part(self.state, self.origin, self.options, self.set, self.protocol.name)

    def _end(self, version: int, inner: Split) -> Iterator[nft.Part]:
        if self.options["counter"]:
            yield nft.COUNTER
        port = self._port("dest_port")
        if inner.doubt:
            yield nft.opaque(f"where it sends packets is not known: {inner.doubt}")
        elif inner.of(version):
            to = inner.of(version)[0].text.partition("/")[0]
            yield nft.dnat(version, to, port.text if port else "")
        else:
            yield nft.redirect(port.text if port else "")

    def reflections(self) -> Iterator[tuple[Zone, Rule]]:
        """Give the rules for the inside where the outer address is stated."""
        inner, outer = self._split("dest_ip"), self._split("src_dip")
        if not self.options["reflection"] or not (outer.v4 or outer.v6 or outer.doubt):
            return
        zones: Sequence[ZoneName] = self.options.get("reflection_zone", ())
        destination = self.options.get("dest")
        for found in zones or ([destination] if destination else []):
            if found.zone is None:
                continue
            for version, word in ((4, "masq"), (6, "masq6")):
                if self.source.options.get(word) and (inner.of(version) or inner.doubt):
                    for rule in self._reflected(found.zone, version, outer, inner):
                        yield found.zone, rule

    def _reflected(self, zone: Zone, version: int, outer: Split, inner: Split) -> Iterator[Rule]:
        related = [a for a in zone.related or () if a.family == version]
        if zone.related is not None and not related:
            return
        for daddrs in groups(outer.of(version)):
            parts: list[nft.Part] = []
            if zone.related is None:
                parts.append(nft.doubt(f"the addresses of zone '{zone.name}' are not known"))
            else:
                parts += address_parts(groups(related)[-1], version, "saddr")
            if outer.doubt:
                parts.append(nft.doubt(outer.doubt))
            parts += address_parts(daddrs, version, "daddr")
            parts += self._matches(version, bare=False)
            parts += self._end(version, inner)
            yield Rule(tuple(parts), f"{self.origin} reflection", f"!fw4: {self.name}{_REFLECTION}")


def _versions(family: int | None, splits: Sequence[Split]) -> tuple[int, ...]:
    """Give the families of the rules to write; 0 is one rule for both."""
    four, six = any(each.v4 for each in splits), any(each.v6 for each in splits)
    if not family and not four and not six:
        return (4,) if family is None else (0,)
    found = [version for version, has in ((4, four), (6, six)) if has or not (four or six)]
    return tuple(version for version in found if family in (None, 0, version))


def add_nat(state: State, origin: str, options: dict[str, Any]) -> None:
    """See whether nft takes a ``nat`` section.

    Raises:
        Vanishes: fw4 skips it.
    """
    checked_name(state, origin, options)
    target = options["target"]
    to = "snat_ip" in options or "snat_port" in options
    if target == "snat" and not to:
        raise Vanishes("source NAT needs 'snat_ip' or 'snat_port'")
    if target != "snat" and to:
        raise Vanishes(f"'snat_ip' and 'snat_port' mean nothing for target '{target}'")
    protocols = list(options.get("proto", ()))
    if any(option in options for option in ("snat_port", "src_port", "dest_port")):
        protocols = ported(protocols)
    for protocol in protocols:
        if not protocol.any:
            state.protocol(origin, protocol.name)
    for option in ("src_ip", "dest_ip", "snat_ip"):
        found = split(options.get(option))
        state.check_addresses(origin, found.v4 + found.v6)
