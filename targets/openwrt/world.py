"""The rules of a router in one possible world: what its firewall makes of a config."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from compiler.evaluate import Ruleset, load_nft
from compiler.evaluate.ruleset import Rule
from compiler.model.effect import HelperState
from compiler.model.survey import HelperFound
from targets.openwrt.facts import HELPERS, Firewall
from targets.openwrt.fw3 import load as fw3
from targets.openwrt.fw4 import load as fw4
from targets.openwrt.fw4 import ruleset as made
from targets.openwrt.fw4.load import Modules
from targets.openwrt.fw4.state import Zone
from targets.openwrt.networks import Network, Networks
from targets.openwrt.uci import Section

_HANDLE = re.compile(r"handle (\d+)")
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class ZoneFound:
    """A zone of the config: its devices, the networks behind them, and whether it hides them.

    ``members``: the names of its networks. ``real``: something says which devices it has.
    ``anything``: packets can be its own at all.
    """

    name: str
    devices: tuple[str, ...]
    members: tuple[str, ...]
    masquerades: bool
    networks: tuple[Network, ...] = ()
    real: bool = True
    anything: bool = True


@dataclass(frozen=True, slots=True)
class World:
    """What the firewall makes of a config.

    ``ruleset`` is ``None`` where it makes none that can be told; ``why`` says why. ``assigned``
    names, for each helper, who assigns it. ``listing`` is what a kernel can be given of the rules.
    """

    ruleset: Ruleset | None
    why: str
    zones: tuple[ZoneFound, ...]
    vanished: tuple[tuple[str, str], ...] = ()
    traps: tuple[tuple[str, str], ...] = ()
    offloads: bool = False
    assigned: Mapping[str, str] = field(default_factory=dict)
    modules: Modules = True
    listing: str = ""

    def helper(self, name: str) -> HelperFound:
        """Say what becomes of a helper."""
        module = HELPERS[name][0]
        there = self.modules if isinstance(self.modules, bool) else module in self.modules
        if not there:
            because = f"the router lacks the kernel module {module}"
            return HelperFound(name, HelperState.ABSENT, because)
        by = self.assigned.get(name, "")
        if by:
            return HelperFound(name, HelperState.ASSIGNED, by)
        return HelperFound(name, HelperState.IDLE, f"no zone assigns the {name} helper")


def build(
    sections: Sequence[Section],
    networks: Networks,
    modules: Modules,
    firewall: Firewall,
) -> World:
    """Read a config as the router's firewall does."""
    load = fw3.load if firewall is Firewall.FW3 else fw4.load
    found = load(sections, networks, modules)
    zones = tuple(_zone(zone, networks) for zone in found.zones)
    ruleset = _named(load_nft(found.ruleset.listing()), found.ruleset) if found.ruleset else None
    assigned = dict(_assigned(found.ruleset)) if found.ruleset else {}
    return World(
        ruleset, found.why, zones, found.vanished, found.traps, found.offloads, assigned, modules,
        found.ruleset.listing(known=True) if found.ruleset else "",
    )  # fmt: skip


def _zone(zone: Zone, networks: Networks) -> ZoneFound:
    behind: list[Network] = []
    for name in zone.networks:
        addresses = networks.addresses(name)
        behind += addresses if isinstance(addresses, tuple) else ()
    return ZoneFound(
        zone.name,
        tuple(dict.fromkeys(zone.devices)),
        zone.networks,
        zone.masquerades,
        tuple(dict.fromkeys(behind)),
        all(networks.told(name) for name in zone.networks),
        bool(zone.interfaces),
    )


def _assigned(ruleset: made.Ruleset) -> Mapping[str, str]:
    return {
        str(part.data["ct helper"]): rule.origin
        for rule in reversed(tuple(ruleset.rules.values()))
        for part in rule.parts
        if isinstance(part.data.get("ct helper"), str)
    }


def _named(loaded: Ruleset, ours: made.Ruleset) -> Ruleset:
    """Name every rule after the section that it comes from."""
    chains = {
        name: replace(chain, rules=tuple(_renamed(rule, ours) for rule in chain.rules))
        for name, chain in loaded.chains.items()
    }
    return replace(loaded, chains=chains)


def _renamed(rule: Rule, ours: made.Ruleset) -> Rule:
    match = _HANDLE.fullmatch(rule.place)
    own = ours.rules[int(match[1])] if match else None
    if own is None or not own.origin:
        return replace(rule, place="")
    doubts = f" ({'; '.join(own.doubts)})" if own.doubts else ""
    return replace(rule, place=own.origin, text=f"{rule.text}{doubts}")
