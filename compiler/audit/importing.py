"""A config that is there, as a play and host variables: said only where a policy can say it.

What is proposed is compiled, put into the same config and read again: nothing is handed out under
which a packet would experience anything else than before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.audit.drafts import fact, hosts_text, policy_text
from compiler.audit.entries import entry_of
from compiler.audit.experience import Beside, Partial
from compiler.audit.exposures import Exposed, servers
from compiler.audit.mentioned import Mentioned
from compiler.audit.redact import clean
from compiler.audit.unsaid import changed, ends, unsaid, unsaid_servers
from compiler.build.plan import Compiled, RouterCompiler
from compiler.build.registry import Registry
from compiler.build.site import Request, load_site
from compiler.catalogue import Catalogue
from compiler.errors import NativeError, PassthruError, PolicyError, TargetError
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe, Verdict
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import OnDeviation
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
    _before: dict[str, tuple[Effect, ...]] = field(init=False, default_factory=dict)
    _after: dict[str, Survey] = field(init=False, default_factory=dict)

    def run(self, native: str, device: Device | None, name: str, file: str) -> Imported:
        """Import a config.

        Raises:
            NativeError: T407, it cannot be read.
            TargetError: T406, this family's foreign configs cannot be read.
            PolicyError: A881, nothing of it can be said.
        """
        survey = self._survey(native, device)
        self._after.clear()
        self.findings = [replace(found, host=name) for found in survey.findings]
        facts = MappingProxyType(
            {key: fact(key, value) for key, value in survey.device.facts.items()}
        )
        known = replace(survey.device, name=name, target=self.target.name, facts=facts)
        self._before = dict(self._experienced(survey))
        entries = dict(self._entries(survey, file))
        inward = servers(survey, self.catalogue)
        served = [one for one in inward.exposed if one.partly is None]
        self.findings += unsaid_servers(inward, Mentioned.of(survey), file)
        refused: list[Finding] = []
        for _ in range(_MOST_TRIES):
            if not entries and not served:
                break
            hosts, policy = hosts_text(known, self.target.options()), _policy(name, entries, served)
            alone = _policy(name, {}, served)
            lost, why = self._lost(hosts, (policy, alone), native, survey, served)
            if lost is not None:
                served.remove(lost)
                message = f"no settings expose it to {lost.to} as the config does{why}"
                refused.append(changed(lost.protocol, message, file))
                continue
            wrong = self._differing(hosts, policy, native, survey, entries, file)
            if wrong and not entries:
                refused += wrong.values()
                served.clear()  # they change what else passes
                continue
            if not wrong.keys() & entries.keys():
                self.findings += dict.fromkeys([*refused, *wrong.values()])
                return Imported(_HEAD + hosts, _HEAD + policy, tuple(self.findings))
            refused += (wrong[protocol] for protocol in wrong.keys() & entries.keys())
            for protocol in wrong:
                entries.pop(protocol, None)
        message = "nothing of this config can be said as a policy"
        nothing = Finding(Code.A881, message, place=Place(file), host=name)
        raise PolicyError(list(dict.fromkeys([*self.findings, *refused, nothing])))

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
        return self._of_ours(survey, native) if self._is_ours(native) else survey

    def _is_ours(self, native: str) -> bool:
        return isinstance(self.target, Partial) and self.target.alone(native)

    def _of_ours(self, survey: Survey, native: str) -> Survey:
        """Answer from our own words, which we know best."""
        settings = self.target.parse(native, survey.device)

        def answers(probes: Sequence[Probe]) -> tuple[Effect, ...]:
            return self.target.effects(settings, survey.device, probes)

        return replace(survey, answers=answers)

    # what can be said

    def _experienced(self, survey: Survey) -> Iterator[tuple[str, tuple[Effect, ...]]]:
        mentioned = Mentioned.of(survey)
        for id_, protocol in self.catalogue.protocols.items():
            probes = mentioned.probes(own_flows(protocol, self.catalogue))
            yield id_, survey.effects(probes)

    def _entries(self, survey: Survey, file: str) -> Iterator[tuple[str, Any]]:
        mentioned = Mentioned.of(survey)
        for id_, protocol in self.catalogue.protocols.items():
            effects = self._before[id_]
            if not effects or self.catalogue.children(id_):
                continue  # its parts say it
            entry, why = entry_of(effects, mentioned)
            if why is not None:
                self.findings.append(unsaid(id_, why, file))
            else:
                shared = any(flow.shared for flow in protocol.flows)
                yield id_, _with_collateral(entry, shared=shared)

    def _lost(
        self,
        hosts: str,
        policies: Sequence[str],
        native: str,
        before: Survey,
        served: Sequence[Exposed],
    ) -> tuple[Exposed | None, str]:
        """Give a server that would get other packets than before, or cannot be said, and why.

        ``policies``: the whole one, and the servers alone; what fails only in the first is not
        the servers' fault.
        """
        why = ""
        if not served:
            return None, why
        for policy in policies:
            try:
                after = self._as_imported(hosts, policy, native, before)
                break
            except PassthruError as error:
                why = f": {clean(error.findings[0].message)}"
        else:
            return served[-1], why
        for one in served:
            pairs = zip(before.effects(one.probes), after.effects(one.probes), strict=True)
            if not all(_same(*pair) for pair in pairs):
                return one, ""
        return None, ""

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
            after = self._as_imported(hosts, policy, native, before)
        except NativeError as error:
            message = f"no settings can be put into this text: {error.findings[0].message}"
            hint = "give only what the router's read step prints; --lan and --wan name zones"
            raise NativeError.of(Code.A882, message, Place(file), hint) from None
        except PassthruError as error:
            blamed = {f.protocol for f in error.findings if f.protocol in entries} or set(entries)
            said = clean(error.findings[0].message)
            return {each: changed(each, said, file) for each in blamed}
        found: dict[str, Finding] = {}
        for id_, effects in self._before.items():
            pairs = zip(effects, after.effects([each.probe for each in effects]), strict=True)
            moved = next((pair for pair in pairs if not _same(*pair)), None)
            if moved is not None:
                old, new = moved
                what = f"{old.probe.flow.id}{ends(old.probe)}"
                said = f"{what} would be {new.verdict}, and is {old.verdict} now"
                innocent = id_ in entries or old.verdict is Verdict.UNKNOWN
                found[id_ if innocent else next(iter(entries), id_)] = changed(
                    id_, f"{said} ({clean(new.because)})", file
                )
        return found

    def _as_imported(self, hosts: str, policy: str, native: str, before: Survey) -> Survey:
        """Read the config with what the policy compiles to in it."""
        if policy not in self._after:
            item = self._compiled(hosts, policy)
            target, settings = self.target, item.outcome.settings
            if self._is_ours(native):
                after = self._of_ours(before, self._merged(item, native))
            elif isinstance(target, Beside):
                after = target.survey_with(settings, native, before.device)
            else:
                after = self._surveyed(self._merged(item, native), before.device)
            self._after[policy] = after
        return self._after[policy]

    def _merged(self, item: Compiled, native: str) -> str:
        return self.target.merge(item.outcome.settings, native, item.router.device)

    def _compiled(self, hosts: str, policy: str) -> Compiled:
        with tempfile.TemporaryDirectory(prefix="passthru-import-") as folder:
            inventory, plays = Path(folder) / _HOSTS, Path(folder) / _POLICY
            inventory.write_text(hosts, encoding="utf-8")
            plays.write_text(policy, encoding="utf-8")
            site = load_site(Request((str(inventory),), (plays,)), self.registry)
            ((_, router, findings),) = site.routers()
        item = None
        if router is not None:
            item, findings = RouterCompiler(self.registry, OnDeviation.WARN).compile(router)
        if item is None:
            raise PolicyError([f for f in findings if f.severity is Severity.ERROR])
        return item


def _policy(name: str, entries: Mapping[str, Any], served: Sequence[Exposed]) -> str:
    return policy_text(name, entries, [one.entry for one in served])


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
