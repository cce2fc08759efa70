"""Intent into one nft table.

The shape, each part of it seen with real packets (see README.md):

- forward, first: ordinary packets, which the verdict map cannot hold, go to the chain of their own
  (``ordinary_``).
- forward, second: one verdict map, by destination port of packets that go out and by source port of
  replies. It holds only flows that are blocked somewhere, so a block also cuts tunnels that are
  up.
- forward, next: established and related traffic leaves; the rest is ordinary now.
- ordinary: established and related traffic leaves; then what is new: exposures, signatures, LAN to
  WAN. Where nothing goes around the map, these rules stand behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.model.device import Device
from compiler.model.intent import Intent
from targets.linux import nft
from targets.linux.branches import Branches
from targets.linux.matches import ACCEPT, DROP, RUNNING
from targets.linux.nat import Nat
from targets.linux.new import NewTraffic
from targets.linux.options import Options
from targets.linux.where import Where
from targets.linux.zones import PairSets

TABLE = "passthru"
#: An overlay stands before the usual firewall, so that its drops come first and cheaply.
OVERLAY_PRIORITY = -10
_ORDINARY = nft.Verdict("goto", "ordinary_")
_INVALID: nft.Rule = (nft.Match("ct state", ("invalid",)), DROP)


def solve(intent: Intent, device: Device, options: Options) -> nft.Table:
    """Give the table for a checked device."""
    where = Where(device, PairSets(device))
    branches = Branches(intent, where, options.gateway and options.forward_drop)
    branches.sort()
    new, nat = NewTraffic(intent, where, branches, options), Nat(intent, where, options)
    chains = (*branches.chains.values(), *_forward(branches, new, options), *nat.chains())
    sets = sorted([*where.sets(), *branches.sets()], key=lambda found: found.name)
    maps = (*branches.flow_maps.maps, *new.maps())
    return nft.Table(TABLE, nat.helpers(), tuple(sets), maps, chains)


def _forward(branches: Branches, new: NewTraffic, options: Options) -> Iterator[nft.Chain]:
    hook, rest = _hook(options), tuple(_rest(new, options))
    around, look_ups = branches.bypass, branches.flow_maps.rules
    if around is None:
        yield nft.Chain("forward", (*look_ups, *rest), hook)
    elif not rest:
        yield nft.Chain("forward", ((*around.ordinary, ACCEPT), *look_ups), hook)
    else:
        yield nft.Chain(_ORDINARY.chain, rest)
        first, last = (*around.ordinary, _ORDINARY), ((RUNNING, ACCEPT), (_ORDINARY,))
        yield nft.Chain("forward", (first, *look_ups, *last), hook)


def _rest(new: NewTraffic, options: Options) -> Iterator[nft.Rule]:
    """Give the rules for what the map lets go on; in an overlay there may be none."""
    rules = tuple(new.rules())
    if options.gateway or rules:
        yield (RUNNING, ACCEPT)
    if options.gateway:
        yield _INVALID
    yield from rules


def _hook(options: Options) -> nft.Hook:
    if options.gateway:
        return nft.Hook("filter", "forward", 0, "drop")
    return nft.Hook("filter", "forward", OVERLAY_PRIORITY, "accept")
