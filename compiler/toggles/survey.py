"""What a dump of a router of switches does: its keys, and scripts of the user's own.

A dump may also be what ``iptables-save`` prints on such a router; then the rules speak.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from compiler.errors import NativeError
from compiler.evaluate.iptables import saved
from compiler.evaluate.survey import survey_of
from compiler.model.device import Device, Fact, Role, Zone
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Finding, Severity
from compiler.model.survey import HelperFound, Survey
from compiler.toggles.family import Family, ToggleSettings

_ZONES = (Zone("lan", Role.LAN), Zone("wan", Role.WAN))
_WEB_PAGE = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?<\s*(!doctype\s+html|html|head|body)\b", re.IGNORECASE
)
#: Commands that leave what is forwarded alone.
_HARMLESS = re.compile(
    r"\s*(#.*|:|logger\b[^;&|`$]*|echo\b[^;&|`$>]*|sleep \d+|exit \d+|"
    r"ip6?tables (-t filter )?-[IAD] (INPUT|OUTPUT)\b[^;&|`$]*)?"
)


class Switches(Protocol):
    """What a survey asks of a target of switches."""

    def parse(self, native: str, device: Device) -> ToggleSettings:
        """Read a dump."""
        ...

    def effects(
        self, settings: ToggleSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what probes experience."""
        ...

    def helpers(self, settings: ToggleSettings, device: Device) -> Mapping[str, HelperState]:
        """Give the states of the NAT helpers."""
        ...


def survey(
    switches: Switches,
    families: Sequence[Family],
    native: str,
    device: Device | None,
    doubt: str = "",
) -> Survey:
    """Read a dump of one of the families (flavours) of a target.

    ``doubt`` says what of the router's behaviour is beyond its switches; then nothing is known.

    Raises:
        NativeError: T407, no family reads the text.
    """
    known = device or Device("", families[0].name, ())
    plain = native.removeprefix("\ufeff")
    if saved.is_saved(plain):
        found = saved.load(plain.replace("\r\n", "\n"))
        return survey_of(found.ruleset, known, found.findings, texts=found.texts)
    _refuse_nonsense(plain)
    routers = _readings(switches, families, plain, replace(known, zones=known.zones or _ZONES))
    findings = list(_findings(routers, known, doubt))

    def answers(probes: Sequence[Probe]) -> tuple[Effect, ...]:
        columns = [switches.effects(settings, router, probes) for router, settings in routers]
        joined = (_joined(row) for row in zip(*columns, strict=True))
        return tuple(_doubted(effect, doubt) for effect in joined)

    router, settings = routers[0]
    states = switches.helpers(settings, router)
    helpers = tuple(HelperFound(name, state, _keys(settings)) for name, state in states.items())
    return Survey(router, answers, tuple(findings), helpers if len(routers) == 1 else ())


def _keys(settings: ToggleSettings) -> str:
    return ", ".join(f"{key}={str(value).lower()}" for key, value in settings.values)


def _refuse_nonsense(text: str) -> None:
    if _WEB_PAGE.match(text):
        hint = "log in first, and give the answer to the request of the read step"
        raise NativeError.of(
            Code.T407, "this is a web page, not what the router's switches say", hint=hint
        )
    if "\x00" in text:
        raise NativeError.of(Code.T407, "the text holds NUL bytes: it is no text")


def _readings(
    switches: Switches, families: Sequence[Family], native: str, device: Device
) -> list[tuple[Device, ToggleSettings]]:
    """Read the text as every flavour that can; a stated flavour is the only one."""
    stated = device.facts.get("flavour")
    flavours = [f.flavour for f in families if stated in (None, f.flavour)] or [""]
    found: list[tuple[Device, ToggleSettings]] = []
    problems: list[Finding] = []
    for flavour in flavours:
        facts: Mapping[str, Fact] = {**device.facts, **({"flavour": flavour} if flavour else {})}
        router = replace(device, facts=MappingProxyType(dict(facts)))
        try:
            found.append((router, switches.parse(native, router)))
        except NativeError as error:
            said = f"as {flavour}: " if len(flavours) > 1 else ""
            problems += [replace(f, message=f"{said}{f.message}") for f in error.findings]
    if not found:
        raise NativeError(problems)
    return found


def _findings(
    routers: Sequence[tuple[Device, ToggleSettings]], known: Device, doubt: str
) -> list[Finding]:
    found: list[Finding] = []
    if len(routers) > 1:
        names = " or ".join(str(router.facts.get("flavour")) for router, _ in routers)
        message = f"the text can be that of {names}: what they differ in is unknown"
        found.append(Finding(Code.A804, message, Severity.WARNING, hint="--fact flavour=NAME"))
    if doubt:
        found.append(Finding(Code.A803, doubt, Severity.WARNING, host=known.name))
    if known.ipv6 is None:
        message = "the text does not say whether the router forwards IPv6; IPv4 alone is judged"
        found.append(Finding(Code.A804, message, Severity.INFO, hint="--fact ipv6=true"))
    return found


def _joined(row: Sequence[Effect]) -> Effect:
    first = row[0]
    if any(one.verdict is not first.verdict for one in row):
        because = f"it depends on the firmware: {first.because}, or {row[-1].because}"
        return replace(first, verdict=Verdict.UNKNOWN, because=because, helper=HelperState.UNKNOWN)
    if any(one.helper is not first.helper for one in row):
        return replace(first, helper=HelperState.UNKNOWN)
    return replace(first, cuts_running=all(one.cuts_running for one in row))


def _doubted(effect: Effect, doubt: str) -> Effect:
    if not doubt or effect.verdict is Verdict.UNKNOWN:
        return effect
    helper = effect.helper
    if helper is not HelperState.NOT_NEEDED and effect.probe.direction is Direction.OUT:
        helper = HelperState.UNKNOWN
    because = f"{doubt}; without that: {effect.verdict}, {effect.because}"
    return replace(effect, verdict=Verdict.UNKNOWN, because=because, helper=helper)


def foreign_commands(text: str, own: Callable[[str], str]) -> bool:
    """Tell whether a script may touch what is forwarded; ``own`` takes our lines out of it."""
    return not all(_HARMLESS.fullmatch(line.rstrip("\r")) for line in own(text).split("\n"))
