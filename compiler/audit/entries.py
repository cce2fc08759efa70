"""What a config does with one protocol, as an entry of a policy where one can say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from compiler.audit.mentioned import Mentioned
from compiler.model.device import Address, Device, Network, Role
from compiler.model.effect import Effect, HelperState, Verdict

#: Nobody reads an entry with more networks than these.
_MOST_LISTED = 16


def entry_of(effects: Sequence[Effect], mentioned: Mentioned) -> tuple[Any, Effect | None]:
    """Say what a policy would, or give the effect that it cannot say."""
    unknown = next((e for e in effects if e.verdict is Verdict.UNKNOWN), None)
    if unknown is not None:
        return None, unknown
    passing = [effect for effect in effects if effect.verdict is Verdict.PASS]
    idle = next((effect for effect in passing if helper_is_off(effect)), None)
    if idle is not None:
        return None, idle  # to pass means to work
    if len(passing) == len(effects):
        return "pass", None
    if not passing:
        return "block", None
    entry = _by_zone(effects, passing, mentioned.device)
    entry = entry or _by_address("from", effects, mentioned.inside, _source)
    entry = entry or _by_address("to", effects, mentioned.outside, _destination)
    return (entry, None) if entry else (None, _odd(effects, passing))


def helper_is_off(effect: Effect) -> bool:
    """Tell whether a packet misses the helper that its protocol needs."""
    return effect.helper in (HelperState.IDLE, HelperState.ABSENT, HelperState.UNKNOWN)


def _by_zone(
    effects: Sequence[Effect], passing: Sequence[Effect], device: Device
) -> dict[str, Any] | None:
    """Say that some zones or one family pass, where that is all that tells packets apart."""
    zones = {effect.probe.source for effect in passing}
    families = {effect.probe.family for effect in passing}
    inside = [e for e in effects if e.probe.source in zones and e.probe.family in families]
    if any(effect.verdict.blocks for effect in inside):
        return None
    entry: dict[str, Any] = {"action": "pass", "otherwise": "block"}
    if zones != {zone.name for zone in device.zones if zone.role is Role.LAN}:
        entry["from"] = sorted(zones)
    if families != {effect.probe.family for effect in effects}:
        entry["families"] = sorted(str(family) for family in families)
    return entry


def _by_address(
    limit: str,
    effects: Sequence[Effect],
    networks: Iterable[Network],
    address: Callable[[Effect], Address | None],
) -> dict[str, Any] | None:
    """Say that some networks alone pass, or alone are blocked, where that is all."""
    for entry, passes in (
        ({"action": "pass", "otherwise": "block"}, True),
        ({"action": "block"}, False),
    ):
        chosen = alike(
            networks, [(address(e), (e.verdict is Verdict.PASS) is passes) for e in effects]
        )
        if chosen:
            return {**entry, limit: [str(net) for net in chosen]}
    return None


def alike(
    networks: Iterable[Network], asked: Sequence[tuple[Address | None, bool]]
) -> tuple[Network, ...]:
    """Give the networks whose addresses alone are so; none where no networks tell it."""
    chosen: list[Network] = []
    for net in networks:  # wider ones come before those inside
        so = [yes for address, yes in asked if _in(address, [net])]
        if so and all(so) and not _in(net.network_address, chosen):
            chosen.append(net)
    exact = len(chosen) <= _MOST_LISTED and all(
        yes is _in(address, chosen) for address, yes in asked
    )
    return tuple(chosen) if exact else ()


def _in(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(
        address.version == net.version and address in net for net in networks
    )


def _source(effect: Effect) -> Address | None:
    return effect.probe.source_address


def _destination(effect: Effect) -> Address | None:
    return effect.probe.destination_address


def _odd(effects: Sequence[Effect], passing: Sequence[Effect]) -> Effect:
    """Give an effect that is unlike most."""
    few = [effect for effect in effects if effect.verdict.blocks]
    return min(few, passing, key=len)[0]
