"""A firmware model as what a proof loads: the rules, our script's before them, and the helpers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import HelperState
from compiler.model.protocol import Family
from compiler.toggles.firmware import everywhere
from compiler.toggles.script import CHAIN, Rule

#: Settings of a family, a device and an address family: the filter table that firmware writes.
#: Raises a TargetError (T406) where nobody has read it.
Model = Callable[[Any, Device, Family], str]


def data_path(
    name: str,
    model: Model,
    settings: Any,
    device: Device,
    helpers: Mapping[str, HelperState],
    script: Iterable[Rule] = (),
) -> DataPath:
    """Give the rules of a model. NAT is the lab's: firmware's own NAT has no part in passthrough.

    Raises:
        TargetError: T406, nobody has read what this firmware writes.
    """
    own = tuple(script)
    texts = {
        family: _with_script(model(settings, device, family), own, device, family)
        for family in Family
    }
    return DataPath(
        iptables=texts[Family.IPV4],
        ip6tables=texts[Family.IPV6],
        basis=f"the filter rules of {name}, as its README.md has read them; NAT is the lab's",
        translates=False,
        helpers=_in_state(helpers, HelperState.ASSIGNED),
        unsure_helpers=_in_state(helpers, HelperState.UNKNOWN),
    )


def _in_state(helpers: Mapping[str, HelperState], wanted: HelperState) -> tuple[str, ...]:
    return tuple(sorted(name for name, state in helpers.items() if state is wanted))


def _with_script(text: str, rules: tuple[Rule, ...], device: Device, family: Family) -> str:
    """Put the rules of our firewall script where it puts them: before everything else."""
    lines = [rule.line.partition(" ")[2] for rule in rules if rule.family is family]
    if not lines:
        return text
    entry = everywhere([f"-A FORWARD -i {{lan}} -o {{wan}} -j {CHAIN}"], device)
    head, first, rest = text.partition("-A ")
    added = "".join(f"{line}\n" for line in [*lines, *entry])
    return f"{head}:{CHAIN} - [0:0]\n{added}{first}{rest}"
