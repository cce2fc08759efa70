"""What rules and redirects match alike: ports, hardware addresses, sets, marks, times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import Helper, SetFound, State, ZoneName
from targets.openwrt.fw4.values import Ports, Protocol, SetMatch

PORTED = ("tcp", "udp")
_TIMES = ("start_date", "stop_date", "start_time", "stop_time", "weekdays")


def family_of(zone: ZoneName | None) -> int | None:
    """Give the family that a zone is limited to."""
    return zone.zone.family if zone and zone.zone else None


def checked_name(state: State, origin: str, options: dict[str, Any]) -> str:
    """Give a section's name, after seeing that nft takes it, and its log prefix."""
    name = str(options.get("name") or origin)
    state.check_name(origin, name)
    state.check_log(origin, options.get("log"), name)
    return name


def set_and_protocols(
    state: State, options: dict[str, Any]
) -> tuple[SetFound | None, list[Protocol]]:
    """Give the set that a section refers to, and the protocols that can match it.

    Raises:
        Vanishes: there is no such set, or it holds ports and no protocol has any.
    """
    found = _find_set(state, options)
    protocols = list(options.get("proto", ()))
    if found and "inet_service" in found.set.types:
        protocols = ported(protocols)
    return found, protocols


def _find_set(state: State, options: dict[str, Any]) -> SetFound | None:
    asked: SetMatch | None = options.get("ipset")
    if asked is None:
        return None
    found = state.sets.get(asked.name)
    if found is None:
        raise Vanishes(f"there is no ipset '{asked.name}'")
    return found


def ported(protocols: Sequence[Protocol]) -> list[Protocol]:
    """Narrow protocols for a match of ports, as fw4 does.

    Raises:
        Vanishes: none of them has ports.
    """
    if any(protocol.name in PORTED for protocol in protocols):
        return list(protocols)
    if protocols and all(protocol.any for protocol in protocols):
        return [Protocol("tcp"), Protocol("udp")]
    raise Vanishes("it matches ports, and names neither TCP nor UDP")


def common_parts(options: dict[str, Any]) -> Iterator[nft.Part]:
    """Give the matches that rules and redirects share, apart from addresses and ports."""
    macs = options.get("src_mac", ())
    for negated in (False, True):
        words = [mac.word for mac in macs if mac.negated is negated]
        if words:
            yield nft.match("ether saddr", words, negated=negated)
    helper: Helper | None = options.get("helper")
    if helper is not None:
        yield nft.match("ct helper", [helper.name], negated=helper.negated)
    rate = options.get("limit")
    if rate is not None:
        yield nft.limit(rate.rate, rate.unit, options.get("limit_burst"))
    if any(name in options for name in _TIMES):
        yield nft.doubt("it holds at certain times only")
    mark = options.get("mark")
    if mark is not None:
        yield nft.mark(mark.number, mark.mask, negated=mark.negated)


def port_parts(protocol: str, ports: Sequence[Ports], end: str) -> Iterator[nft.Part]:
    """Match ports at an end (``sport`` or ``dport``)."""
    for negated in (False, True):
        words = [port.text for port in ports if port.negated is negated]
        if words:
            yield nft.match(f"{protocol} {end}", words, negated=negated)


def set_part(state: State, origin: str, options: dict[str, Any], found: SetFound,
             protocol: str) -> nft.Part:  # fmt: skip
    """Match a named set.

    Raises:
        Vanishes: fw4 cannot match hardware addresses of destinations.
    """
    asked: SetMatch = options["ipset"]
    if "inet_service" in found.set.types and protocol not in PORTED:
        state.refusals.append(f"{origin}: nft refuses a match of ports for '{protocol}'")
    fields = []
    for at, type_ in enumerate(found.set.types):
        stated = asked.directions[at] if at < len(asked.directions) else ""
        side = "d" if (stated or found.directions[at]) == "dst" else "s"
        if type_ == "ether_addr" and side == "d":
            raise Vanishes("fw4 does not match hardware addresses of destinations")
        fields.append(_FIELDS[type_].format(side=side, protocol=protocol))
    return nft.in_set(fields, asked.name, negated=asked.negated)


_FIELDS = {
    "ipv4_addr": "ip {side}addr",
    "ipv6_addr": "ip6 {side}addr",
    "ether_addr": "ether {side}addr",
    "inet_service": "{protocol} {side}port",
}
