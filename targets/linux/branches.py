"""What is looked up before the established rule: one verdict map, and the chains behind it.

The map holds only packets that some decision drops somewhere (in a strict gateway also those of
limited passes), so that a block cuts tunnels that are up and all other traffic pays one look-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.model.intent import Action, Exposure, Intent
from compiler.model.protocol import UDP, Family, Signature
from targets.linux import nft
from targets.linux.canonical import element_order, layer4_label, layer4_word
from targets.linux.claims import ANY_PORT, Claim, Segment, segments
from targets.linux.matches import (
    ACCEPT,
    DROP,
    RUNNING,
    family_of,
    hidden,
    ip_word,
    layer4_match,
    log_lines,
    signature_matches,
    version_of,
)
from targets.linux.where import Where, free_name
from targets.linux.zones import PAIR_KEY

FLOW_MAP, FLOW_KEY = "flows_", "ct direction . meta nfproto . meta l4proto . th dport . th sport"
_FLOW_TYPE = "ct_dir . nf_proto . inet_proto . inet_service . inet_service"


@dataclass(slots=True)
class Branches:
    """Sorts the segments of an intent: own chain, passed as they are, logged."""

    intent: Intent
    where: Where
    strict: bool
    chains: dict[str, nft.Chain] = field(default_factory=dict)
    held: dict[str, nft.Set] = field(default_factory=dict)
    elements: list[tuple[str, nft.Verdict]] = field(default_factory=list)
    hidden: list[nft.Rule] = field(default_factory=list)
    passed: list[Segment] = field(default_factory=list)
    logged: list[tuple[Claim, Segment]] = field(default_factory=list)

    def sort(self) -> None:
        """Place every segment of the intent."""
        for segment in segments(self.intent):
            self._place(segment)

    def rules(self) -> Iterator[nft.Rule]:
        """Give the rules at the top of the forward chain."""
        if self.elements:
            yield (nft.Lookup(FLOW_KEY, FLOW_MAP),)
        yield from self.hidden

    def maps(self) -> Iterator[nft.VerdictMap]:
        """Give the map, if it holds anything."""
        if self.elements:
            elements = sorted(self.elements, key=lambda pair: element_order(pair[0]))
            yield nft.VerdictMap(FLOW_MAP, _FLOW_TYPE, tuple(elements), interval=True)

    def _place(self, segment: Segment) -> None:
        rules = tuple(self._rules_of(segment))
        limited = any(claim.passes and claim.limited for claim in segment.claims)
        if any(rule[-1] == DROP for rule in rules) or (self.strict and limited):
            self._branch(segment, rules)
            return
        passing = [claim for claim in segment.claims if claim.passes]
        if passing:
            self.passed.append(segment)
        self.logged.extend((claim, segment) for claim in passing if claim.decision.log)

    def _branch(self, segment: Segment, rules: tuple[nft.Rule, ...]) -> None:
        jump = nft.Verdict("jump", self._chain(segment, rules))
        if hidden(segment.layer4, segment.family):
            self.hidden.append((layer4_match(segment.layer4, segment.family), jump))
            return
        word = f"{segment.family} . {layer4_word(segment.layer4)}"
        self.elements.append((f"original . {word} . {segment.ports} . {ANY_PORT}", jump))
        self.elements.append((f"reply . {word} . {ANY_PORT} . {segment.ports}", jump))

    def _chain(self, segment: Segment, rules: tuple[nft.Rule, ...]) -> str:
        """Name a chain after protocol and port, so that its counters speak for themselves.

        The families of one protocol and port share a chain if they can.
        """
        name = f"{_owner(segment).replace('-', '_')}_{layer4_label(segment.layer4)}_"
        if not segment.portless:
            name += f"{str(segment.ports).replace('-', '_')}_"
        if name in self.chains and self.chains[name].rules != rules:
            name = free_name(f"{name}v{version_of(segment.family)}_", self.chains)
        self.chains[name] = nft.Chain(name, rules)
        return name

    def _rules_of(self, segment: Segment) -> Iterator[nft.Rule]:
        yield from self._exposed(segment)
        if not segment.told_apart:
            yield from self._clauses(list(segment.claims), (), segment)
            return
        if _holds_connections(segment):
            held = self._held(segment.family)
            for reply in (False, True):
                key = _held_key(segment.family, reply=reply)
                yield (nft.Match(key, (), held), nft.Counter(), DROP)
        by_signature: dict[Signature, list[Claim]] = {}
        for claim in segment.claims:
            if claim.signature:
                by_signature.setdefault(claim.signature, []).append(claim)
        for signature, claims in by_signature.items():
            yield from self._clauses(claims, signature_matches(signature), segment)
        plain = [claim for claim in segment.claims if not claim.signature]
        yield from self._clauses(plain, (), segment)

    def _exposed(self, segment: Segment) -> Iterator[nft.Rule]:
        """Keep the data of exposed servers, which either end may have opened, out of a block."""
        if not any(claim.flow.carried and claim.blocks for claim in segment.claims):
            return
        for exposure in self.intent.exposures:
            if family_of(exposure) is segment.family and _carries(exposure, segment):
                server, word = (str(exposure.to),), ip_word(segment.family)
                for way in ("original", "reply"):
                    yield (nft.Match(f"ct {way} {word} saddr", server), RUNNING, ACCEPT)

    def _clauses(
        self, claims: list[Claim], marks: nft.Rule, segment: Segment
    ) -> Iterator[nft.Rule]:
        """Accept what any claim passes, then drop what any claim blocks."""
        clauses: dict[nft.Rule, None] = {}
        for claim in claims:
            if claim.passes:
                clauses.update(dict.fromkeys(self._accepts(claim, marks)))
        settled = {clause[:-1] for clause in clauses}
        for claim in claims:
            for where in self._dropped(claim) if claim.blocks else ():
                if (*where, *marks) not in settled:
                    clauses.update(dict.fromkeys(self._drop(claim, (*where, *marks), segment)))
        yield from clauses

    def _accepts(self, claim: Claim, marks: nft.Rule) -> Iterator[nft.Rule]:
        for inside in self.where.inside(claim, self.where.clients):
            if claim.decision.log:
                yield (*inside, *marks, RUNNING, ACCEPT)
                yield from log_lines(claim.decision, "pass", (*inside, *marks))
            yield (*inside, *marks, ACCEPT)
        if claim.flow.carried:
            for inside in self.where.announced(claim):
                yield (*inside, *marks, ACCEPT)

    def _drop(self, claim: Claim, matches: nft.Rule, segment: Segment) -> Iterator[nft.Rule]:
        yield from log_lines(claim.decision, "block", matches)
        if claim.signature and _holds_connections(segment):
            # A rule of its own: a full set ends the rule, and must not save the packet.
            key = _held_key(segment.family, reply=False)
            yield (*matches, nft.Update(self._held(segment.family), key))
        yield (*matches, nft.Counter(), DROP)

    def _dropped(self, claim: Claim) -> Iterator[nft.Rule]:
        """Give where a claim drops: inside of a block, everywhere but inside of a pass."""
        pairs = self.where.tunnels if claim.flow.carried else self.where.clients
        if claim.decision.action is Action.BLOCK:
            yield from self.where.inside(claim, pairs)
        else:
            yield (nft.Match(PAIR_KEY, (), pairs(())),)

    def _held(self, family: Family) -> str:
        name = f"held_{version_of(family)}_"
        self.held[name] = nft.Set(name, _held_key(family, reply=False), dynamic=True)
        return name


def _carries(exposure: Exposure, segment: Segment) -> bool:
    return any(flow.carried and flow.layer4 == segment.layer4 for flow in exposure.flows)


def _owner(segment: Segment) -> str:
    """Name the protocol whose entry in the policy made a segment's chain."""
    claim = next(c for c in segment.claims if c.blocks or c.passes)
    inherited = claim.decision.origin.inherited_from
    follows_parent = inherited not in ("", "default") and not segment.told_apart
    return inherited if follows_parent else claim.decision.protocol


def _holds_connections(segment: Segment) -> bool:
    """Tell whether what is dropped by its signature takes its connection with it.

    On udp/4500 only IKE messages carry the version; ESP in UDP on the same connection does not.
    """
    return segment.layer4 == UDP and any(
        claim.blocks and claim.flow.introduces for claim in segment.claims
    )


def _held_key(family: Family, *, reply: bool) -> str:
    word = ip_word(family)
    near, far, port = ("daddr", "saddr", "dport") if reply else ("saddr", "daddr", "sport")
    return f"{word} {near} . udp {port} . {word} {far}"
