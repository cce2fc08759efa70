"""What packets experience under given values of a family's switches, from the data alone.

A flow is known by its layer 4, port and address family, never by the name of its protocol: a
user's own protocol on udp/500 meets the switch for IPsec like IKE does. A switch that is not
managed has some value that nobody knows, so what it reaches is ``unknown``, unless an observed
answer of the router says more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from compiler.model.device import Device
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.modules import kernel_version, missing
from compiler.toggles.family import Family, HelperFact, Loading, Scalar, Toggle, Value

#: The first kernel that does not assign helpers by itself
#: (sysctl net.netfilter.nf_conntrack_helper, off by default since Linux 4.7).
_NO_AUTOMATIC_HELPERS = (4, 7)


def effects(
    family: Family,
    values: Mapping[str, Scalar],
    device: Device,
    probes: Sequence[Probe],
) -> tuple[Effect, ...]:
    """Say what each probe experiences, in the order of the probes.

    ``values`` holds what is known of the switches; a switch that is absent has any value.
    """
    assigned = loaded_state(device)
    found = (_effect(family, values, assigned, probe) for probe in probes)
    inside = (_beyond_wan(family, device, _beyond_main(family, device, e)) for e in found)
    return tuple(_without_modules(device, effect) for effect in inside)


def loaded_state(device: Device) -> HelperState:
    """Say what becomes of a helper that is loaded: the fact ``kernel`` decides.

    Kernels before 4.7 assign it; of newer ones it is not known whether the firmware does, and
    nothing is known of a kernel that nobody stated.
    """
    version = kernel_version(device.facts.get("kernel"))
    if version is not None and version < _NO_AUTOMATIC_HELPERS:
        return HelperState.ASSIGNED
    return HelperState.UNKNOWN


def helper_states(
    family: Family, values: Mapping[str, Scalar], device: Device
) -> Mapping[str, HelperState]:
    """Give the state of every NAT helper of a family under these values."""
    assigned = loaded_state(device)
    return {fact.name: _helper(family, values, assigned, fact)[0] for fact in family.helpers}


def _without_modules(device: Device, effect: Effect) -> Effect:
    """Take a helper back whose kernel modules the router is stated not to have."""
    helper = effect.probe.flow.helper
    if helper is None or effect.helper is HelperState.NOT_NEEDED:
        return effect
    absent = missing(device, helper.modules)
    if not absent:
        return effect
    because = f"{effect.because}; the router has no {' and no '.join(absent)}"
    return replace(effect, helper=HelperState.ABSENT, because=because)


def _beyond_main(family: Family, device: Device, effect: Effect) -> Effect:
    """Take a drop back in LAN zones that the firmware's rules do not name."""
    if effect.probe.direction is Direction.IN or not family.beyond_main:
        return effect
    stated = device.facts.get(family.beyond_main)
    main = device.lan_zones[0].name if device.lan_zones else ""
    if effect.verdict is not Verdict.DROP or stated is True or effect.probe.source == main:
        return effect
    if stated is False:
        because = f"{effect.because} holds for the zone {main} alone"
        return replace(effect, verdict=Verdict.PASS, because=because)
    because = f"{effect.because}: whether it holds beyond the zone {main} is not known"
    return replace(effect, verdict=Verdict.UNKNOWN, because=because)


def _beyond_wan(family: Family, device: Device, effect: Effect) -> Effect:
    """Doubt a drop on the way to further WAN zones, unless the firmware writes it for each."""
    probe = effect.probe
    if effect.verdict is not Verdict.DROP or family.beyond_wan is None:
        return effect
    first = device.wan_zones[0].name if device.wan_zones else ""
    fact, everywhere = family.beyond_wan
    outward = probe.direction is Direction.OUT and probe.destination != first
    if not outward or device.facts.get(fact) == everywhere:
        return effect
    because = f"{effect.because}: whether it holds beyond the WAN {first} is not known"
    return replace(effect, verdict=Verdict.UNKNOWN, because=f"{because} (fact {fact})")


def _effect(
    family: Family, values: Mapping[str, Scalar], assigned: HelperState, probe: Probe
) -> Effect:
    if probe.direction is Direction.IN:
        return _inbound(family, values, probe)
    verdict, because = _outbound(family, values, probe)
    helper = HelperState.NOT_NEEDED
    fact = family.helper_of(probe)
    if fact is not None:
        helper, why = _helper(family, values, assigned, fact)
        because = f"{because}; {why}" if verdict is Verdict.PASS else because
    return Effect(probe, verdict, because, helper, family.cuts_running)


def _outbound(family: Family, values: Mapping[str, Scalar], probe: Probe) -> tuple[Verdict, str]:
    reaching = [toggle for toggle in family.toggles if toggle.reaches(probe)]
    known = [(toggle, _value(toggle, values), _gate(toggle, values)) for toggle in reaching]
    for toggle, value, gate in known:
        if gate and value and any(match.covers(probe) for match in value.drops):
            return Verdict.DROP, f"{toggle.key}={value.shown}"
    passing = []
    for toggle, value, gate in known:
        if gate is False:
            passing.append(f"{toggle.key} has no effect without {toggle.gate}")
            continue
        if value is None:
            return Verdict.UNKNOWN, f"{toggle.key} is not managed and its value is not known"
        if any(match.covers(probe) for match in value.unsure):
            return Verdict.UNKNOWN, f"{toggle.key}={value.shown}: {toggle.unsure_because}"
        if any(match.covers(probe) for match in value.drops):
            drop = f"{toggle.key}={value.shown}"
            return Verdict.UNKNOWN, f"whether {drop} does anything without {toggle.gate} is unknown"
        passing.append(f"{toggle.key}={value.shown}")
    return Verdict.PASS, ", ".join(passing) or "no switch of this family touches it"


def _gate(toggle: Toggle, values: Mapping[str, Scalar]) -> bool | None:
    return toggle.gate.holds(values) if toggle.gate else True


def _inbound(family: Family, values: Mapping[str, Scalar], probe: Probe) -> Effect:
    for toggle in family.toggles:
        value = _value(toggle, values)
        if value and any(match.covers(probe) for match in value.opens):
            return Effect(probe, Verdict.PASS, f"{toggle.key}={value.shown}")
        if value is None and toggle.reaches(probe):
            because = f"{toggle.key} is not managed and its value is not known"
            return Effect(probe, Verdict.UNKNOWN, because)
    return Effect(probe, Verdict.DROP, "no switch of this family opens a way in")


def _value(toggle: Toggle, values: Mapping[str, Scalar]) -> Value | None:
    native = values.get(toggle.key)
    return None if native is None else toggle.value(native)


def _helper(
    family: Family, values: Mapping[str, Scalar], assigned: HelperState, fact: HelperFact
) -> tuple[HelperState, str]:
    governing = [toggle for toggle in family.toggles if toggle.governs(fact.name)]
    if not governing and not fact.loaded:
        return fact.built_in, f"the {fact.name} helper has no switch here"
    for toggle in governing:
        value = _value(toggle, values)
        if value is None:
            return HelperState.UNKNOWN, f"{toggle.key} is not managed and its value is not known"
        if (fact.name, Loading.ABSENT) in value.helpers:
            return HelperState.ABSENT, f"{toggle.key}={value.shown} unloads the {fact.name} helper"
    why = (
        "assigned by the kernel"
        if assigned is HelperState.ASSIGNED
        else ("whether this kernel assigns it is not known")
    )
    return assigned, f"the {fact.name} helper is loaded, {why}"
