"""Rules, forwardings and redirects of firewall3, as rules of one table for both families."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from targets.openwrt.fw3 import extras
from targets.openwrt.fw3 import options as o
from targets.openwrt.fw4 import nft
from targets.openwrt.fw4 import values as v
from targets.openwrt.fw4.ruleset import Rule
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import State, Zone, ZoneName
from targets.openwrt.uci import Section

#: Options that match in ways that are not followed here.
_DOUBTS = {
    "ipset": "what the set holds is not known",
    "limit": "it holds up to a rate only",
    "src_mac": "the hardware address decides",
    "start_date": "it holds at certain times only",
    "stop_date": "it holds at certain times only",
    "start_time": "it holds at certain times only",
    "stop_time": "it holds at certain times only",
    "weekdays": "it holds at certain times only",
    "monthdays": "it holds at certain times only",
    "dscp": "the DSCP field decides",
    "icmp_type": "the type of ICMP packets decides",
}
_EXTRA = "extra arguments for iptables decide"
_ICMP = (1, 58)
#: iptables has matches of its own for these, which know no ports.
_OWN_MATCH = frozenset({50, 51})


def zone_of(state: State, section: Section, option: str) -> ZoneName | None:
    """Find the zone that an option names.

    Raises:
        Vanishes: there is none, or the name is negated.
    """
    stated = o.single(section, option)
    if not stated:
        return None
    found = state.zone(stated)
    if found is None:
        raise Vanishes(f"option '{option}' names the zone '{stated}', which does not exist")
    return found


def add_forwarding(state: State, origin: str, section: Section) -> None:
    """Take a forwarding in; without ``src`` or ``dest`` it is for any zone.

    Raises:
        Vanishes: fw3 skips it.
    """
    if not o.flag(section, "enabled", default=True):
        return
    source, destination = (zone_of(state, section, name) for name in ("src", "dest"))
    first, last = (zone.zone if zone else None for zone in (source, destination))
    try:
        stated = o.family(section)
    except Vanishes:
        stated = 0
    told = f"{origin} {first.name if first else 'any'} to {last.name if last else 'any'}"
    for family in families(stated, first, last):
        parts = [nft.match("meta nfproto", [f"ipv{family}"])]
        if last is None:
            parts.append(nft.verdict("accept"))
        else:
            last.leads_to.add("accept")
            parts.append(nft.jump(f"accept_to_{last.name}"))
        state.add(f"forward_{first.name}" if first else "forward", Rule(tuple(parts), told))


def families(stated: int, *zones: Zone | None) -> list[int]:
    """Give the families that a section and all its zones share."""
    limits = [stated, *(zone.family or 0 for zone in zones if zone)]
    return [version for version in (4, 6) if all(each in (0, version) for each in limits)]


def add(state: State, origin: str, section: Section) -> None:
    """Take a rule in.

    Raises:
        Vanishes: fw3 skips it.
    """
    target = o.target(section, "reject")
    source, destination = (zone_of(state, section, name) for name in ("src", "dest"))
    protocols = o.protocols(section)
    sports, dports = o.ports(section, "src_port"), o.ports(section, "dest_port")
    stated = o.family(section)
    if not o.flag(section, "enabled", default=True):
        return
    target = target if target not in ("dnat", "snat", "masquerade") else "reject"
    _check(state, section, target, source)
    chain = _chain(target, source, destination)
    end = [*_doubts(section), *_mark(section)]
    extra = section.text("extra")
    first, last = (zone.zone if zone else None for zone in (source, destination))
    sources = o.ends(section, "src_ip", state.networks)
    targets = o.ends(section, "dest_ip", state.networks)
    for family in families(stated, first, last):
        asked = extras.parts(extra, family)
        also = (nft.doubt(_EXTRA),) if asked is None else asked
        for protocol, sip, dip in product(protocols, sources, targets):
            if not (sip.of(family) and dip.of(family)) or (protocol.number == 58 and family == 4):
                continue
            ported = _ported(protocol, sports, dports)
            for ports in ported:
                parts = [*_head(family, protocol, sip, dip), *ports]
                parts += _devices(section, target, first, last)
                parts += [*end, *also, *_target(state, section, target, source, destination)]
                told = f"{origin} {target.upper()}"
                state.add(chain, Rule(tuple(parts), told, ""))


def _check(state: State, section: Section, target: str, source: ZoneName | None) -> None:
    if target in ("notrack", "helper") and (source is None or source.any):
        raise Vanishes(f"the target '{target}' needs a source zone")
    name = section.text("set_helper")
    if target == "helper":
        found = state.helpers.get(name)
        if found is None:
            raise Vanishes(f"there is no helper '{name}'")
        state.check_helper(name, found)
    if target == "mark" and not (section.get("set_mark") or section.get("set_xmark")):
        raise Vanishes("the target 'mark' needs 'set_mark' or 'set_xmark'")
    if target == "dscp" and not section.get("set_dscp"):
        raise Vanishes("the target 'dscp' needs 'set_dscp'")


def _chain(target: str, source: ZoneName | None, destination: ZoneName | None) -> str:
    if target in ("notrack", "helper"):
        return f"{target}_{source.zone.name}" if source and source.zone else target
    if target in ("mark", "dscp"):
        return _marking(source, destination)
    if source is None:
        return "output"
    word = "forward" if destination else "input"
    return f"{word}_{source.zone.name}" if source.zone else word


def _marking(source: ZoneName | None, destination: ZoneName | None) -> str:
    from_, to = (bool(zone and zone.zone) for zone in (source, destination))
    from_any, to_any = (bool(zone and zone.any) for zone in (source, destination))
    if (from_ and to) or (from_any and to_any):
        return "mangle_forward"
    if from_any and to:
        return "mangle_postrouting"
    if to_any and from_:
        return "mangle_prerouting"
    return "mangle_input" if source and not destination else "mangle_output"


def _doubts(section: Section) -> Iterator[nft.Part]:
    for option, reason in _DOUBTS.items():
        if section.get(option) is not None:
            yield nft.doubt(reason)
    helper = v.named(section.text("helper"))
    if helper is not None:
        yield nft.match("ct helper", [helper.word], negated=helper.negated)


def _mark(section: Section) -> Iterator[nft.Part]:
    stated = section.text("mark")
    found = v.mark(stated)
    if stated and found is None:
        yield nft.doubt(f"how fw3 reads the mark '{stated}' is not known")
    elif found is not None:
        yield nft.mark(found.number, found.mask, negated=found.negated)


def _head(family: int, protocol: o.Protocol, sip: o.End, dip: o.End) -> Iterator[nft.Part]:
    yield nft.match("meta nfproto", [f"ipv{family}"])
    if protocol.number:
        number = 58 if protocol.number == 1 and family == 6 else protocol.number
        yield nft.match("meta l4proto", [str(number)], negated=protocol.negated)
    left = "ip" if family == 4 else "ip6"
    for end, field in ((sip, "saddr"), (dip, "daddr")):
        if end.doubt:
            yield nft.doubt(end.doubt)
        elif end.address is not None and end.address.mask:
            address = end.address
            yield nft.masked(f"{left} {field}", address.mask, address.text, negated=address.negated)
        elif end.address is not None:
            yield nft.match(f"{left} {field}", [end.address.text], negated=end.address.negated)


def _ported(
    protocol: o.Protocol, sports: Sequence[v.Ports], dports: Sequence[v.Ports]
) -> Iterator[list[nft.Part]]:
    """Give the port matches, one set for each pair; fw3 loses ports of protocols without them."""
    if protocol.number in _ICMP or not (sports or dports):
        yield []
        return
    if not protocol.ported:
        certain = protocol.number not in _OWN_MATCH and not protocol.negated
        yield [] if certain else [nft.doubt("iptables refuses ports for this protocol")]
        return
    name = {6: "tcp", 17: "udp", 132: "sctp", 136: "udplite"}[protocol.number or 0]
    for sport, dport in product(sports or (None,), dports or (None,)):
        pairs = ((sport, "sport"), (dport, "dport"))
        yield [
            nft.match(f"{name} {end}", [port.text], negated=port.negated)
            for port, end in pairs
            if port is not None
        ]


def _devices(
    section: Section, target: str, source: Zone | None, destination: Zone | None
) -> Iterator[nft.Part]:
    found: dict[str, Sequence[str]] = {}
    if target in ("mark", "dscp"):
        for name, zone in (("iifname", source), ("oifname", destination)):
            if zone and zone.devices:
                found[name] = zone.devices
    device = section.text("device")
    if device:
        out = section.text("direction") in ("out", "egress")
        wildcard = device[:-1] + "*" if device.endswith("+") else device
        found["oifname" if out else "iifname"] = [wildcard]
    for name, devices in found.items():
        yield nft.match(name, devices)


def _target(
    state: State,
    section: Section,
    target: str,
    source: ZoneName | None,
    destination: ZoneName | None,
) -> Iterator[nft.Part]:
    first = source.zone if source else None
    if target == "notrack" and first:
        first.notrack = True
        yield nft.NOTRACK
    elif target == "helper" and first:
        first.helper = True
        yield nft.set_helper(state.helpers[section.text("set_helper")].name)
    elif target == "mark":
        yield _set_mark(section)
    elif target == "dscp":
        yield nft.opaque("what changing the DSCP field leads to is not known")
    elif destination and destination.zone:
        destination.zone.leads_to.add(target)
        yield nft.jump(f"{target}_to_{destination.zone.name}")
    elif first and first.options.get("log") and target != "accept":
        first.comes_from.add(target)
        yield nft.jump(f"{target}_from_{first.name}")
    elif target == "reject":
        yield nft.jump("handle_reject")
    else:
        yield nft.verdict(target)


def _set_mark(section: Section) -> nft.Part:
    stated = section.text("set_mark")
    found = v.mark(stated or section.text("set_xmark"))
    if found is None:
        return nft.opaque("how fw3 reads this mark is not known")
    mask = found.mask | found.number if stated else found.mask
    return nft.set_mark(found.number, mask)


def add_redirect(state: State, origin: str, section: Section) -> None:
    """Take a redirect in; fw3 has them for IPv4 only, and source NAT decides nothing here.

    Raises:
        Vanishes: fw3 skips it.
    """
    target = o.target(section, "dnat")
    source, destination = (zone_of(state, section, name) for name in ("src", "dest"))
    protocols = o.protocols(section)
    stated = o.family(section)
    inner = o.end(section, "dest_ip", state.networks)
    outer = o.end(section, "src_dip", state.networks)
    sip = o.end(section, "src_ip", state.networks)
    named = {
        name: o.port(word, name)
        for name in ("src_port", "src_dport", "dest_port")
        if (word := o.single(section, name))
    }
    if not o.flag(section, "enabled", default=True) or target == "snat":
        return
    if source is None or source.zone is None:
        raise Vanishes("it has no source zone")
    source.zone.dnat = True
    last = destination.zone if destination else None
    if last and o.flag(section, "reflection", default=True) and source.zone.masquerades:
        last.leads_to.add("accept")
        last.dnat = True
    if 4 not in families(stated, source.zone, last) or not (
        sip.of(4) and outer.of(4) and inner.of(4)
    ):
        return
    for protocol in protocols:
        ports = [each for each in (named.get("src_dport"),) if each]
        sports = [each for each in (named.get("src_port"),) if each]
        for matches in _ported(protocol, sports, ports):
            parts = [*_head(4, protocol, sip, outer), *matches]
            parts += [*_doubts(section), *_mark(section)]
            parts += [nft.doubt(_EXTRA)] if section.get("extra") is not None else []
            parts.append(_dnat(inner, named.get("dest_port") or named.get("src_dport"), protocol))
            chain = f"dstnat_{source.zone.name}"
            state.add(chain, Rule(tuple(parts), f"{origin} DNAT"))
    _reflect(state, origin, section, source.zone, outer)


def _dnat(inner: o.End, port: v.Ports | None, protocol: o.Protocol) -> nft.Part:
    text = port.text if port and protocol.ported else ""
    if inner.doubt:
        return nft.opaque(f"where it sends packets is not known: {inner.doubt}")
    if inner.address is None:
        return nft.redirect(text)
    return nft.dnat(4, inner.address.text.partition("/")[0], text)


def _reflect(state: State, origin: str, section: Section, source: Zone, outer: o.End) -> None:
    """Note where a stated outer address is reflected into other zones."""
    stated = outer.address is not None or outer.doubt
    if not stated or not o.flag(section, "reflection", default=True) or not source.masquerades:
        return
    for name in o.words(section, "reflection_zone") or (section.text("dest"),):
        found = state.zone(name)
        if found is None or found.zone is None or not section.get("dest_ip"):
            continue
        found.zone.dnat = True
        parts = (*_head(4, o.Protocol(None), o.End(), outer),
                 nft.doubt("whether it is reflected here is not known"),
                 nft.opaque("where a reflection leads is not known"))  # fmt: skip
        state.add(f"dstnat_{found.zone.name}", Rule(parts, f"{origin} reflection"))
