"""From the sections of a config to what packets experience under firewall3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from targets.openwrt.fw3 import options as o
from targets.openwrt.fw3 import rules
from targets.openwrt.fw4 import chains
from targets.openwrt.fw4 import values as v
from targets.openwrt.fw4.load import Firewall, Modules, helpers, labelled
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import Interface, State, Zone
from targets.openwrt.fw4.zones import assignment
from targets.openwrt.networks import Networks
from targets.openwrt.uci import Section

#: zones.h: FW3_ZONE_MAXNAMELEN.
_LONGEST_ZONE = 11
_KNOWN = frozenset(
    {"defaults", "zone", "forwarding", "rule", "redirect", "nat", "include", "ipset", "helper"}
)


def load(sections: Sequence[Section], networks: Networks, modules: Modules) -> Firewall:
    """Read the package ``firewall`` as fw3 does."""
    state = State(networks, {each.name: each for each in helpers(modules)})
    _defaults(state, [section for section in sections if section.type == "defaults"])
    every = tuple(labelled(sections))
    _each(state, every, "zone", _add_zone)
    _each(state, every, "rule", rules.add)
    _each(state, every, "redirect", rules.add_redirect)
    _each(state, every, "forwarding", rules.add_forwarding)
    _each(state, every, "include", _add_include)
    _tell(state, every)
    why = "; ".join(dict.fromkeys((*state.refusals, *state.doubts)))
    built = chains.ruleset(state, "fw3")
    return Firewall(
        None if why else built,
        why,
        tuple(state.zones),
        tuple(state.vanished),
        tuple(state.traps),
        bool(state.defaults["flow_offloading"]),
    )


def _each(
    state: State,
    every: Sequence[tuple[str, Section]],
    type_: str,
    add: Callable[[State, str, Section], None],
) -> None:
    for origin, section in every:
        if section.type == type_:
            try:
                add(state, origin, section)
            except Vanishes as reason:
                state.vanished.append((origin, str(reason)))


def _defaults(state: State, found: Sequence[Section]) -> None:
    section = found[0] if found else Section("defaults", "")
    if not found:
        state.doubts.append("without a section 'defaults' nobody knows what fw3 does")
    state.defaults = {
        "forward": o.policy(section, "forward", "drop"),
        "drop_invalid": o.flag(section, "drop_invalid", default=False),
        "auto_helper": o.flag(section, "auto_helper", default=True),
        "flow_offloading": o.flag(section, "flow_offloading", default=False),
        "disable_ipv6": o.flag(section, "disable_ipv6", default=False),
        "tcp_reject_code": "tcp-reset",
        "any_reject_code": "port-unreachable",
    }
    state.traps += (("defaults", "fw3 takes the first such section only") for _ in found[1:])


def _add_zone(state: State, origin: str, section: Section) -> None:
    name = section.text("name")
    if not o.flag(section, "enabled", default=True):
        return
    if not name:
        raise Vanishes("option 'name' is missing")
    if len(name) > _LONGEST_ZONE:
        raise Vanishes(f"its name has more than {_LONGEST_ZONE} characters")
    if any(zone.name == name for zone in state.zones):
        state.doubts.append(f"{origin}: what fw3 does with two zones of one name is not known")
    try:
        family = o.family(section)
    except Vanishes:
        family = 0
    masq = o.flag(section, "masq", default=False)
    devices = tuple(_devices(state, section))
    zone = Zone(
        name,
        origin,
        family,
        _last(tuple(_interfaces(state, section, devices, family))),
        tuple(_wildcard(d.word) for d in devices if not d.negated),
        {"forward": o.policy(section, "forward", str(state.defaults["forward"]))},
        {
            "masq": masq,
            "guards_both": masq,
            "masq_allow_invalid": o.flag(section, "masq_allow_invalid", default=False),
            "log": section.text("log") not in ("", "0"),
        },
        o.words(section, "network"),
    )
    zone.leads_to.add(zone.policies["forward"])
    _add_helpers(state, section, zone)
    state.zones.append(zone)


def _devices(state: State, section: Section) -> Iterator[v.Named]:
    seen: set[str] = set()
    for word in o.words(section, "device"):
        named = v.named(word.partition("@")[0])
        if named:
            seen.add(named.word)
            yield named
    for word in o.words(section, "network"):
        named = v.named(word)
        device = state.networks.device(named.word) if named else ""
        # a device of that name is enough for fw3, even where it is negated
        if device and device not in seen:
            seen.add(device)
            yield v.Named(device)


def _last(found: tuple[Interface, ...]) -> tuple[Interface, ...]:
    """Keep the last of equal ones: fw3 takes a rule away before it appends the same again."""
    return tuple(reversed(dict.fromkeys(reversed(found))))


def _wildcard(word: str) -> str:
    return word[:-1] + "*" if word.endswith("+") else word


def _interfaces(
    state: State, section: Section, devices: Sequence[v.Named], family: int
) -> Iterator[Interface]:
    extra = any(section.get(name) is not None for name in ("extra", "extra_src", "extra_dest"))
    subnets = o.ends(section, "subnet", state.networks)
    if not devices and section.get("subnet") is None and not extra:
        return
    for device, end in product(devices or (v.Named("+"),), subnets):
        doubt = "extra arguments for iptables decide" if extra else end.doubt
        every = device.word in ("+", "*")
        positive = () if every or device.negated else (_wildcard(device.word),)
        negative = (_wildcard(device.word),) if device.negated else ()
        address = end.address
        versions = [family] if family else [4, 6] if address is None else [address.family]
        for version in versions:
            if address is None:
                yield Interface(version, positive, negative, doubt=doubt)
            elif address.family == version and address.mask:
                yield Interface(version, positive, negative, masked=(address,), doubt=doubt)
            elif address.family == version:
                some, none = ((), (address.text,)) if address.negated else ((address.text,), ())
                yield Interface(version, positive, negative, some, none, doubt=doubt)


def _add_helpers(state: State, section: Section, zone: Zone) -> None:
    listed = o.words(section, "helper")
    automatic = o.flag(section, "auto_helper", default=True) and state.defaults["auto_helper"]
    if not listed and (zone.options["masq"] or not automatic):
        return
    names = {name.lower(): name for name in state.helpers}
    asked = [names.get(word.lower(), "") for word in listed] if listed else list(state.helpers)
    zone.helper = True
    for name in asked:
        if name and state.helpers[name].available:
            state.add(f"helper_{zone.name}", assignment(state.helpers[name], zone))


def _add_include(state: State, origin: str, section: Section) -> None:
    path = section.text("path")
    if o.flag(section, "enabled", default=True) and path:
        state.doubts.append(f"{origin}: what {path} holds is not known")


def _tell(state: State, every: Sequence[tuple[str, Section]]) -> None:
    for origin, section in every:
        if section.type not in _KNOWN and section.type != "passthru":
            state.traps.append((origin, f"fw3 has no sections of type '{section.type}'"))
        if section.type == "helper":
            state.doubts.append(f"{origin}: helpers of the config's own are not looked at")
        if section.type == "rule" and section.get("target") is None:
            state.traps.append((origin, "without a target fw3 rejects"))
