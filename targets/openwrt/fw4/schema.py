"""What firewall4 takes in each type of section, and what makes it pass over a whole section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from targets.openwrt.fw4 import values as v
from targets.openwrt.fw4.addresses import Addresses, addresses
from targets.openwrt.networks import Networks
from targets.openwrt.uci import Section

#: Reads one value; ``None`` is an invalid one.
Reader = Callable[[str], Any]


class Vanishes(Exception):  # noqa: N818 - what happens to the section, not an error of ours
    """fw4 passes over the section; the text says why."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``many``: a list, or words in one option, and the value is a tuple then."""

    read: Reader
    default: str = ""
    many: bool = False
    required: bool = False
    negatable: bool = True
    supported: bool = True


def tables(
    networks: Networks, zones: Reader, helpers: Reader, policies: Mapping[str, str]
) -> Mapping[str, Mapping[str, Option]]:
    """Give the options of each type of section.

    ``zones`` and ``helpers`` find what names stand for; ``policies`` are the defaults of zones.
    """

    def address(text: str) -> Addresses | None:
        return addresses(text, networks)

    flag = Option(v.boolean)
    enabled = Option(v.boolean, "1")
    zone, negatable_helper = Option(zones), Option(helpers)
    helper = Option(helpers, negatable=False)
    times = {
        "utc_time": flag,
        "start_date": Option(v.date),
        "stop_date": Option(v.date),
        "start_time": Option(v.time),
        "stop_time": Option(v.time),
        "weekdays": Option(v.weekdays),
        "monthdays": Option(v.monthdays, supported=False),
    }
    rates = {"limit": Option(v.limit), "limit_burst": Option(v.integer)}
    common = {"enabled": enabled, "name": Option(v.string), "family": Option(v.family)}
    ignored_text, ignored_flag = (
        Option(v.string, supported=False),
        Option(v.boolean, supported=False),
    )
    return MappingProxyType(
        {
            "zone": {
                **common,
                "name": Option(v.identifier, required=True),
                "network": Option(v.named, many=True),
                "device": Option(v.named, many=True),
                "subnet": Option(address, many=True),
                **{name: Option(v.policy, word) for name, word in policies.items()},
                "masq": flag, "masq6": flag, "masq_allow_invalid": flag, "mtu_fix": flag,
                "masq_src": Option(address, many=True),
                "masq_dest": Option(address, many=True),
                "extra": ignored_text, "extra_src": ignored_text, "extra_dest": ignored_text,
                "custom_chains": ignored_flag,
                "log": Option(v.integer),
                "log_limit": Option(v.limit),
                "auto_helper": enabled,
                "helper": Option(helpers, many=True),
                "counter": enabled,
            },
            "forwarding": {
                **common,
                "src": Option(zones, required=True),
                "dest": Option(zones, required=True),
            },
            "rule": {
                **common, **times, **rates,
                "_name": ignored_text,
                "src": zone, "dest": zone,
                "device": Option(v.named, negatable=False),
                "direction": Option(v.direction),
                "ipset": Option(v.set_match),
                "helper": negatable_helper, "set_helper": helper,
                "proto": Option(v.protocol, "tcpudp", many=True),
                "src_ip": Option(address, many=True),
                "src_mac": Option(v.mac, many=True),
                "src_port": Option(v.port, many=True),
                "dest_ip": Option(address, many=True),
                "dest_port": Option(v.port, many=True),
                "icmp_type": Option(v.icmp_type, many=True),
                "extra": ignored_text,
                "mark": Option(v.mark),
                "set_mark": Option(v.mark, negatable=False),
                "set_xmark": Option(v.mark, negatable=False),
                "dscp": Option(v.dscp),
                "set_dscp": Option(v.dscp, negatable=False),
                "counter": enabled,
                "log": Option(v.string),
                "log_limit": Option(v.limit),
                "target": Option(v.target),
            },
            "redirect": {
                **common, **times, **rates,
                "_name": ignored_text,
                "src": zone, "dest": zone,
                "ipset": Option(v.set_match),
                "helper": helper,
                "proto": Option(v.protocol, "tcpudp", many=True),
                "src_ip": Option(address),
                "src_mac": Option(v.mac, many=True),
                "src_port": Option(v.port),
                "src_dip": Option(address),
                "src_dport": Option(v.port),
                "dest_ip": Option(address),
                "dest_port": Option(v.port),
                "extra": ignored_text,
                "mark": Option(v.mark),
                "reflection": enabled,
                "reflection_src": Option(v.reflection_source, "internal"),
                "reflection_zone": Option(zones, many=True),
                "counter": enabled,
                "log": Option(v.string),
                "log_limit": Option(v.limit),
                "target": Option(v.target, "dnat"),
            },
            "nat": {
                **common, **times, **rates,
                "src": zone,
                "device": Option(v.string),
                "ipset": Option(v.set_match, supported=False),
                "proto": Option(v.protocol, "all", many=True),
                "src_ip": Option(address),
                "src_port": Option(v.port),
                "snat_ip": Option(address, negatable=False),
                "snat_port": Option(v.port, negatable=False),
                "dest_ip": Option(address),
                "dest_port": Option(v.port),
                "extra": ignored_text,
                "connlimit_ports": flag,
                "mark": Option(v.mark),
                "counter": enabled,
                "log": Option(v.string),
                "target": Option(v.target, "masquerade"),
            },
            "include": {
                "enabled": enabled,
                "path": Option(v.string, required=True),
                "type": Option(v.include_type, "script"),
                "fw4_compatible": flag,
                "family": Option(v.family, supported=False),
                "reload": ignored_flag,
                "position": Option(v.position),
                "chain": Option(v.identifier),
            },
            "ipset": {
                "enabled": enabled,
                "reload_set": flag, "counters": flag,
                "comment": Option(v.string),
                "name": Option(v.identifier, required=True),
                "family": Option(v.family, "4"),
                "storage": ignored_text,
                "match": Option(v.set_part, many=True),
                "iprange": ignored_text, "portrange": ignored_text,
                "netmask": Option(v.integer, supported=False),
                "maxelem": Option(v.integer),
                "hashsize": Option(v.integer, supported=False),
                "timeout": Option(v.integer, "-1"),
                "external": ignored_text,
                "entry": Option(v.string, many=True),
                "loadfile": Option(v.string),
            },
            "defaults": _DEFAULTS,
        }
    )  # fmt: skip


