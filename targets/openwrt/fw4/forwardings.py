"""``config forwarding``: what may go from one zone to another."""

from __future__ import annotations

from typing import Any

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.matches import family_of
from targets.openwrt.fw4.ruleset import Rule
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import State, infer_family


def add(state: State, origin: str, options: dict[str, Any]) -> None:
    """Take a forwarding in.

    Raises:
        Vanishes: fw4 skips it.
    """
    source, destination = options["src"], options["dest"]
    family = infer_family(options.get("family"), family_of(source), family_of(destination))
    if isinstance(family, str):
        raise Vanishes(family)
    parts = [nft.match("meta nfproto", [f"ipv{family}"])] if family else []
    if destination.zone is None:
        parts.append(nft.verdict("accept"))
    else:
        destination.zone.leads_to.add("accept")
        parts.append(nft.jump(f"accept_to_{destination.zone.name}"))
    words = [zone.zone.name if zone.zone else "any" for zone in (source, destination)]
    name = options.get("name") or f"Accept {words[0]} to {words[1]} forwarding"
    state.check_name(origin, name)
    chain = f"forward_{source.zone.name}" if source.zone else "forward"
    told = f"{origin} {words[0]} to {words[1]}"
    state.add(chain, Rule(tuple(parts), told, f"!fw4: {name}"))
