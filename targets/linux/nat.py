"""NAT and its helpers: masquerade, port forwarding to exposed servers, helper assignment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.model.intent import Action, Intent
from compiler.model.protocol import Family, Helper, layer4_name
from targets.linux import nft
from targets.linux.claims import Claim
from targets.linux.matches import NEW, family_match, family_of, flow_match, ip_word, reachable
from targets.linux.options import Options
from targets.linux.where import Where
from targets.linux.zones import devices_of

_LOCAL = nft.Match("fib daddr type", ("local",))


@dataclass(slots=True)
class Nat:
    """Gives the chains beside the forward chain, and remembers the helper objects they name."""

    intent: Intent
    where: Where
    options: Options
    objects: dict[str, nft.HelperObject] = field(default_factory=dict)

    def chains(self) -> Iterator[nft.Chain]:
        """Give the chains that have something to do.

        A helper is assigned by a connection's first packet or never (nft_ct_helper_obj_eval), so
        all other traffic leaves the rules that do it at their first word.
        """
        assigned = dict.fromkeys([*self._client_helpers(), *self._server_helpers()])
        helpers = tuple((NEW, *rule) for rule in assigned)
        if helpers:
            yield nft.Chain("helpers", helpers, nft.Hook("filter", "prerouting", 0))
        forwards = tuple(dict.fromkeys(self._forwards()))
        if forwards:
            yield nft.Chain("expose_", forwards, nft.Hook("nat", "prerouting", -100))
        if self.options.gateway:
            out = nft.Match("oifname", devices_of(self.where.device.wan_zones))
            rule = (family_match(Family.IPV4), out, nft.Masquerade())
            yield nft.Chain("masquerade_", (rule,), nft.Hook("nat", "postrouting", 100))

    def helpers(self) -> tuple[nft.HelperObject, ...]:
        """Give the helper objects, by name."""
        return tuple(sorted(self.objects.values(), key=lambda helper: helper.name))

    def _client_helpers(self) -> Iterator[nft.Rule]:
        """Assign the helpers of passed protocols, and no others, where they are passed."""
        for decision in self.intent.decisions:
            helper = decision.helper
            if helper is None or decision.action is not Action.PASS:
                continue
            for family in sorted(helper.families & decision.limits.families):
                if not Claim(decision, decision.flows[0], family).passes:
                    continue
                for place in self.where.entering(decision, family):
                    yield (*place, *self._assign(helper, family))

    def _server_helpers(self) -> Iterator[nft.Rule]:
        """Assign the helpers of exposed servers: here their address is in the packet already."""
        wans = nft.Match("iifname", devices_of(self.where.device.wan_zones))
        for exposure in filter(reachable, self.intent.exposures):
            helper, family = exposure.helper, family_of(exposure)
            if helper is not None and family in helper.families:
                server = nft.Match(f"{ip_word(family)} daddr", (str(exposure.to),))
                peers = self.where.peers(exposure)
                yield (wans, *peers, server, *self._assign(helper, family))

    def _assign(self, helper: Helper, family: Family) -> nft.Rule:
        protocol, word = layer4_name(helper.layer4), ip_word(family)
        name = f"{helper.name}_" if family is Family.IPV4 else f"{helper.name}_6_"
        self.objects[name] = nft.HelperObject(name, helper.name, protocol, word)
        return (nft.Match(f"{protocol} dport", (str(helper.port),)), nft.SetHelper(name))

    def _forwards(self) -> Iterator[nft.Rule]:
        wans = nft.Match("iifname", devices_of(self.where.device.wan_zones))
        for exposure in filter(reachable, self.intent.exposures):
            family = family_of(exposure)
            if family is not Family.IPV4:
                continue
            peers = self.where.peers(exposure) or (family_match(family),)
            to = nft.Dnat("ip", str(exposure.to))
            for flow in exposure.flows:
                if not flow.carried and family in flow.families:
                    yield (wans, *peers, _LOCAL, flow_match(flow), nft.Counter(), to)