_SWITCH = Option(v.boolean)
_DEFAULTS: Mapping[str, Option] = {
    "input": Option(v.policy, "drop"),
    "output": Option(v.policy, "drop"),
    "forward": Option(v.policy, "drop"),
    "tcp_reject_code": Option(v.reject_code, "tcp-reset"),
    "any_reject_code": Option(v.reject_code, "port-unreachable"),
    "synflood_rate": Option(v.limit, "25/second"),
    "synflood_burst": Option(v.integer, "50"),
    "tcp_ecn": Option(v.integer),
    "auto_helper": Option(v.boolean, "1"),
    "auto_includes": Option(v.boolean, "1"),
    "custom_chains": Option(v.boolean, supported=False),
    "disable_ipv6": Option(v.boolean, supported=False),
} | dict.fromkeys(
    (
        "drop_invalid", "syn_flood", "synflood_protect", "tcp_syncookies", "tcp_window_scaling",
        "accept_redirects", "accept_source_route", "flow_offloading", "flow_offloading_hw",
    ),
    _SWITCH,
)  # fmt: skip


def read(section: Section, options: Mapping[str, Option]) -> dict[str, Any]:
    """Read a section; options that fw4 ignores are left out.

    Raises:
        Vanishes: fw4 skips the whole section.
    """
    found: dict[str, Any] = {}
    for name, option in options.items():
        value = _value(section, name, option)
        if value is not None and option.supported:
            found[name] = value
    return found


def _value(section: Section, name: str, option: Option) -> Any:
    stated = section.get(name)
    if stated is None:
        if option.required:
            raise Vanishes(f"option '{name}' is missing")
        stated = option.default
        if not stated:
            return None
    if isinstance(stated, tuple) and not option.many:
        raise Vanishes(f"option '{name}' must not be a list")
    words = stated if isinstance(stated, tuple) else stated.split() if option.many else (stated,)
    found: list[Any] = []
    for word in words:
        value = option.read(word)
        if value is None:
            raise Vanishes(f"option '{name}' has the invalid value '{word}'")
        if not option.negatable and _negated(value):
            raise Vanishes(f"option '{name}' must not be negated")
        found += value if option.many and option.read is v.protocol else (value,)
    if not option.many:
        return found[0]
    return tuple(found) or None


def _negated(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value[-1] is True)
    return bool(getattr(value, "negated", False))


def unknown(section: Section, options: Mapping[str, Option]) -> tuple[str, ...]:
    """Name the options that fw4 does not know, or knows and ignores."""
    return tuple(
        name
        for name, _ in section.options
        if name != "type" and (name not in options or not options[name].supported)
    )
