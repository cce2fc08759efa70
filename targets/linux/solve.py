"""Intent into one nft table.

The shape, each part of it seen with real packets (see README.md):

- forward, first: established traffic that the verdict map cannot hold leaves.
- forward, second: one verdict map, by destination port of packets that go out and by source port of
  replies. It holds only flows that are blocked somewhere, so a block also cuts tunnels that are
  up.
- forward, next: established and related traffic leaves.
- then what is new: exposures, signatures, LAN to WAN.
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
_INVALID: nft.Rule = (nft.Match("ct state", ("invalid",)), DROP)


def solve(intent: Intent, device: Device, options: Options) -> nft.Table:
    """Give the table for a checked device."""
    where = Where(device, PairSets(device))
    branches = Branches(intent, where, options.gateway and options.forward_drop)
    branches.sort()
    new, nat = NewTraffic(intent, where, branches, options), Nat(intent, where, options)
    forward = nft.Chain("forward", tuple(_forward(branches, new, options)), _hook(options))
    chains = (*branches.chains.values(), forward, *nat.chains())
    sets = sorted([*where.sets(), *branches.sets()], key=lambda found: found.name)
    return nft.Table(TABLE, nat.helpers(), tuple(sets), (*branches.maps(), *new.maps()), chains)


def _forward(branches: Branches, new: NewTraffic, options: Options) -> Iterator[nft.Rule]:
    yield from branches.rules()
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
