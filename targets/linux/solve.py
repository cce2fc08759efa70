"""Intent into one nft table.

The shape, each part of it seen with real packets (see README.md):

- forward, rule 1 and 2: two verdict maps, by destination port of packets that go out and by source
  port of replies. They hold only flows that are blocked somewhere, so a block also cuts tunnels
  that are up, and all other traffic pays two look-ups.
- forward, rule 3: established and related traffic leaves.
- then what is new: exposures, signatures, LAN to WAN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import collapse_addresses

from compiler.model.device import Device, Network
from compiler.model.intent import Action, Decision, Exposure, Intent
from compiler.model.protocol import PORTED, UDP, Family, Flow, PortRange, Signature, layer4_name
from targets.linux import nft
from targets.linux.canonical import element_order, layer4_word, network_word
from targets.linux.claims import Claim, Segment, segments
from targets.linux.options import Options
from targets.linux.zones import OUT_KEY, PAIR_KEY, PairSets, devices_of

TABLE = "passthru"
OUT_MAP_KEY = "ct direction . meta nfproto . meta l4proto . th dport"
BACK_MAP_KEY = "ct direction . meta nfproto . meta l4proto . th sport"
NEW_MAP_KEY = "meta nfproto . meta l4proto . th dport"
#: An overlay stands before the usual firewall, so that its drops come first and cheaply.
OVERLAY_PRIORITY = -10
ACCEPT, DROP = nft.Verdict("accept"), nft.Verdict("drop")


def solve(intent: Intent, device: Device, options: Options) -> nft.Table:
    """Give the table for a checked device."""
    work = _Work(intent, device, options, PairSets(device))
    forward = work.forward()
    chains = [
        *work.chains.values(),
        nft.Chain("forward", tuple(forward), _forward_hook(options)),
        *work.helper_chain(),
        *work.nat_chains(),
    ]
    helpers = sorted(work.helpers.values(), key=lambda helper: helper.name)
    sets = sorted([*work.pairs.sets, *work.sets.values()], key=lambda s: s.name)
    return nft.Table(TABLE, tuple(helpers), tuple(sets), tuple(work.maps()), tuple(chains))


def _forward_hook(options: Options) -> nft.Hook:
    if options.gateway:
        return nft.Hook("filter", "forward", 0, "drop")
    return nft.Hook("filter", "forward", OVERLAY_PRIORITY, "accept")


@dataclass(slots=True)
class _Work:
    intent: Intent
    device: Device
    options: Options
    pairs: PairSets
    chains: dict[str, nft.Chain] = field(default_factory=dict)
    sets: dict[tuple[str, tuple[str, ...]], nft.Set] = field(default_factory=dict)
    helpers: dict[str, nft.HelperObject] = field(default_factory=dict)
    out: list[tuple[str, nft.Verdict]] = field(default_factory=list)
    back: list[tuple[str, nft.Verdict]] = field(default_factory=list)
    passed: list[tuple[str, nft.Verdict]] = field(default_factory=list)
    logged: list[tuple[Claim, Segment]] = field(default_factory=list)

    # -- the verdict maps and the chains behind them

    def forward(self) -> list[nft.Rule]:
        """Give the rules of the forward chain, and fill maps, sets and chains on the way."""
        for segment in segments(self.intent):
            self._place(segment)
        rules: list[nft.Rule] = []
        if self.out:
            rules.append((nft.Lookup(OUT_MAP_KEY, "out_"),))
        if self.back:
            rules.append((nft.Lookup(BACK_MAP_KEY, "back_"),))
        if self.options.gateway:
            rules.append(_ESTABLISHED)
        rules.extend(self._exposure_rules())
        rules.extend(self._signature_rules())
        rules.extend(self._log_rules())
        if self.options.gateway:
            rules.extend(self._new_traffic())
        return rules

    def _place(self, segment: Segment) -> None:
        """Give a segment its own chain where something of it is dropped, else let it be."""
        strict = self.options.gateway and self.options.forward_drop
        rules = tuple(self._chain_rules(segment))
        limited = any(claim.passes and claim.limited for claim in segment.claims)
        if any(rule[-1] == DROP for rule in rules) or (strict and limited):
            self._branch(segment, rules)
            return
        passing = [claim for claim in segment.claims if claim.passes]
        if strict and passing:
            self.passed.append((_new_key(segment), ACCEPT))
        self.logged.extend((claim, segment) for claim in passing if claim.decision.log)

    def _branch(self, segment: Segment, rules: tuple[nft.Rule, ...]) -> None:
        jump = nft.Verdict("jump", self._chain(segment, rules))
        self.out.append((_branch_key("original", segment), jump))
        if segment.portless:
            self.out.append((_branch_key("reply", segment), jump))
        else:
            self.back.append((_branch_key("reply", segment), jump))

    def _chain(self, segment: Segment, rules: tuple[nft.Rule, ...]) -> str:
        """Name a chain after protocol and port, so that its counters speak for themselves.

        The trailing ``_`` keeps clear of nft's own words. Families share a chain if they can.
        """
        name = f"{_owner(segment).replace('-', '_')}_{layer4_word(segment.layer4)}_"
        if not segment.portless:
            name += f"{str(segment.ports).replace('-', '_')}_"
        if name in self.chains and self.chains[name].rules != rules:
            name += f"{_version(segment.family)}_"
        self.chains[name] = nft.Chain(name, rules)
        return name

    def _chain_rules(self, segment: Segment) -> Iterator[nft.Rule]:
        if not segment.told_apart:
            yield from self._clauses(list(segment.claims), (), segment)
            return
        if _holds_connections(segment):
            held = self._held(segment.family)
            yield (nft.Match(_held_key(segment.family, reply=False), (), held), nft.Counter(), DROP)
            yield (nft.Match(_held_key(segment.family, reply=True), (), held), nft.Counter(), DROP)
        by_signature: dict[Signature, list[Claim]] = {}
        for claim in segment.claims:
            if claim.signature:
                by_signature.setdefault(claim.signature, []).append(claim)
        for signature, claims in by_signature.items():
            yield from self._clauses(claims, tuple(_signature_matches(signature)), segment)
        plain = [claim for claim in segment.claims if not claim.signature]
        yield from self._clauses(plain, (), segment)

    def _clauses(
        self, claims: list[Claim], marks: tuple[nft.Statement, ...], segment: Segment
    ) -> Iterator[nft.Rule]:
        """Accept what any claim passes, then drop what any claim blocks."""
        clauses: dict[nft.Rule, None] = {}
        for claim in claims:
            if claim.passes:
                clauses.update(dict.fromkeys(self._accepts(claim, marks)))
        settled = {clause[:-1] for clause in clauses}
        for claim in claims:
            if claim.blocks:
                hold = self._hold(segment) if marks else ()
                for where in self._dropped(claim):
                    if (*where, *marks) not in settled:
                        clauses.update(dict.fromkeys(self._drop(claim, (*where, *marks), hold)))
        yield from clauses

    def _accepts(self, claim: Claim, marks: tuple[nft.Statement, ...]) -> Iterator[nft.Rule]:
        for inside in self._inside(claim, self.pairs.outbound):
            if claim.decision.log:
                yield (*inside, *marks, _RUNNING, ACCEPT)
                yield (*inside, *marks, *_log(claim.decision, "pass"))
            yield (*inside, *marks, ACCEPT)
        if claim.flow.carried:
            for inside in self._announced(claim):
                yield (*inside, *marks, ACCEPT)

    def _drop(
        self, claim: Claim, matches: nft.Rule, hold: tuple[nft.Statement, ...]
    ) -> Iterator[nft.Rule]:
        if claim.decision.log:
            yield (*matches, *_log(claim.decision, "block"))
        yield (*matches, *hold, nft.Counter(), DROP)

    def _dropped(self, claim: Claim) -> Iterator[nft.Rule]:
        """Give where a claim drops: inside of a block, everywhere but inside of a pass."""
        pairs = self._tunnels if claim.flow.carried else self.pairs.outbound
        if claim.decision.action is Action.BLOCK:
            yield from self._inside(claim, pairs)
        else:
            yield (nft.Match(PAIR_KEY, (), pairs(())),)

    def _tunnels(self, zones: tuple[str, ...]) -> str:
        """Choose pairs for data that a helper announced: either end may have opened it.

        Where the same packets are exposed to the WAN, only those that clients opened are meant.
        """
        exposed = any(f.carried for exposure in self.intent.exposures for f in exposure.flows)
        return self.pairs.outbound(zones, both_ways=not exposed)

    def _inside(self, claim: Claim, pairs: Callable[[tuple[str, ...]], str]) -> Iterator[nft.Rule]:
        """Give the alternatives of "inside the limits": by zone, by source network."""
        limits, word = claim.decision.limits, _ip(claim.family)
        ends = self._far_end(claim, f"ct original {word} daddr")
        if limits.zones or not limits.sources:
            yield (nft.Match(PAIR_KEY, (), pairs(limits.zones)), *ends)
        near = self._near_end(claim, f"ct original {word} saddr")
        if near:
            yield (nft.Match(PAIR_KEY, (), pairs(())), *near, *ends)

    def _announced(self, claim: Claim) -> Iterator[nft.Rule]:
        """Give the same for connections that the far end opened because a helper expects them."""
        limits, word = claim.decision.limits, _ip(claim.family)
        ends = (*self._far_end(claim, f"ct original {word} saddr"), _RUNNING)
        if limits.zones or not limits.sources:
            pair = nft.Match(PAIR_KEY, (), self.pairs.outbound(limits.zones, both_ways=True))
            yield (pair, *ends)
        near = self._near_end(claim, f"ct reply {word} saddr")
        if near:
            pair = nft.Match(PAIR_KEY, (), self.pairs.outbound((), both_ways=True))
            yield (pair, *near, *ends)

    def _far_end(self, claim: Claim, key: str) -> nft.Rule:
        networks = claim.decision.limits.destinations
        if not networks:
            return ()
        return (nft.Match(key, (), self._addresses("to", claim.decision, networks, claim.family)),)

    def _near_end(self, claim: Claim, key: str) -> nft.Rule:
        networks = claim.decision.limits.sources
        if all(net.version != _version(claim.family) for net in networks):
            return ()
        name = self._addresses("from", claim.decision, networks, claim.family)
        return (nft.Match(key, (), name),)

    def _addresses(
        self, kind: str, owner: Decision | Exposure, networks: Iterable[Network], family: Family
    ) -> str:
        version = _version(family)
        chosen = [net for net in networks if net.version == version]
        words = sorted((network_word(n) for n in collapse_addresses(chosen)), key=element_order)
        key = (f"{_ip(family)} daddr", tuple(words))
        if key not in self.sets:
            base = f"{kind}_{owner.protocol.replace('-', '_')}_{version}_"
            taken = {s.name for s in self.sets.values()}
            name, number = base, 2
            while name in taken:
                name, number = f"{base}{number}_", number + 1
            self.sets[key] = nft.Set(name, key[0], key[1], interval=True)
        return self.sets[key].name

    def _held(self, family: Family) -> str:
        name = f"held_{_version(family)}_"
        key = _held_key(family, reply=False)
        self.sets.setdefault((name, ()), nft.Set(name, key, dynamic=True))
        return name

    def _hold(self, segment: Segment) -> tuple[nft.Statement, ...]:
        if not _holds_connections(segment):
            return ()
        key = _held_key(segment.family, reply=False)
        return (nft.Update(self._held(segment.family), key),)

    # -- what follows the established rule

    def _exposure_rules(self) -> Iterator[nft.Rule]:
        wans = devices_of(self.device.wan_zones)
        for exposure in self.intent.exposures:
            word = _ip(_family_of(exposure))
            for flow in exposure.flows:
                if flow.carried:
                    continue
                matches = [
                    nft.Match("iifname", wans),
                    *self._exposure_sources(exposure),
                    nft.Match(f"{word} daddr", (str(exposure.to),)),
                    *_flow_matches(flow),
                ]
                if exposure.to.version == 4:
                    matches.append(nft.Match("ct status", ("dnat",)))
                if exposure.log:
                    prefix = nft.LogLine(f"passthru expose {exposure.protocol}: ")
                    yield (*matches, *_limit(exposure), prefix)
                yield (*matches, nft.Counter(), ACCEPT)

    def _exposure_sources(self, exposure: Exposure) -> list[nft.Match]:
        if not exposure.sources:
            return []
        family = _family_of(exposure)
        name = self._addresses("clients", exposure, exposure.sources, family)
        return [nft.Match(f"{_ip(family)} saddr", (), name)]

    def _signature_rules(self) -> Iterator[nft.Rule]:
        for decision in self.intent.decisions:
            if decision.action is not Action.BLOCK:
                continue
            for layer4, signature in decision.detect:
                if layer4 != UDP:
                    continue
                for where in self._anywhere(decision):
                    marks = tuple(_signature_matches(signature))
                    if decision.log:
                        yield (*where, *marks, *_log(decision, "block"))
                    yield (*where, *marks, nft.Counter(), DROP)

    def _log_rules(self) -> Iterator[nft.Rule]:
        """Log what is passed and has no chain of its own, once for each new connection."""
        for claim, segment in self.logged:
            for inside in self._inside(claim, self.pairs.outbound):
                family = nft.Match("meta nfproto", (str(claim.family),))
                new = nft.Match("ct state", ("new",))
                ports = () if segment.portless else (segment.ports,)
                flow = replace(claim.flow, ports=ports)
                log = _log(claim.decision, "pass")
                yield (family, *inside, *_flow_matches(flow), new, *log)

    def _anywhere(self, decision: Decision) -> Iterator[nft.Rule]:
        """Give the places where a block holds, for packets of any flow."""
        limits = decision.limits
        for family in sorted(limits.families):
            flow = Flow("any", decision.protocol, UDP, (PortRange(1, 1),))
            claim = Claim(decision, flow, family)
            if not claim.blocks:
                continue
            for inside in self._inside(claim, self.pairs.outbound):
                yield (nft.Match("meta nfproto", (str(family),)), *inside)

    def _new_traffic(self) -> Iterator[nft.Rule]:
        within = self.pairs.within("within_")
        if within:
            yield (nft.Match(OUT_KEY, (), within), ACCEPT)
        out = self.pairs.new("lan_wan_", self.device.lan_zones, self.device.wan_zones)
        if not self.options.forward_drop:
            yield (nft.Match(OUT_KEY, (), out), ACCEPT)
        elif self.passed:
            yield (nft.Match(OUT_KEY, (), out), nft.Lookup(NEW_MAP_KEY, "passed_"))

    # -- helpers and NAT

    def helper_chain(self) -> list[nft.Chain]:
        """Assign helpers to the connections of passed and exposed protocols, and no others."""
        rules = [*self._client_helpers(), *self._server_helpers()]
        hook = nft.Hook("filter", "prerouting", 0)
        return [nft.Chain("helpers", tuple(dict.fromkeys(rules)), hook)] if rules else []

    def _client_helpers(self) -> Iterator[nft.Rule]:
        for decision in self.intent.decisions:
            helper = decision.helper
            if helper is None or decision.action is not Action.PASS:
                continue
            for family in sorted(helper.families & decision.limits.families):
                for where in self._entering(decision, family):
                    yield (*where, *self._assign(helper.name, helper.layer4, helper.port, family))

    def _entering(self, decision: Decision, family: Family) -> Iterator[nft.Rule]:
        """Give "inside the limits" for packets that have not been routed yet."""
        limits, word = decision.limits, _ip(family)
        claim = Claim(decision, decision.flows[0], family)
        if not claim.passes:
            return
        ends: list[nft.Statement] = [nft.Match("meta nfproto", (str(family),))]
        if limits.destinations:
            to = self._addresses("to", decision, limits.destinations, family)
            ends = [nft.Match(f"{word} daddr", (), to)]
        zones = [z for z in self.device.lan_zones if not limits.zones or z.name in limits.zones]
        if limits.zones or not limits.sources:
            yield (nft.Match("iifname", devices_of(zones)), *ends)
        if any(n.version == _version(family) for n in limits.sources):
            from_ = self._addresses("from", decision, limits.sources, family)
            inner = nft.Match("iifname", devices_of(self.device.lan_zones))
            yield (inner, nft.Match(f"{word} saddr", (), from_), *ends)

    def _server_helpers(self) -> Iterator[nft.Rule]:
        wans = nft.Match("iifname", devices_of(self.device.wan_zones))
        for exposure in self.intent.exposures:
            helper, family = exposure.helper, _family_of(exposure)
            if helper is None or family not in helper.families:
                continue
            local = nft.Match("fib daddr type", ("local",))
            assign = self._assign(helper.name, helper.layer4, helper.port, family)
            family_match = nft.Match("meta nfproto", (str(family),))
            yield (wans, *self._exposure_sources(exposure), family_match, local, *assign)

    def _assign(self, name: str, layer4: int, port: int, family: Family) -> nft.Rule:
        protocol, object_name = layer4_name(layer4), f"{name}_"
        self.helpers[object_name] = nft.HelperObject(object_name, name, protocol, _ip(family))
        return (nft.Match(f"{protocol} dport", (str(port),)), nft.SetHelper(object_name))

    def nat_chains(self) -> list[nft.Chain]:
        """Masquerade towards the WAN (gateway), and send exposed flows to their servers."""
        chains = []
        dnat = list(dict.fromkeys(self._dnat_rules()))
        if dnat:
            chains.append(nft.Chain("expose_", tuple(dnat), nft.Hook("nat", "prerouting", -100)))
        if self.options.gateway:
            out = nft.Match("oifname", devices_of(self.device.wan_zones))
            rule = (nft.Match("meta nfproto", ("ipv4",)), out, nft.Masquerade())
            chains.append(nft.Chain("masquerade_", (rule,), nft.Hook("nat", "postrouting", 100)))
        return chains

    def _dnat_rules(self) -> Iterator[nft.Rule]:
        wans = nft.Match("iifname", devices_of(self.device.wan_zones))
        local = nft.Match("fib daddr type", ("local",))
        for exposure in self.intent.exposures:
            if exposure.to.version != 4:
                continue
            for flow in exposure.flows:
                if flow.carried:
                    continue
                sources = self._exposure_sources(exposure) or [nft.Match("meta nfproto", ("ipv4",))]
                to = nft.Dnat("ip", str(exposure.to))
                yield (wans, *sources, local, *_flow_matches(flow), nft.Counter(), to)

    def maps(self) -> Iterator[nft.VerdictMap]:
        """Give the maps that hold something, by name."""
        for name, key, pairs in (
            ("back_", BACK_MAP_KEY, self.back),
            ("out_", OUT_MAP_KEY, self.out),
            ("passed_", NEW_MAP_KEY, self.passed),
        ):
            if pairs:
                elements = sorted(pairs, key=lambda pair: element_order(pair[0]))
                yield nft.VerdictMap(name, key, tuple(elements), interval=True)


_RUNNING = nft.Match("ct state", ("established", "related"))
_ESTABLISHED: nft.Rule = (
    nft.Lookup(
        "ct state", "", (("established", "accept"), ("invalid", "drop"), ("related", "accept"))
    ),
)


def _owner(segment: Segment) -> str:
    """Name the protocol whose entry in the policy made a segment's chain."""
    claim = next(c for c in segment.claims if c.blocks or c.passes)
    inherited = claim.decision.origin.inherited_from
    follows_parent = inherited not in ("", "default") and not segment.told_apart
    return inherited if follows_parent else claim.decision.protocol


