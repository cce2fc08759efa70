"""What follows the established rule: only packets that open something come this far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.model.intent import Action, Decision, Intent
from compiler.model.protocol import UDP, Flow, PortRange
from targets.linux import nft
from targets.linux.branches import Branches
from targets.linux.canonical import element_order, layer4_word
from targets.linux.claims import Claim, Segment
from targets.linux.matches import (
    ACCEPT,
    DROP,
    NEW,
    family_match,
    family_of,
    flow_match,
    ip_word,
    log_lines,
    ports_match,
    reachable,
    signature_matches,
)
from targets.linux.options import Options
from targets.linux.where import Where
from targets.linux.zones import OUT_KEY, devices_of

PASSED_MAP, PASSED_KEY = "passed_", "meta nfproto . meta l4proto . th dport"
_PASSED_TYPE = "nf_proto . inet_proto . inet_service"


@dataclass(slots=True)
class NewTraffic:
    """Gives the rules for packets that belong to no connection yet."""

    intent: Intent
    where: Where
    branches: Branches
    options: Options

    def rules(self) -> Iterator[nft.Rule]:
        """Give exposures, signatures, logs, and (gateway) what may go out."""
        yield from self._exposures()
        yield from self._signatures()
        yield from self._logs()
        if self.options.gateway:
            yield from self._outgoing()

    def maps(self) -> Iterator[nft.VerdictMap]:
        """Give the map of what a strict gateway passes everywhere."""
        elements = [
            (f"{s.family} . {layer4_word(s.layer4)} . {s.ports}", ACCEPT) for s in self._passed()
        ]
        if elements:
            elements.sort(key=lambda pair: element_order(pair[0]))
            yield nft.VerdictMap(PASSED_MAP, _PASSED_TYPE, tuple(elements), interval=True)

    def _exposures(self) -> Iterator[nft.Rule]:
        wans = nft.Match("iifname", devices_of(self.where.device.wan_zones))
        for exposure in filter(reachable, self.intent.exposures):
            family = family_of(exposure)
            server = nft.Match(f"{ip_word(family)} daddr", (str(exposure.to),))
            sent_on = (nft.Match("ct status", ("dnat",)),) if exposure.to.version == 4 else ()
            for flow in exposure.flows:
                if flow.carried or family not in flow.families:
                    continue
                to_it = (wans, *self.where.peers(exposure), server, flow_match(flow))
                yield from log_lines(exposure, "expose", (*to_it, *sent_on))
                yield (*to_it, *sent_on, nft.Counter(), ACCEPT)

    def _signatures(self) -> Iterator[nft.Rule]:
        for decision in self.intent.decisions:
            if decision.action is not Action.BLOCK:
                continue
            for layer4, signature in decision.detect:
                if layer4 != UDP:
                    continue
                marks = signature_matches(signature, alone=True)
                for place in self._anywhere(decision):
                    yield from log_lines(decision, "block", (*place, *marks))
                    yield (*place, *marks, nft.Counter(), DROP)

    def _anywhere(self, decision: Decision) -> Iterator[nft.Rule]:
        """Give the places where a block holds, for packets of any flow."""
        for family in sorted(decision.limits.families):
            flow = Flow("any", decision.protocol, UDP, (PortRange(1, 1),))
            claim = Claim(decision, flow, family)
            if claim.blocks:
                for inside in self.where.inside(claim, self.where.clients):
                    yield (family_match(family), *inside)

    def _logs(self) -> Iterator[nft.Rule]:
        """Log what is passed and has no chain of its own, once for each new connection."""
        for claim, segment in self.branches.logged:
            ports = () if segment.portless else (segment.ports,)
            marks = (ports_match(segment.layer4, ports), NEW)
            for inside in self.where.inside(claim, self.where.clients):
                family = family_match(segment.family)
                yield from log_lines(claim.decision, "pass", (family, *inside, *marks))

    def _outgoing(self) -> Iterator[nft.Rule]:
        within = self.where.pairs.within("within_")
        if within:
            yield (nft.Match(OUT_KEY, (), within), ACCEPT)
        device = self.where.device
        out = (
            nft.Match("iifname", devices_of(device.lan_zones)),
            nft.Match("oifname", devices_of(device.wan_zones)),
        )
        if not self.options.forward_drop:
            yield (*out, ACCEPT)
        elif self._passed():
            yield (*out, nft.Lookup(PASSED_KEY, PASSED_MAP))

    def _passed(self) -> list[Segment]:
        """Give what a strict gateway passes everywhere; others need no list."""
        return self.branches.passed if self.branches.strict else []
