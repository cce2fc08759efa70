"""Families whose switches are helped by a firewall script: what they leave open becomes rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from compiler.errors import NativeError
from compiler.model.datapath import DataPath
from compiler.model.device import Device, Fact
from compiler.model.effect import Effect, Probe, Verdict
from compiler.model.example import typical
from compiler.model.finding import Code, Finding
from compiler.model.intent import Action, Intent
from compiler.model.judge import difference, probes, wants
from compiler.model.protocol import PORTED, TCP, UDP, Family
from compiler.model.step import Step, StepName
from compiler.model.survey import Survey
from compiler.model.target import Bundle, Capabilities, File, Procedure
from compiler.toggles import nvram, script
from compiler.toggles.datapath import Model, data_path
from compiler.toggles.family import ToggleSettings
from compiler.toggles.firmware import unread
from compiler.toggles.script import Place, Rule
from compiler.toggles.scripttext import ScriptText
from compiler.toggles.solve import speaks_for_all
from compiler.toggles.target import ToggleTarget

_OPTION = "scripts"


@dataclass(frozen=True, slots=True)
class ScriptedSettings:
    """The managed switches, and the rules in the firewall script."""

    toggles: ToggleSettings = field(default_factory=ToggleSettings)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """The boolean fact without which the router runs no script, and what to say then."""

    fact: str
    because: str


class ScriptedTarget:
    """Switches in nvram and a firewall script; ``bare`` is the family where no script runs."""

    def __init__(
        self,
        place: Place,
        scripted: ToggleTarget,
        bare: ToggleTarget | None = None,
        needs: Needs | None = None,
        model: Model | None = None,
    ) -> None:
        self._place, self._text = place, ScriptText(place)
        self._scripted = scripted
        self._bare = bare or scripted
        self._needs = needs
        self._model = model

    @property
    def name(self) -> str:
        """The word in ``passthru_target``."""
        return self._bare.name

    @property
    def summary(self) -> str:
        """One line for ``passthru targets``."""
        return self._bare.summary

    @property
    def capabilities(self) -> Capabilities:
        """What the family can do."""
        return self._bare.capabilities

    def examples(self) -> Sequence[Device]:
        """Give the typical routers without the firewall script, and with it."""
        return [*self._bare.examples(), *map(self._with_script, self._scripted.examples())]

    def _with_script(self, plain: Device) -> Device:
        label = self._needs.fact if self._needs else _OPTION
        needed: Mapping[str, Fact] = {self._needs.fact: True} if self._needs else {}
        facts = {**plain.facts, **needed}
        return typical(f"{plain.name}-{label}", self.name, facts, {_OPTION: True})

    def _able(self, device: Device) -> bool:
        return self._needs is None or device.facts.get(self._needs.fact) is True

    def switches(self, device: Device) -> ToggleTarget:
        """Give the switches alone, with the form that fits the device."""
        return self._scripted if self._able(device) else self._bare

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones, facts, the observed listing, and whether scripts may be used."""
        found = self.switches(device).check(self._text.listing_only(device))
        return [*found, *self._permission(device)]

    def options(self) -> Mapping[str, str]:
        """Names of options and facts."""
        where = f" (needs the fact {self._needs.fact})" if self._needs else ""
        text = f"true: put what the switches cannot block into {self._place.name}{where}"
        return {**self._scripted.options(), _OPTION: text}

    def settings(self, intent: Intent, device: Device) -> ScriptedSettings:
        """Solve the switches, then put into rules what they leave open."""
        toggles = self.switches(device).settings(intent, device)
        if not (self._able(device) and device.options.get(_OPTION) is True):
            return ScriptedSettings(toggles)
        return ScriptedSettings(toggles, tuple(self._rules(intent, device, toggles)))

    def _rules(self, intent: Intent, device: Device, toggles: ToggleSettings) -> Iterator[Rule]:
        """Choose rules that drop only what is to be blocked, and something that is not yet."""
        asked = probes(intent, device)
        effects = self.switches(device).effects(toggles, self._text.listing_only(device), asked)
        judged = [(wants(intent, effect.probe)[0], effect) for effect in effects]
        for rule in sorted(_candidates(intent, self._place.families), key=script.sort_key):
            covered = [(wanted, e) for wanted, e in judged if rule.covers(e.probe)]
            fits = all(wanted is Action.BLOCK for wanted, _ in covered) and speaks_for_all(
                effect.probe.flow for _, effect in covered
            )
            if fits and any(difference(wanted, effect) for wanted, effect in covered):
                yield rule

    def render(self, settings: ScriptedSettings, device: Device) -> Bundle:
        """Print ``nvram.txt``, ``apply.sh`` and, with rules, the script as a file of its own."""
        bundle = self.switches(device).render(settings.toggles, device)
        native = File(bundle.native, self._native(settings).encode())
        files = [native if file.path == bundle.native else file for file in bundle.files]
        if settings.rules:
            text = self._place.script(settings.rules).encode()
            mode = 0o755 if self._place.shebang else 0o644
            files.append(File(self._place.file_name, text, mode))
        return Bundle(tuple(sorted(files, key=lambda file: file.path)), bundle.native)

    def parse(self, native: str, device: Device) -> ScriptedSettings:
        """Read ``nvram.txt`` or what the read step prints: the keys, then the script."""
        listing, start = self._text.split(self._text.plain(native))
        toggles = self.switches(device).parse(listing, device)
        rules = self._place.parse(start) if start else ()
        return ScriptedSettings(toggles, rules if rules and self._text.runs(listing) else ())

    def merge(self, settings: ScriptedSettings, native: str, device: Device) -> str:
        """Put switches into the listing and rules into the script; all else stays."""
        if nvram.is_own(native):
            return self._native(settings)
        if self._text.plain(native) != native:
            raise NativeError.of(
                Code.T407,
                f"a terminal has changed the lines of {self._place.name}",
                hint="read it again without a terminal (ssh -T)",
            )
        listing, start = self._text.split(native)
        marked = listing != native
        listing = self.switches(device).merge(settings.toggles, listing, device)
        if settings.rules:
            if not marked:
                self._text.must_end_the_listing(listing)
            listing = nvram.put(listing, self._text.switch)
            start = self._place.merge(start or self._place.script(()), settings.rules)
        elif start and self._place.parse(start):
            start = self._place.merge(start, ())
        return self._text.joined(listing, start) if start or marked else listing

    def effects(
        self, settings: ScriptedSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences: the rules come before the switches."""
        switches = self.switches(device)
        plain = switches.effects(settings.toggles, self._text.listing_only(device), probes)
        return tuple(self._ruled(settings.rules, effect) for effect in plain)

    def _ruled(self, rules: tuple[Rule, ...], effect: Effect) -> Effect:
        rule = next((rule for rule in rules if rule.covers(effect.probe)), None)
        if rule is None:
            return effect
        because = f"{self._place.file_name}: {rule}"
        cuts = self._place.cuts
        return replace(effect, verdict=Verdict.DROP, because=because, cuts_running=cuts)

    def data_path(self, settings: ScriptedSettings, device: Device) -> DataPath:
        """Give the firmware's rules to a proof, and those of our script before them.

        Raises:
            TargetError: T406, nobody has read them.
        """
        if self._model is None:
            raise unread(self.name)
        switches, plain = self.switches(device), self._text.listing_only(device)
        known = ToggleSettings.of(switches.values(settings.toggles, plain))
        helpers = switches.helpers(settings.toggles, plain)
        whole = replace(settings, toggles=known)
        return data_path(self.name, self._model, whole, device, helpers, settings.rules)

    def procedure(self, settings: ScriptedSettings, device: Device) -> Procedure:
        """Give the steps; where scripts run, the read step also prints the script."""
        switches = self.switches(device)
        plain = switches.procedure(settings.toggles, device)
        if not self._able(device):
            return plain
        keys = (*switches.family(device).keys, *self._text.switch)
        read = Step(
            StepName.READ,
            f"prints the switches and {self._place.file_name}, and nothing else",
            nvram.reading(keys) + self._text.reading,
        )
        steps = [read if step.name is StepName.READ else step for step in plain.steps]
        return replace(plain, steps=tuple(steps))

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read a dump that somebody else made, and the firewall script where it is there.

        Raises:
            NativeError: T407.
        """
        from compiler.evaluate.iptables.saved import is_saved  # noqa: PLC0415 - foreign dumps
        from compiler.toggles.survey import foreign_commands  # noqa: PLC0415 - only audits read

        text = self._text.plain(native)
        if is_saved(text):
            return self._bare.survey(text, device)
        listing, start = self._text.split(text)
        router = device
        if self._needs and (start or device is None):
            known = device or Device("", self.name, ())
            facts = {**known.facts, self._needs.fact: bool(start)} if start else known.facts
            router = replace(known, facts=facts)
        ours = self._place.parse(start) if start else ()
        doubt = ""
        if listing == text and self._may_run_unseen(listing):
            doubt = f"{self._place.name} may hold rules of its own, and is not in this text"
        elif (start and foreign_commands(start, self._place.without_ours)) or (
            not start and self._text.among_keys(listing)
        ):
            doubt = f"{self._place.name} holds commands of its own, which are not understood"
        found = self._scripted.surveyed(listing, router, doubt)
        if not ours or not self._text.runs(listing):
            return found

        def answers(probes: Sequence[Probe]) -> tuple[Effect, ...]:
            return tuple(self._ruled(ours, effect) for effect in found.effects(probes))

        return replace(found, answers=answers)

    def _may_run_unseen(self, listing: str) -> bool:
        return self._text.may_run_unseen(listing)

    def items(self, settings: ScriptedSettings) -> Mapping[str, str]:
        """List the managed switches, and the rules in the script."""
        rules = {f"{self._place.file_name}: {rule}": "drop" for rule in settings.rules}
        return {**self._bare.items(settings.toggles), **rules}

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what no deviation shows."""
        return self.switches(device).notes(intent, self._text.listing_only(device))

    def _permission(self, device: Device) -> Iterator[Finding]:
        allowed = device.options.get(_OPTION)
        if allowed is None or allowed is False:
            return
        if allowed is not True:
            message, hint = f"passthru_{_OPTION} must be true or false", "write it without quotes"
        elif self._needs and not self._able(device):
            message = f"passthru_{_OPTION} needs {self._needs.because}"
            fact = self._needs.fact
            hint = f"state `{fact}: true` in passthru_facts, or leave passthru_{_OPTION} out"
        else:
            return
        yield Finding(Code.T404, message, place=device.place, hint=hint, host=device.name)

    def _native(self, settings: ScriptedSettings) -> str:
        return self._text.write(nvram.texts(settings.toggles.as_dict()), settings.rules)


def _candidates(intent: Intent, families: frozenset[Family]) -> set[Rule]:
    """Give a rule for every flow, port by port, in each address family."""
    flows = {
        flow
        for decision in intent.decisions
        for flow in decision.flows
        if flow.layer4 in (TCP, UDP) or flow.layer4 not in PORTED
    }
    return {
        Rule(family, flow.layer4, ports)
        for flow in flows
        for family in families
        for ports in (flow.ports or (None,))
    }
