"""From the sections of a config to the ruleset that firewall4 would load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from targets.openwrt.fw4 import (
    chains,
    forwardings,
    includes,
    redirects,
    rules,
    schema,
    signatures,
    zones,
)
from targets.openwrt.fw4 import values as v
from targets.openwrt.fw4.ruleset import Ruleset
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import Helper, State, Zone, ZoneName, label
from targets.openwrt.networks import Networks
from targets.openwrt.uci import Section

#: firewall4's own list: root/usr/share/firewall4/helpers.
_HELPERS = (
    Helper("amanda", "nf_conntrack_amanda", "udp", 10080, 0, "Amanda backup and archiving proto"),
    Helper("ftp", "nf_conntrack_ftp", "tcp", 21, 0, "FTP passive connection tracking"),
    Helper("RAS", "nf_conntrack_h323", "udp", 1719, 0, "RAS proto tracking"),
    Helper("Q.931", "nf_conntrack_h323", "tcp", 1720, 0, "Q.931 proto tracking"),
    Helper("irc", "nf_conntrack_irc", "tcp", 6667, 4, "IRC DCC connection tracking"),
    Helper("netbios-ns", "nf_conntrack_netbios_ns", "udp", 137, 4, "NetBIOS name service tracking"),
    Helper("pptp", "nf_conntrack_pptp", "tcp", 1723, 4, "PPTP VPN connection tracking"),
    Helper("sane", "nf_conntrack_sane", "tcp", 6566, 0, "SANE scanner connection tracking"),
    Helper("sip", "nf_conntrack_sip", "udp", 5060, 0, "SIP VoIP connection tracking"),
    Helper("snmp", "nf_conntrack_snmp", "udp", 161, 4, "SNMP monitoring connection tracking"),
    Helper("tftp", "nf_conntrack_tftp", "udp", 69, 0, "TFTP connection tracking"),
    Helper("rtsp", "nf_conntrack_rtsp", "tcp", 554, 4, "RTSP connection tracking"),
)  # fmt: skip
#: The kernel's modules; ``True`` stands for all of them, ``False`` for none.
Modules = frozenset[str] | bool
_Add = Callable[[State, str, dict[str, Any]], None]
#: The order in which fw4 reads the types of sections.
_ORDER: tuple[tuple[str, _Add], ...] = (
    ("ipset", includes.add_set),
    ("zone", zones.add),
    ("rule", rules.add),
    ("forwarding", forwardings.add),
    ("redirect", redirects.add),
    ("nat", redirects.add_nat),
    ("include", includes.add_include),
)
_KNOWN = frozenset(type_ for type_, _ in _ORDER) | {"defaults"}


@dataclass(frozen=True, slots=True)
class Firewall:
    """What fw4 makes of a config.

    - ``ruleset`` is ``None`` where fw4 makes none that nft loads; ``why`` says why, or why
      nothing can be said of the packets that it decides.
    - ``zones`` are those of the config; ``vanished`` and ``traps`` name sections, with the reason.
    """

    ruleset: Ruleset | None
    why: str
    zones: tuple[Zone, ...]
    vanished: tuple[tuple[str, str], ...]
    traps: tuple[tuple[str, str], ...]
    offloads: bool = False


def load(sections: Sequence[Section], networks: Networks, modules: Modules) -> Firewall:
    """Read the package ``firewall`` as fw4 does."""
    known = {each.name: each for each in helpers(modules)}
    state = State(networks, known, signatures.files(sections))
    crash = _defaults(state, sections)
    if not crash:
        every = tuple(labelled(sections))
        for type_, add in _ORDER:
            for origin, section in every:
                if section.type == type_ and not crash:
                    crash = _add(state, origin, section, add)
        _tell_foreign(state, every)
    built = None if crash else chains.ruleset(state)
    why = crash or "; ".join(dict.fromkeys(state.refusals or state.doubts))
    return Firewall(
        None if why else built,
        why,
        tuple(state.zones),
        tuple(state.vanished),
        tuple(state.traps),
        bool(state.defaults.get("flow_offloading")),
    )


def helpers(modules: Modules) -> Iterator[Helper]:
    """Give the helpers of the firewall's own list, and whether the kernel has them."""
    for each in _HELPERS:
        available = modules if isinstance(modules, bool) else each.module in modules
        yield replace(each, available=available)


def labelled(sections: Sequence[Section]) -> Iterator[tuple[str, Section]]:
    """Name sections as ``uci`` and people do."""
    numbers: Counter[str] = Counter()
    for section in sections:
        yield label(section, numbers[section.type]), section
        numbers[section.type] += 1


def _defaults(state: State, sections: Sequence[Section]) -> str:
    """Read the first ``defaults``; fw4 ends with an error where they hold an invalid value."""
    table = schema.tables(state.networks, str, str, {})["defaults"]
    found = [section for section in sections if section.type == "defaults"]
    section = found[0] if found else Section("defaults", "")
    try:
        state.defaults = schema.read(section, table)
    except Vanishes as reason:
        return f"fw4 ends with an error, so no rules are loaded: defaults: {reason}"
    state.traps += (
        ("defaults", f"fw4 ignores '{name}'") for name in schema.unknown(section, table)
    )
    state.traps += (("defaults", "fw4 takes the first such section only") for _ in found[1:])
    return ""


def _tables(state: State) -> Mapping[str, Mapping[str, schema.Option]]:
    policies = {word: str(state.defaults[word]) for word in ("input", "output", "forward")}

    def zone(text: str) -> ZoneName | None:
        return state.zone(text)

    def helper(text: str) -> Helper | None:
        found = v.named(text)
        known = state.helpers.get(found.word) if found else None
        if known is None or found is None:
            return None
        return replace(known, negated=found.negated)

    return schema.tables(state.networks, zone, helper, policies)


def _add(state: State, origin: str, section: Section, add: _Add) -> str:
    """Add a section; a text says that fw4 ends with an error over it."""
    table = _tables(state)[section.type]
    try:
        options = schema.read(section, table)
    except Vanishes as reason:
        if section.type == "include":
            return f"fw4 ends with an error, so no rules are loaded: {origin}: {reason}"
        state.vanished.append((origin, str(reason)))
        return ""
    if options["enabled"]:
        state.traps += ((origin, f"fw4 ignores '{n}'") for n in schema.unknown(section, table))
        try:
            add(state, origin, options)
        except Vanishes as reason:
            state.vanished.append((origin, str(reason)))
    return ""


def _tell_foreign(state: State, every: Sequence[tuple[str, Section]]) -> None:
    state.traps += (
        (origin, f"fw4 has no sections of type '{section.type}'")
        for origin, section in every
        if section.type not in _KNOWN and section.type != "passthru"
    )
