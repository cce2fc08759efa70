"""The data path of a Vyatta router: its firmware's rules for our paths in a usual config."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import HelperState
from compiler.model.modules import missing
from compiler.model.protocol import Family
from compiler.vyatta.dialect import HELPER, Dialect
from compiler.vyatta.firmware.chains import Chains
from compiler.vyatta.firmware.rulesets import Rulesets
from compiler.vyatta.firmware.usual import beside
from compiler.vyatta.firmware.words import unmodelled
from compiler.vyatta.render import cuts
from compiler.vyatta.settings import OFF, ON, VyattaSettings
from compiler.vyatta.tree import Tree, at, tree_of

_NAME = "pptp"
_MODULES = ("nf_conntrack_pptp", "nf_nat_pptp")
_PARTS = ("firewall", "interfaces", "nat", "service")
_PLAIN = re.compile(r"[A-Za-z0-9_.:,/!*@+-]+")
_BASIS = "what {system} writes for our paths in a usual config, as read in its source (README.md)"


@dataclass(frozen=True, slots=True)
class Tables:
    """The rules of a whole config, for the tools that load them."""

    nft: str = ""
    iptables: str = ""
    ip6tables: str = ""


def tables(tree: Tree, dialect: Dialect) -> Tables:
    """Write what the firmware writes for a config.

    Raises:
        TargetError: T406, the config has what is not modelled.
    """
    for part in _PARTS:
        _check(at(tree, part))
    if dialect.forward:
        return Tables("".join(Chains(tree, family).text() for family in Family))
    texts = (
        Rulesets(tree, family, passes_over=dialect.passes_over).text()
        for family in (Family.IPV4, Family.IPV6)
    )
    return Tables("", *texts)


def _check(tree: Tree) -> None:
    """Refuse words that could be more than a word in the text of a rule."""
    for word, node in tree.items():
        if word == "description":
            continue
        if not _PLAIN.fullmatch(word):
            raise unmodelled(ascii(word))
        _check(node)


def data_path(settings: VyattaSettings, device: Device, dialect: Dialect) -> DataPath:
    """Give the rules of a router with our settings.

    Raises:
        TargetError: T406.
    """
    state = helper(settings, device, dialect)
    ours = [*settings.paths, *([HELPER] if state is HelperState.ASSIGNED else [])]
    found = tables(tree_of([*beside(device, dialect), *ours]), dialect)
    by_itself = state is HelperState.ASSIGNED and not dialect.forward
    return DataPath(
        nft=found.nft,
        iptables=found.iptables,
        ip6tables=found.ip6tables,
        basis=_BASIS.format(system=dialect.name),
        helpers=(_NAME,) if by_itself else (),
        unsure_helpers=(_NAME,) if state is HelperState.UNKNOWN else (),
        ends=tuple(_ended(settings)),
    )


def helper(settings: VyattaSettings, device: Device, dialect: Dialect) -> HelperState:
    """Say what the conntrack modules leave of the PPTP helper.

    Switched off, both modules are removed. Switched on, VyOS assigns it: by a rule (1.4), or with
    ``nf_conntrack_helper`` set as the module's option (1.3). Of EdgeOS nobody has read who does.
    """
    if settings.helper == OFF or missing(device, _MODULES):
        return HelperState.ABSENT
    alone = device.facts.get("auto_helper")
    if settings.helper != ON or not (dialect.assigns or isinstance(alone, bool)):
        return HelperState.UNKNOWN
    return HelperState.ASSIGNED if dialect.assigns or alone else HelperState.IDLE


def _ended(settings: VyattaSettings) -> Iterator[tuple[str, ...]]:
    """Give the connections that apply.sh ends."""
    for family, protocol, first, last in cuts(settings):
        found = ("-f", family, "-p", str(protocol))
        if not first:
            yield found
        for port in range(first, last + 1) if first else ():
            yield (*found, "--orig-port-dst", str(port))
