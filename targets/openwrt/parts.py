"""The parts of a rule: how flows, networks and logging are written in UCI, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from compiler.model.device import Device, Network
from compiler.model.finding import Code, Finding, Place
from compiler.model.intent import Log
from compiler.model.protocol import PORTED, TCP, UDP, Family, Flow, Helper, PortRange, layer4_name
from targets.openwrt.facts import (
    HELPERS,
    Firewall,
    firewall_of,
    install_command,
    missing_modules,
    module_state,
    release_of,
)
from targets.openwrt.uci import Value

#: fw4 and nft on musl know these names; every other protocol is written as its number.
_PROTO_NAMES = {TCP: "tcp", UDP: "udp"}


def proto(flow: Flow) -> str:
    """Write a flow's layer 4 as fw3 and fw4 take it everywhere."""
    return _PROTO_NAMES.get(flow.layer4, str(flow.layer4))


def ports(flow: Flow) -> tuple[PortRange, ...]:
    """Give a flow's ports, sorted and without overlaps, which nft would refuse in one set."""
    if flow.layer4 not in PORTED:
        return ()
    found: list[PortRange] = []
    for each in sorted(flow.ports):
        if found and each.first <= found[-1].last + 1:
            found[-1] = PortRange(found[-1].first, max(found[-1].last, each.last))
        else:
            found.append(each)
    return tuple(found)


def networks(listed: Iterable[Network], family: Family) -> tuple[Network, ...]:
    """Pick the networks of a family, sorted and without overlaps."""
    if family is Family.IPV4:
        return tuple(collapse_addresses(n for n in listed if isinstance(n, IPv4Network)))
    return tuple(collapse_addresses(n for n in listed if isinstance(n, IPv6Network)))


def log_options(log: Log | None, name: str, device: Device) -> Iterator[tuple[str, Value]]:
    """Give the options that log; fw3 has none for a rule, fw4 no rate before 24.10."""
    if log is None or firewall_of(device) is Firewall.FW3:
        return
    # the prefix is written out: 22.03.0 has a bug in the one that "1" stands for
    yield "log", f"{name}: "
    release = release_of(device)
    if log.rate and release is not None and release.limits_log:
        yield "log_limit", log.rate


def problem(
    device: Device, protocol: str, place: Place, code: Code, message: str, hint: str = ""
) -> Finding:
    """Build an error about one protocol on this router."""
    return Finding(code, message, place=place, hint=hint, host=device.name, protocol=protocol)


def helper_problem(
    device: Device, protocol: str, place: Place, helper: Helper, *, must_state: bool = False
) -> Finding | None:
    """Say why a helper cannot serve here; ``must_state``: somebody must have seen its module."""
    known = HELPERS.get(helper.name)
    if known is None or known[1:] != (helper.layer4, helper.port):
        served = f"{layer4_name(helper.layer4)}/{helper.port}"
        message = f"OpenWrt assigns no '{helper.name}' helper to {served}"
        return problem(device, protocol, place, Code.T406, message)
    state = module_state(device, helper.name)
    missing = missing_modules(device, helper)
    if missing or (state is None and must_state):
        lacks = "lacks" if missing else "is not known to have"
        modules = " and ".join(missing or (known[0],))
        message = f"{protocol} needs the {helper.name} helper, and the router {lacks} {modules}"
        hint = f"on the router: {install_command(device)}"
        if must_state:
            stated = ", ".join(dict.fromkeys((known[0], *helper.modules)))
            hint += f"; then state them: passthru_facts: {{modules: [{stated}]}}"
        return problem(device, protocol, place, Code.T405, message, hint)
    return None


def port_problem(device: Device, protocol: str, place: Place, flow: Flow) -> Finding | None:
    """Say that a flow's ports cannot be matched: fw4 drops them silently outside TCP and UDP."""
    if flow.layer4 in (TCP, UDP) or not ports(flow):
        return None
    message = f"OpenWrt rules match ports of TCP and UDP only, not {flow.ports_text} ({flow.id})"
    return problem(device, protocol, place, Code.T406, message)
