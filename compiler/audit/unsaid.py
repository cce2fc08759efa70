"""What an import leaves out, in words."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.audit.entries import helper_is_off
from compiler.audit.exposures import Exposed, Servers
from compiler.audit.mentioned import Mentioned
from compiler.audit.redact import clean
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Code, Finding, Place, Severity

_MOST_HOSTS = 8


def unsaid(protocol: str, effect: Effect, file: str) -> Finding:
    """Say what of a protocol no entry of a policy says."""
    probe = effect.probe
    what = f"{probe.flow.id} from {probe.source} to {probe.destination} over {probe.family}"
    helper = f", its NAT helper is {effect.helper}" if helper_is_off(effect) else ""
    message = (
        f"'{protocol}' is left out: {what}{ends(probe)}: {effect.verdict}{helper} "
        f"({clean(effect.because)})"
    )
    return Finding(Code.A881, message, place=Place(file), protocol=protocol)


def ends(probe: Probe) -> str:
    """Name the addresses of a probe that has some."""
    source, to = probe.source_address, probe.destination_address
    return f"{f' from {source}' if source else ''}{f' to {to}' if to else ''}"


def unsaid_servers(found: Servers, mentioned: Mentioned, file: str) -> Iterator[Finding]:
    """Say what comes in from the WAN and is no entry of ``expose``."""
    place = Place(file)
    for one in found.exposed:
        if one.partly is not None:
            yield _partly(one, one.partly, place)
    for because, doubtful in found.doubtful.items():
        names = ", ".join(f"'{protocol}'" for protocol in doubtful)
        message = f"nobody knows whether {names} comes in from the WAN: {clean(because)}"
        about = next(iter(doubtful)) if len(doubtful) == 1 else ""
        yield Finding(Code.A881, message, place=place, protocol=about)
    unasked = found.unasked + mentioned.unasked
    if unasked:
        message = f"rules name more addresses than are asked about: {unasked} are not"
        yield Finding(Code.A881, message, place=place)
    if mentioned.alone:
        message = "rules name many addresses on both sides: each is asked about, not each pair"
        yield Finding(Code.A883, message, Severity.WARNING, place)
    for message in _left_alone(found):
        yield Finding(Code.A883, message, Severity.WARNING, place)
    if found.others:
        names = ", ".join(map(str, found.others[:_MOST_HOSTS]))
        more = f" and {len(found.others) - _MOST_HOSTS} more" * (len(found.others) > _MOST_HOSTS)
        message = f"no VPN protocol comes in to {names}{more} at its own ports"
        yield Finding(Code.A883, message, Severity.INFO, place)


def _partly(one: Exposed, wrong: Effect, place: Place) -> Finding:
    source = f" from {wrong.probe.source_address}" if wrong.probe.source_address else ""
    helper = f", its NAT helper is {wrong.helper}" if helper_is_off(wrong) else ""
    message = (
        f"'{one.protocol}' is left out of `expose`: {one.to} gets a part of it, and "
        f"{wrong.probe.flow.id}{source}: {wrong.verdict}{helper} ({clean(wrong.because)})"
    )
    return Finding(Code.A881, message, place=place, protocol=one.protocol)


def _left_alone(found: Servers) -> Iterator[str]:
    for host, protocols in found.maybe.items():
        yield (
            f"what comes in to {host} may be {' or '.join(protocols)}, or anything else that uses "
            "the port; it is left as it is"
        )
    if found.open:
        names = ", ".join(found.open)
        because = clean(next(iter(found.open.values())).because)
        yield (
            f"packets of {names} come in to any host of the LAN; `expose` names one host, so that "
            f"is left as it is ({because})"
        )
    if not found.are_rules:
        yield "where the router sends what comes in from the WAN is not read; it is left as it is"


def changed(protocol: str, said: str, file: str) -> Finding:
    """Say what would not be as it is."""
    message = f"'{protocol}' is left out: {said}"
    return Finding(Code.A882, message, place=Place(file), protocol=protocol)
