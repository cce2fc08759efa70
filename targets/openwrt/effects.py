"""What packets experience under our sections, as fw3 and fw4 apply them: the first match decides.

Only our own sections are known here. A packet that none of them matches gets what the rest of
the firewall config says, which is ``unknown``; so is a packet that meets a section with something
in it that this module does not understand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from compiler.model.device import Address, Device
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.protocol import GRE, TCP, UDP, Family
from targets.openwrt import running
from targets.openwrt.facts import HELPERS, Firewall, firewall_of, module_state
from targets.openwrt.fw3 import signatures as fw3
from targets.openwrt.fw4 import signatures
from targets.openwrt.fw4.signatures import Known
from targets.openwrt.settings import NOTE, Settings, values
from targets.openwrt.uci import Section

_ELSE = "no section of ours matches, the rest of the firewall config decides"
_VERDICTS = {"ACCEPT": Verdict.PASS, "DROP": Verdict.DROP, "REJECT": Verdict.REJECT}
#: Targets that mark or count a packet and let the next rule decide.
_PASSING_BY = frozenset({"", "HELPER", "NOTRACK", "MARK", "DSCP"})
#: What fw4 takes for true; a section with any other value is disabled or skipped as invalid.
_ENABLED = frozenset({"", "1", "on", "true", "yes"})
_PROTOS = {"tcp": {TCP}, "udp": {UDP}, "tcpudp": {TCP, UDP}, "gre": {GRE}, "esp": {50}, "ah": {51}}
_FAMILIES = {
    "": frozenset(Family),
    "any": frozenset(Family),
    "ipv4": frozenset({Family.IPV4}),
    "ipv6": frozenset({Family.IPV6}),
}
#: Options that do not change which packets a rule or redirect matches.
_SILENT = frozenset({"name", "log", "log_limit", "target", "counter", "reflection", "enabled"})
_MATCHING = {
    "rule": frozenset({"src", "dest", "family", "proto", "dest_port", "src_ip", "dest_ip", "mark"}),
    # a redirect's dest only says where its reflection goes
    "redirect": frozenset({"src", "dest", "family", "proto", "src_dport", "src_ip", "dest_ip"}),
}

#: True, False, or None where it cannot be told.
_Tristate = bool | None


def effects(settings: Settings, device: Device, probes: Sequence[Probe]) -> tuple[Effect, ...]:
    """Say what each probe experiences, in the order of the probes."""
    refused = _refused(settings, device)
    if refused:
        return tuple(
            Effect(probe, Verdict.UNKNOWN, refused, _helper(settings, device, probe))
            for probe in probes
        )
    active = Settings(tuple(s for s in settings.sections if s.text("enabled") in _ENABLED))
    look = fw3.known if firewall_of(device) is Firewall.FW3 else signatures.known
    known = look(active.sections)
    stopped = running.ended(settings)
    return tuple(
        Effect(
            probe,
            *_judged(active, known, probe),
            _helper(active, device, probe),
            running.ends(stopped, probe),
        )
        for probe in probes
    )


def _refused(settings: Settings, device: Device) -> str:
    """Say why nft refuses the whole ruleset: a rule sets a helper that the kernel lacks."""
    for section in settings.sections:
        helper = section.text("set_helper")
        if helper in HELPERS and module_state(device, helper) is False:
            return f"{section.name} sets a helper without its module: fw4's ruleset does not load"
    return ""


def _judged(settings: Settings, known: Known, probe: Probe) -> tuple[Verdict, str]:
    verdict, because = _decide(settings.sections, known, probe)
    if probe.direction is Direction.IN and not verdict.blocks and probe.family is Family.IPV4:
        # an ACCEPT rule alone brings nobody to a server behind NAT
        return _redirected(settings.sections, known, probe)
    return verdict, because


def _decide(sections: Sequence[Section], known: Known, probe: Probe) -> tuple[Verdict, str]:
    """Find the first rule that forwards or blocks the probe.

    fw4 puts rules from any zone (``src '*'``) before those of a zone, wherever they stand.
    """
    for section in sorted(sections, key=lambda s: s.text("src") != "*"):
        if section.type != "rule":
            continue
        target = section.text("target").upper()
        matches = False if target in _PASSING_BY else _matches(section, known, probe)
        if matches is None or (matches and target not in _VERDICTS):
            return Verdict.UNKNOWN, f"{section.name} holds something that is not understood"
        if matches:
            return _VERDICTS[target], f"{section.name} ({target})"
    return Verdict.UNKNOWN, _ELSE


def _redirected(sections: Sequence[Section], known: Known, probe: Probe) -> tuple[Verdict, str]:
    for section in sections:
        if section.type != "redirect" or section.text("target").upper() not in ("", "DNAT"):
            continue
        matches = _matches(section, known, probe)
        if matches is None:
            return Verdict.UNKNOWN, f"{section.name} holds something that is not understood"
        if matches:
            to = section.text("dest_ip")
            reached = to == str(probe.destination_address)
            return Verdict.PASS if reached else Verdict.DROP, f"{section.name} (DNAT to {to})"
    return Verdict.UNKNOWN, _ELSE


def _matches(section: Section, known: Known, probe: Probe) -> _Tristate:
    named = _MATCHING[section.type] | _SILENT
    foreign: _Tristate = None if any(name not in named for name, _ in section.options) else True
    mark = section.text("mark")
    found = [
        _zone(section.text("src"), probe.source),
        _family(section.text("family"), probe),
        _proto(section, probe),
        _port(section, probe),
        _address(values(section, "src_ip"), probe.source_address),
        known.tells(mark, probe) if mark else True,
        foreign,
    ]
    if section.type == "rule":
        found.append(_zone(section.text("dest"), probe.destination))
        found.append(_address(values(section, "dest_ip"), probe.destination_address))
    return _all(found)


def _all(found: Iterable[_Tristate]) -> _Tristate:
    states = set(found)
    if False in states:
        return False
    return None if None in states else True


def _zone(stated: str, zone: str) -> _Tristate:
    return stated in (zone, "*")


def _family(stated: str, probe: Probe) -> _Tristate:
    families = _FAMILIES.get(stated)
    return None if families is None else probe.family in families


def _proto(section: Section, probe: Probe) -> _Tristate:
    found: list[_Tristate] = []
    for name in values(section, "proto") or ("tcpudp",):
        if name.isdecimal():
            found.append(int(name) == probe.flow.layer4)
        elif name in ("all", "any", "*"):
            found.append(True)
        else:
            known = _PROTOS.get(name)
            found.append(None if known is None else probe.flow.layer4 in known)
    return _any(found)


def _any(found: Iterable[_Tristate]) -> _Tristate:
    states = set(found)
    if True in states:
        return True
    return None if None in states else False


def _port(section: Section, probe: Probe) -> _Tristate:
    stated = values(section, "src_dport" if section.type == "redirect" else "dest_port")
    # fw4 drops the ports of a rule for any other protocol, so that it matches all of it
    if not stated or probe.flow.layer4 not in (TCP, UDP):
        return True
    return _any(_in_range(each, probe.port) for each in stated)


def _in_range(stated: str, port: int) -> _Tristate:
    first, _, last = stated.replace(":", "-").partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        return None
    return int(first) <= port <= int(last or first)


def _address(stated: tuple[str, ...], address: Address | None) -> _Tristate:
    return _any(_in_network(each, address) for each in stated) if stated else True


def _in_network(stated: str, address: Address | None) -> _Tristate:
    try:
        network = ip_network(stated, strict=False)
    except ValueError:
        return None
    return address is not None and address.version == network.version and address in network


def _helper(settings: Settings, device: Device, probe: Probe) -> HelperState:
    """Say whether the helper for the probe's traffic is assigned where the probe comes in.

    A note of ours stands for it in LAN zones: the procedure refuses, or puts the old config
    back, unless the router assigns the helper there.
    """
    helper = next((name for name in HELPERS if _serves(name, probe)), None)
    if helper is None:
        return HelperState.NOT_NEEDED
    state = module_state(device, helper)
    if state is False:
        return HelperState.ABSENT
    noted = any(name == helper and probe.source in zones for name, zones in settings.helpers)
    if noted or any(_sets(section, helper, probe) for section in settings.sections):
        return HelperState.ASSIGNED
    return HelperState.UNKNOWN


def _serves(helper: str, probe: Probe) -> bool:
    _, layer4, port = HELPERS[helper]
    announced = probe.flow.carried and probe.flow.layer4 == GRE
    return probe.family is Family.IPV4 and (
        announced or (probe.flow.layer4 == layer4 and probe.port == port)
    )


def _sets(section: Section, helper: str, probe: Probe) -> bool:
    return (
        section.type != NOTE
        and section.text("target").upper() == "HELPER"
        and section.text("set_helper") == helper
        and section.text("src") == probe.source
    )
