"""What is looked up before the established rule: verdict maps, and the chains behind them.

The maps hold only packets that some decision drops somewhere (in a strict gateway also those of
limited passes), so that a block cuts tunnels that are up. Others go around: see ``bypass``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from compiler.model.intent import Action, Exposure, Intent
from compiler.model.protocol import UDP, Family, Signature
from targets.linux import nft
from targets.linux.bypass import Branching, Bypass, bypass, exact
from targets.linux.canonical import layer4_label
from targets.linux.claims import Claim, Segment, segments
from targets.linux.flowmaps import Branch, FlowMaps, flow_maps
from targets.linux.matches import (
    ACCEPT,
    DROP,
    RUNNING,
    dispatch,
    excludes,
    family_of,
    ip_word,
    log_lines,
    signature_matches,
    version_of,
)
from targets.linux.shortcut import Shortcuts
from targets.linux.where import Where, free_name
from targets.linux.zones import PAIR_KEY


@dataclass(slots=True)
class Branches:
    """Sorts the segments of an intent: own chain, passed as they are, logged."""

    intent: Intent
    where: Where
    strict: bool
    chains: dict[str, nft.Chain] = field(default_factory=dict)
    held: dict[str, nft.Set] = field(default_factory=dict)
    flow_maps: FlowMaps = field(default_factory=FlowMaps)
    passed: list[Segment] = field(default_factory=list)
    logged: list[tuple[Claim, Segment]] = field(default_factory=list)
    shortcuts: Shortcuts = field(default_factory=Shortcuts)
    branching: list[Branching] = field(default_factory=list)
    bypass: Bypass | None = None
    exact: bool = False

    def sort(self) -> None:
        """Place every segment of the intent."""
        for segment in segments(self.intent):
            self._place(segment)
        self.bypass = bypass(self.branching)
        self.exact = not self.bypass and exact(self.branching)
        branches = [self._branch(segment, rules) for segment, rules in self.branching]
        self.flow_maps = flow_maps(branches, exact=self.exact)

    def sets(self) -> Iterator[nft.Set]:
        """Give the sets of connections that are held, and of what shortcuts and look-ups ask."""
        yield from self.held.values()
        yield from self.shortcuts.made.values()
        yield from self.bypass.sets if self.bypass else self.flow_maps.sets

    def _place(self, segment: Segment) -> None:
        """Note that a segment needs a chain, or that it passes as it is."""
        rules = self._rules_of(segment)
        limited = any(claim.passes and claim.limited for claim in segment.claims)
        if any(rule[-1] == DROP for part in rules.values() for rule in part) or (
            self.strict and limited
        ):
            self.branching.append((segment, rules))
            return
        passing = [claim for claim in segment.claims if claim.passes]
        if passing:
            self.passed.append(segment)
        self.logged.extend((claim, segment) for claim in passing if claim.decision.log)

    def _branch(self, segment: Segment, rules: Mapping[Signature | None, nft.Rules]) -> Branch:
        out, back = (nft.Verdict("jump", name) for name in self._chains(segment, rules))
        return Branch(segment, out, back)

    def _chains(
        self, segment: Segment, rules: Mapping[Signature | None, nft.Rules]
    ) -> tuple[str, str]:
        """Make a segment's chain and give its name, for packets that go out and for replies.

        A chain is named after protocol and port, so that its counters speak for themselves. There
        are two of them only where one set can not tell directions and all addresses at once.
        """
        name = f"{_owner(segment).replace('-', '_')}_{layer4_label(segment.layer4)}_"
        if not segment.portless:
            name += f"{str(segment.ports).replace('-', '_')}_"
        both = self._bodies(segment, rules, name, "")
        if both is not None:
            made = self._chain(segment, both, name)
            return made, made
        out = self._bodies(segment, rules, name, "original") or rules
        back = self._bodies(segment, rules, name, "reply") or rules
        return self._chain(segment, out, name), self._chain(segment, back, f"{name}back_")

    def _bodies(
        self,
        segment: Segment,
        rules: Mapping[Signature | None, nft.Rules],
        name: str,
        direction: str,
    ) -> dict[Signature | None, nft.Rules] | None:
        """Let established traffic out early, where the chain alone would cost it too much.

        Three rules are the limit: the map's, the one of the signatures, one more.
        Behind a bypass or the map of what has ports, that one more is the first of the chain.
        """
        unless: nft.Rule = ()
        if _holds_connections(segment):
            held = self._held(segment.family)
            unless = (nft.Match(_ends(segment.family)[0], (), held, negated=True),)
        second = bool(self.bypass) or (self.exact and segment.portless)
        first = second or len(rules) > 1
        after = self.exact and not segment.portless
        bodies: dict[Signature | None, nft.Rules] = {}
        for signature, part in rules.items():
            body: nft.Rules | None = part
            if len(part) + first + after > 1:
                sets, into = self.where.sets(), self.shortcuts.into
                body = into(part, sets, name, first=first, direction=direction, unless=unless)
            if body is None:
                return None
            bodies[signature] = body
        return bodies

    def _chain(
        self, segment: Segment, bodies: Mapping[Signature | None, nft.Rules], name: str
    ) -> str:
        """Make a chain, and one for each signature that it sends its packets to."""
        seen = [
            (
                signature_matches(signature),
                self._store(
                    f"{name}{_bearer(segment, signature).replace('-', '_')}_", body, segment
                ),
            )
            for signature, body in bodies.items()
            if signature is not None
        ]
        return self._store(name, (*dispatch(seen), *bodies[None]), segment)

    def _store(self, name: str, rules: nft.Rules, segment: Segment) -> str:
        """Keep a chain; the families of one protocol and port share it if they can."""
        if name in self.chains and self.chains[name].rules != rules:
            name = free_name(f"{name}v{version_of(segment.family)}_", self.chains)
        self.chains[name] = nft.Chain(name, rules)
        return name

    def _rules_of(self, segment: Segment) -> dict[Signature | None, nft.Rules]:
        """Give the rules for packets with each signature that matters, and for all others."""
        before = list(self._exposed(segment))
        if not segment.told_apart:
            return {None: (*before, *self._clauses(list(segment.claims), (), segment))}
        if _holds_connections(segment):
            held = nft.Match(_ends(segment.family)[0], (), self._held(segment.family))
            before.append((held, nft.Counter(), DROP))
        by_signature: dict[Signature, list[Claim]] = {}
        for claim in segment.claims:
            if claim.signature:
                by_signature.setdefault(claim.signature, []).append(claim)
        plain = [claim for claim in segment.claims if not claim.signature]
        last = tuple(self._clauses(plain, (), segment))
        rules: dict[Signature | None, nft.Rules] = {None: (*before, *last)}
        for signature, claims in by_signature.items():
            own = tuple(self._clauses(claims, (), segment))
            others = [
                rule
                for other, theirs in by_signature.items()
                if other != signature and not excludes(signature, other)
                for rule in self._clauses(theirs, signature_matches(other), segment)
            ]
            rules[signature] = (*before, *own, *others, *last)
        return rules

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
            held = self._held(segment.family)
            yield (*matches, *(nft.Update(held, key) for key in _ends(segment.family)))
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
        self.held[name] = nft.Set(name, _ends(family)[0], dynamic=True)
        return name


def _carries(exposure: Exposure, segment: Segment) -> bool:
    return any(flow.carried and flow.layer4 == segment.layer4 for flow in exposure.flows)


def _owner(segment: Segment) -> str:
    """Name the protocol whose entry in the policy made a segment's chain."""
    claim = next(c for c in segment.claims if c.blocks or c.passes)
    inherited = claim.decision.origin.inherited_from
    follows_parent = inherited not in ("", "default") and not segment.told_apart
    return inherited if follows_parent else claim.decision.protocol


def _bearer(segment: Segment, signature: Signature) -> str:
    """Name the protocol whose packets have a signature."""
    return next(c.decision.protocol for c in segment.claims if c.signature == signature)


def _holds_connections(segment: Segment) -> bool:
    """Tell whether what is dropped by its signature takes its connection with it.

    On udp/4500 only IKE messages carry the version; ESP in UDP on the same connection does not.
    """
    return segment.layer4 == UDP and any(
        claim.blocks and claim.flow.introduces for claim in segment.claims
    )


def _ends(family: Family) -> tuple[str, str]:
    """Give what tells a packet's connection, as its sender writes it and as the answer will."""
    word = ip_word(family)
    source, destination = f"{word} saddr . udp sport", f"{word} daddr . udp dport"
    return f"{source} . {destination}", f"{destination} . {source}"