def _version(family: Family) -> int:
    return 4 if family is Family.IPV4 else 6


def _ip(family: Family) -> str:
    return "ip" if family is Family.IPV4 else "ip6"


def _family_of(exposure: Exposure) -> Family:
    return Family.IPV4 if exposure.to.version == 4 else Family.IPV6


def _branch_key(direction: str, segment: Segment) -> str:
    return f"{direction} . {_new_key(segment)}"


def _new_key(segment: Segment) -> str:
    return f"{segment.family} . {layer4_word(segment.layer4)} . {segment.ports}"


def _holds_connections(segment: Segment) -> bool:
    """Tell whether a signature's verdict must hold for the connection.

    On udp/4500 only IKE messages carry the version; ESP in UDP on the same connection does not.
    """
    if segment.layer4 != UDP or not segment.told_apart:
        return False
    unmarked_pass = any(claim.passes and not claim.signature for claim in segment.claims)
    return unmarked_pass and any(claim.blocks and claim.signature for claim in segment.claims)


def _held_key(family: Family, *, reply: bool) -> str:
    word = _ip(family)
    near, far, port = ("daddr", "saddr", "dport") if reply else ("saddr", "daddr", "sport")
    return f"{word} {near} . udp {port} . {word} {far}"


def _signature_matches(signature: Signature) -> Iterator[nft.Match]:
    """Match bytes of the UDP payload; nft counts bits from the beginning of the UDP header."""
    if signature.payload_length is not None:
        yield nft.Match("udp length", (str(8 + signature.payload_length),))
    for match in signature.matches:
        key = f"@th,{(8 + match.at) * 8},{len(match.value) * 8}"
        value, mask = int.from_bytes(match.value), int.from_bytes(match.mask)
        full = mask == (1 << (8 * len(match.mask))) - 1
        yield nft.Match(key, (hex(value & mask),), "", "" if full else hex(mask))


def _flow_matches(flow: Flow) -> list[nft.Match]:
    if flow.layer4 not in PORTED:
        return [nft.Match("meta l4proto", (layer4_word(flow.layer4),))]
    ports = sorted({str(range_) for range_ in flow.ports}, key=element_order)
    return [nft.Match(f"{layer4_name(flow.layer4)} dport", tuple(ports))]


def _limit(owner: Decision | Exposure) -> tuple[nft.Statement, ...]:
    return (nft.Limit(owner.log.rate, owner.log.burst),) if owner.log and owner.log.rate else ()


def _log(decision: Decision, word: str) -> tuple[nft.Statement, ...]:
    return (*_limit(decision), nft.LogLine(f"passthru {word} {decision.protocol}: "))

