"""A config that is there, as a play and host variables: said only where a policy can say it.

What is proposed is compiled, put into the same config and read again: nothing is handed out under
which a packet would experience anything else than before.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from compiler.audit.exposures import Exposed, exposed
from compiler.audit.judge import Partial, clean
from compiler.build.plan import RouterCompiler
from compiler.build.registry import Registry
from compiler.build.site import Request, load_site
from compiler.catalogue import Catalogue
from compiler.errors import NativeError, PassthruError, PolicyError, TargetError
from compiler.model.device import Device, Fact, Role
from compiler.model.effect import Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import OnDeviation
from compiler.model.judge import plain_probes
from compiler.model.modules import FACT as MODULES
from compiler.model.survey import Survey, Surveys
from compiler.model.target import Target
from compiler.policy.flows import own_flows

_HOSTS, _POLICY = "hosts.yml", "policy.yml"
_MOST_TRIES = 20
_HEAD = "# Made by `passthru import` of a config that is there.\n"


@dataclass(frozen=True, slots=True)
class Imported:
    """An inventory with one host, a policy with one play, and what is to be said about them.

    Errors among the findings say what is left out of the play.
    """

    hosts: str
    policy: str
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class Importer:
    """Imports configs of one target."""

    registry: Registry
    target: Target[Any]
    catalogue: Catalogue
    findings: list[Finding] = field(default_factory=list)
    _read: tuple[str, Device | None, Survey] | None = field(init=False, default=None)

    def run(self, native: str, device: Device | None, name: str, file: str) -> Imported:
        """Import a config.

        Raises:
            NativeError: T407, it cannot be read.
            TargetError: T406, this family's foreign configs cannot be read.
            PolicyError: A881, nothing of it can be said.
        """
        survey = self._survey(native, device)
        self.findings = [replace(found, host=name) for found in survey.findings]
        facts = MappingProxyType(
            {key: _fact(key, value) for key, value in survey.device.facts.items()}
        )
        known = replace(survey.device, name=name, target=self.target.name, facts=facts)
        entries = dict(self._entries(survey, file))
        served = list(self._served(survey, file))
        refused: list[Finding] = []
        for _ in range(_MOST_TRIES):
            if not entries and not served:
                break
            hosts, policy = self._hosts(known), _policy(name, entries, served)
            alone = _policy(name, {}, served)
            lost = self._lost(hosts, (policy, alone), native, survey, served)
            if lost is not None:
                served.remove(lost)
                message = f"no settings expose it to {lost.to} as the config does"
                refused.append(_changed(lost.protocol, message, file))
                continue
            wrong = self._differing(hosts, policy, native, survey, entries, file)
            if wrong and not entries:
                refused += wrong.values()
                served.clear()  # they change what else passes
                continue
            if not wrong.keys() & entries.keys():
                self.findings += [*refused, *wrong.values()]
                return Imported(_HEAD + hosts, _HEAD + policy, tuple(self.findings))
            refused += (wrong[protocol] for protocol in wrong.keys() & entries.keys())
            for protocol in wrong:
                entries.pop(protocol, None)
        message = "nothing of this config can be said as a policy"
        nothing = Finding(Code.A881, message, place=Place(file), host=name)
        raise PolicyError([*self.findings, *refused, nothing])

    def _survey(self, native: str, device: Device | None) -> Survey:
        """Read a config; the one that was read last is not read again."""
        if self._read is None or self._read[0] != native or self._read[1] is not device:
            self._read = (native, device, self._surveyed(native, device))
        return self._read[2]

    def _surveyed(self, native: str, device: Device | None) -> Survey:
        if not isinstance(self.target, Surveys):
            message = f"no config of a '{self.target.name}' router can be read"
            raise TargetError.of(Code.T406, message)
        survey = self.target.survey(native, device)
        if not (isinstance(self.target, Partial) and self.target.alone(native)):
            return survey
        settings = self.target.parse(native, survey.device)  # our own words, which we know best

        def answers(probes: Sequence[Probe]) -> tuple[Effect, ...]:
            return self.target.effects(settings, survey.device, probes)

        return replace(survey, answers=answers)

    # what can be said

    def _entries(self, survey: Survey, file: str) -> Iterator[tuple[str, Any]]:
        for id_, protocol in self.catalogue.protocols.items():
            if self.catalogue.children(id_):
                continue  # its parts say it
            effects = survey.effects(
                plain_probes(own_flows(protocol, self.catalogue), survey.device)
            )
            if not effects:
                continue
            entry, why = _said(effects, survey.device)
            if why is not None:
                self.findings.append(_unsaid(id_, why, file))
            else:
                shared = any(flow.shared for flow in protocol.flows)
                yield id_, _with_collateral(entry, shared=shared)

    def _served(self, survey: Survey, file: str) -> Iterator[Exposed]:
        for one in exposed(survey, self.catalogue):
            if one.partly is None:
                yield one
                continue
            probe, because = one.partly.probe, clean(one.partly.because)
            message = (
                f"'{one.protocol}' is left out of `expose`: {one.to} gets a part of it, and "
                f"{probe.flow.id}: {one.partly.verdict} ({because})"
            )
            place = Place(file)
            self.findings.append(Finding(Code.A881, message, place=place, protocol=one.protocol))

    def _lost(
        self,
        hosts: str,
        policies: Sequence[str],
        native: str,
        before: Survey,
        served: Sequence[Exposed],
    ) -> Exposed | None:
        """Give a server that would get other packets than before, or cannot be said at all.

        ``policies``: the whole one, and the servers alone; what fails only in the first is not
        the servers' fault.
        """
        if not served:
            return None
        for policy in policies:
            try:
                after = self._survey(self._merged(hosts, policy, native), before.device)
                break
            except PassthruError:
                continue
        else:
            return served[-1]
        for one in served:
            pairs = zip(before.effects(one.probes), after.effects(one.probes), strict=True)
            if not all(_same(*pair) for pair in pairs):
                return one
        return None

    def _hosts(self, device: Device) -> str:
        known = {key.removeprefix("facts.") for key in self.target.options() if key[:6] == "facts."}
        facts = {key: value for key, value in device.facts.items() if key in known}
        variables: dict[str, Any] = {
            "passthru_target": device.target,
            "passthru_zones": {
                zone.name: {
                    "role": str(zone.role),
                    **({"devices": list(zone.devices)} if zone.devices else {}),
                    **({"networks": [str(net) for net in zone.networks]} if zone.networks else {}),
                }
                for zone in device.zones
            },
        }
        if facts:
            variables["passthru_facts"] = facts
        variables |= {f"passthru_{key}": value for key, value in device.options.items()}
        return _yaml({"all": {"hosts": {device.name: variables}}})

    # whether it is so

    def _differing(
        self,
        hosts: str,
        policy: str,
        native: str,
        before: Survey,
        entries: Mapping[str, Any],
        file: str,
    ) -> dict[str, Finding]:
        """Compile, merge and read again; say which protocols would not be as they were."""
        try:
            merged = self._merged(hosts, policy, native)
            after = self._survey(merged, before.device)
        except NativeError as error:
            message = f"no settings can be put into this text: {error.findings[0].message}"
            hint = "give only what the router's read step prints; --lan and --wan name zones"
            raise NativeError.of(Code.A882, message, Place(file), hint) from None
        except PassthruError as error:
            blamed = {f.protocol for f in error.findings if f.protocol in entries} or set(entries)
            said = clean(error.findings[0].message)
            return {each: _changed(each, said, file) for each in blamed}
        found: dict[str, Finding] = {}
        for id_, protocol in self.catalogue.protocols.items():
            probes = plain_probes(own_flows(protocol, self.catalogue), before.device)
            pairs = zip(before.effects(probes), after.effects(probes), strict=True)
            moved = next((pair for pair in pairs if not _same(*pair)), None)
            if moved is not None:
                old, new = moved
                said = f"{old.probe.flow.id} would be {new.verdict}, and is {old.verdict} now"
                innocent = id_ in entries or old.verdict is Verdict.UNKNOWN
                found[id_ if innocent else next(iter(entries), id_)] = _changed(
                    id_, f"{said} ({clean(new.because)})", file
                )
        return found

    def _merged(self, hosts: str, policy: str, native: str) -> str:
        with tempfile.TemporaryDirectory(prefix="passthru-import-") as folder:
            inventory, plays = Path(folder) / _HOSTS, Path(folder) / _POLICY
            inventory.write_text(hosts, encoding="utf-8")
            plays.write_text(policy, encoding="utf-8")
            site = load_site(Request((str(inventory),), (plays,)), self.registry)
            ((_, router, findings),) = site.routers()
        if router is None:
            raise PolicyError([f for f in findings if f.severity is Severity.ERROR])
        item, findings = RouterCompiler(self.registry, OnDeviation.WARN).compile(router)
        if item is None:
            raise PolicyError([f for f in findings if f.severity is Severity.ERROR])
        return self.target.merge(item.outcome.settings, native, router.device)


def _fact(name: str, value: Fact) -> Fact:
    """Give a list of modules as a list, however it was stated."""
    if name == MODULES and isinstance(value, str):
        return [word for word in re.split(r"[\s,]+", value) if word]
    return value


def _said(effects: Sequence[Effect], device: Device) -> tuple[Any, Effect | None]:
    """Say what a policy would, or give the effect that it cannot say."""
    unknown = next((e for e in effects if e.verdict is Verdict.UNKNOWN), None)
    if unknown is not None:
        return None, unknown
    passing = [effect for effect in effects if effect.verdict is Verdict.PASS]
    idle = next((e for e in passing if _helper_is_off(e)), None)
    if idle is not None:
        return None, idle  # to pass means to work
    if len(passing) == len(effects):
        return "pass", None
    if not passing:
        return "block", None
    return _limited(effects, passing, device)


def _helper_is_off(effect: Effect) -> bool:
    return effect.helper in (HelperState.IDLE, HelperState.ABSENT, HelperState.UNKNOWN)


def _limited(
    effects: Sequence[Effect], passing: Sequence[Effect], device: Device
) -> tuple[Any, Effect | None]:
    """Say that some zones or one family pass, where that is all that tells packets apart."""
    zones = {effect.probe.source for effect in passing}
    families = {effect.probe.family for effect in passing}
    inside = [e for e in effects if e.probe.source in zones and e.probe.family in families]
    blocked = next((effect for effect in inside if effect.verdict.blocks), None)
    if blocked is not None:
        return None, blocked
    entry: dict[str, Any] = {"action": "pass", "otherwise": "block"}
    if zones != {zone.name for zone in device.zones if zone.role is Role.LAN}:
        entry["from"] = sorted(zones)
    if families != {effect.probe.family for effect in effects}:
        entry["families"] = sorted(str(family) for family in families)
    return entry, None


def _with_collateral(entry: Any, *, shared: bool) -> Any:
    if not shared or entry == "pass":
        return entry
    whole = {"action": entry} if isinstance(entry, str) else entry
    return {**whole, "collateral": "accept"}


def _same(old: Effect, new: Effect) -> bool:
    """Tell whether packets experience the same; drop and reject differ in manners only."""
    if old.verdict is Verdict.UNKNOWN and new.verdict is Verdict.UNKNOWN:
        return True
    same = old.verdict is new.verdict or (old.verdict.blocks and new.verdict.blocks)
    return same and (old.verdict.blocks or old.helper is new.helper)


def _unsaid(protocol: str, effect: Effect, file: str) -> Finding:
    probe = effect.probe
    what = f"{probe.flow.id} from {probe.source} to {probe.destination} over {probe.family}"
    helper = f", its NAT helper is {effect.helper}" if _helper_is_off(effect) else ""
    message = (
        f"'{protocol}' is left out: {what}: {effect.verdict}{helper} ({clean(effect.because)})"
    )
    return Finding(Code.A881, message, place=Place(file), protocol=protocol)


def _changed(protocol: str, said: str, file: str) -> Finding:
    message = f"'{protocol}' is left out: {said}"
    return Finding(Code.A882, message, place=Place(file), protocol=protocol)


def _policy(name: str, entries: Mapping[str, Any], served: Sequence[Exposed]) -> str:
    play: dict[str, Any] = {
        "name": f"What the config of {name} did when it was imported",
        "hosts": [name],
        "on_deviation": "warn",
    }
    if entries:
        play["passthrough"] = dict(entries)
    if served:
        play["expose"] = [one.entry for one in served]
    return _yaml([play])


def _yaml(data: Any) -> str:
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    yaml.width = 100
    stream = StringIO()
    yaml.dump(data, stream)
    return str(stream.getvalue())
