"""The order of it all: base chains, the chains of zones, and what stands where in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.addresses import address_parts, groups, split
from targets.openwrt.fw4.includes import helpers_used
from targets.openwrt.fw4.ruleset import TABLE, Chain, Helper, Hook, Rule, Ruleset
from targets.openwrt.fw4.state import State, Zone
from targets.openwrt.fw4.zones import matches

#: Loopback devices get their helpers and notrack rules in the output hook.
_LOOPBACK = "lo"
_VERDICTS = ("accept", "reject", "drop")


def ruleset(state: State, table: str = TABLE) -> Ruleset:
    """Put the path of forwarded packets together: prerouting, forward, postrouting."""
    chains = tuple(_chains(state))
    rules = [rule for chain in chains for rule in chain.rules]
    used = dict.fromkeys(helpers_used(iter(rules)))
    helpers = tuple(Helper(name, state.helpers[name].layer4) for name in used)
    return Ruleset(chains, helpers, tuple(found.set for found in state.sets.values()), table)


def _chains(state: State) -> Iterator[Chain]:
    yield Chain("forward", tuple(_forward(state)), _hook(state))
    yield Chain("handle_reject", tuple(_reject(state)))
    for zone in state.zones:
        yield from _of_zone(state, zone)
    yield _base(state, "prerouting", "filter", "prerouting", 0, list(_prerouting(state, "helper")))
    notrack = [*_prerouting(state, "notrack"), *state.after.get("raw_prerouting", ())]
    yield Chain("raw_prerouting", tuple(notrack), Hook("filter", "prerouting", -300))
    dnat = [*_wrapped(state, "dstnat", _jumps(state, "dstnat"))]
    yield Chain("dstnat", tuple(dnat), Hook("nat", "prerouting", -100))
    snat = [*_wrapped(state, "srcnat", _jumps(state, "srcnat"))]
    yield Chain("srcnat", tuple(snat), Hook("nat", "postrouting", 100))
    for name, hook in (
        ("mangle_prerouting", "prerouting"),
        ("mangle_forward", "forward"),
        ("mangle_postrouting", "postrouting"),
    ):
        rules = _wrapped(state, name, state.rules.get(name, ()))
        yield Chain(name, tuple(rules), Hook("filter", hook, -150))


def _base(
    state: State, name: str, type_: str, hook: str, priority: int, rules: Iterable[Rule]
) -> Chain:
    return Chain(name, tuple(_wrapped(state, name, rules)), Hook(type_, hook, priority))


def _hook(state: State) -> Hook:
    policy = state.defaults["forward"]
    return Hook("filter", "forward", 0, "drop" if policy == "reject" else policy)


def _wrapped(state: State, name: str, rules: Iterable[Rule]) -> Iterator[Rule]:
    yield from state.before.get(name, ())
    yield from rules
    yield from state.after.get(name, ())


def _forward(state: State) -> Iterator[Rule]:
    if state.defaults.get("flow_offloading"):
        parts = (nft.match("meta l4proto", ["6", "17"]), nft.OFFLOAD)
        yield Rule(parts, "defaults: flow_offloading")
    yield from state.before.get("forward", ())
    dropped = ("invalid",) if state.defaults.get("drop_invalid") else ()
    by_state = nft.states(("established", "related"), dropped)
    yield Rule((by_state,), "", "!fw4: Handle forwarded flows")
    if state.defaults.get("disable_ipv6"):  # fw3 loads nothing for IPv6 then
        unfiltered = (nft.match("meta nfproto", ["ipv6"]), nft.verdict("accept"))
        yield Rule(unfiltered, "defaults: disable_ipv6")
    yield from state.rules.get("forward", ())
    yield from _jumps(state, "forward")
    yield from state.after.get("forward", ())
    if state.defaults["forward"] == "reject":
        yield Rule((nft.jump("handle_reject"),), "defaults: forward REJECT")


def _reject(state: State) -> Iterator[Rule]:
    code = state.defaults["tcp_reject_code"]
    refuse = nft.REJECT_TCP if code == "tcp-reset" else nft.reject(code)
    yield Rule((nft.match("meta l4proto", ["6"]), refuse), "", "!fw4: Reject TCP traffic")
    other = state.defaults["any_reject_code"]
    yield Rule((nft.reject(other),), "", "!fw4: Reject any other traffic")


def _jumps(state: State, direction: str) -> Iterator[Rule]:
    """Send packets of a base chain to the chains of their zones."""
    for zone in state.zones:
        if direction == "dstnat" and not zone.dnat:
            continue
        if direction == "srcnat" and not zone.masquerades:
            continue
        for interface in zone.interfaces:
            parts = (*matches(interface, egress=direction == "srcnat"),)
            comment = f"!fw4: Handle {zone.name} {direction} traffic"
            yield Rule((*parts, nft.jump(f"{direction}_{zone.name}")), "", comment)


def _prerouting(state: State, word: str) -> Iterator[Rule]:
    """Send packets to the chains of zones that assign helpers, or keep them untracked."""
    for zone in state.zones:
        if not (zone.helper if word == "helper" else zone.notrack):
            continue
        for interface in zone.interfaces:
            if interface.devices == (_LOOPBACK,):
                continue
            parts = (*matches(interface, egress=False), nft.jump(f"{word}_{zone.name}"))
            yield Rule(parts, "", f"!fw4: {zone.name} {word}")


def _of_zone(state: State, zone: Zone) -> Iterator[Chain]:
    yield Chain(f"forward_{zone.name}", tuple(_zone_forward(state, zone)))
    if zone.helper:
        yield Chain(f"helper_{zone.name}", tuple(state.rules.get(f"helper_{zone.name}", ())))
    if zone.notrack:
        yield Chain(f"notrack_{zone.name}", tuple(state.rules.get(f"notrack_{zone.name}", ())))
    for verdict in _VERDICTS:
        if verdict in zone.comes_from:
            rules = _verdicts(zone, verdict, egress=False)
            yield Chain(f"{verdict}_from_{zone.name}", tuple(rules))
        if verdict in zone.leads_to:
            guard = (
                verdict == "accept"
                and not state.defaults.get("drop_invalid")
                and zone.masquerades
                and not zone.options.get("masq_allow_invalid")
            )
            if guard:
                _check_guard(state, zone)
            rules = _verdicts(zone, verdict, egress=True, guard=guard)
            yield Chain(f"{verdict}_to_{zone.name}", tuple(rules))
    if zone.dnat:
        name = f"dstnat_{zone.name}"
        yield Chain(name, tuple(_wrapped(state, name, state.rules.get(name, ()))))
    if zone.masquerades:
        name = f"srcnat_{zone.name}"
        yield Chain(name, tuple(_wrapped(state, name, _masquerade(zone))))


def _check_guard(state: State, zone: Zone) -> None:
    """See that nft takes the rule against leaks: it names the family that is masqueraded."""
    both = zone.options.get("masq") and zone.options.get("masq6")
    both = both or zone.options.get("guards_both")
    family = 4 if zone.options.get("masq") else 6
    for each in zone.interfaces:
        subnets = each.subnets or each.not_subnets or each.masked
        if not both and subnets and each.family != family:
            message = f"{zone.origin}: nft refuses subnets of the family that is not masqueraded"
            state.refusals.append(message)


def _zone_forward(state: State, zone: Zone) -> Iterator[Rule]:
    name = f"forward_{zone.name}"
    yield from state.before.get(name, ())
    yield from state.rules.get(name, ())
    if zone.dnat:
        parts = (nft.connection("status", "dnat"), nft.verdict("accept"))
        yield Rule(parts, "", "!fw4: Accept port forwards")
    yield from state.after.get(name, ())
    policy = zone.policies["forward"]
    yield Rule((nft.jump(f"{policy}_to_{zone.name}"),), f"{zone.origin} forward {policy.upper()}")


def _verdicts(zone: Zone, verdict: str, *, egress: bool, guard: bool = False) -> Iterator[Rule]:
    for interface in zone.interfaces:
        found = (*matches(interface, egress=egress),)
        if guard:
            masq, masq6 = zone.options.get("masq"), zone.options.get("masq6")
            both = (masq and masq6) or zone.options.get("guards_both")
            only = [] if both else [nft.match("meta nfproto", ["ipv4" if masq else "ipv6"])]
            invalid = (*only, *found, nft.connection("state", "invalid"), nft.verdict("drop"))
            yield Rule(invalid, "", "!fw4: Prevent NAT leakage")
        end = nft.jump("handle_reject") if verdict == "reject" else nft.verdict(verdict)
        yield Rule((*found, end), "", f"!fw4: {verdict} {zone.name} traffic")


def _masquerade(zone: Zone) -> Iterator[Rule]:
    for family, word in ((4, "masq"), (6, "masq6")):
        if not zone.options.get(word):
            continue
        sources, destinations = (
            split(zone.options.get("masq_src")),
            split(zone.options.get("masq_dest")),
        )
        doubts = [nft.doubt(each.doubt) for each in (sources, destinations) if each.doubt]
        for saddrs in groups(sources.of(family)):
            for daddrs in groups(destinations.of(family)):
                parts = [nft.match("meta nfproto", [f"ipv{family}"]), *doubts]
                parts += address_parts(saddrs, family, "saddr")
                parts += address_parts(daddrs, family, "daddr")
                comment = f"!fw4: Masquerade {zone.name} traffic"
                yield Rule((*parts, nft.MASQUERADE), "", comment)
