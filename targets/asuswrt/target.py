"""The asuswrt target: the switches, and where Merlin allows it the rules beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe, Verdict
from compiler.model.finding import Code, Finding
from compiler.model.intent import Action, Intent
from compiler.model.judge import difference, probes, wants
from compiler.model.protocol import PORTED, TCP, UDP, Family
from compiler.model.target import Bundle, Capabilities, File, Procedure, Step, StepName
from compiler.toggles import nvram
from compiler.toggles.family import ToggleSettings
from compiler.toggles.solve import speaks_for_all
from compiler.toggles.target import ToggleTarget
from targets.asuswrt import script
from targets.asuswrt.family import MARK, MERLIN, SCRIPTS_KEY, STOCK
from targets.asuswrt.script import Rule

_OPTION = "scripts"


@dataclass(frozen=True, slots=True)
class AsusSettings:
    """The managed switches, and the rules in firewall-start."""

    toggles: ToggleSettings = field(default_factory=ToggleSettings)
    rules: tuple[Rule, ...] = ()


class AsusTarget:
    """ASUS routers with stock firmware or Asuswrt-Merlin."""

    def __init__(self) -> None:
        self._stock = ToggleTarget(STOCK)
        self._merlin = ToggleTarget(MERLIN)

    @property
    def name(self) -> str:
        """The word in ``passthru_target``."""
        return STOCK.name

    @property
    def summary(self) -> str:
        """One line for ``passthru targets``."""
        return STOCK.summary

    @property
    def capabilities(self) -> Capabilities:
        """What the family can do."""
        return STOCK.capabilities

    def _switches(self, device: Device) -> ToggleTarget:
        return self._merlin if device.facts.get("merlin") is True else self._stock

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones, facts, the observed listing, and whether scripts may be used."""
        return [*self._switches(device).check(_listing_only(device)), *_scripts(device)]

    def options(self) -> Mapping[str, str]:
        """Names of options and facts."""
        return {
            **self._merlin.options(),
            _OPTION: f"true: on Merlin, put what the switches cannot block into {script.PATH}",
        }

    def settings(self, intent: Intent, device: Device) -> AsusSettings:
        """Solve the switches, then put into rules what they leave open."""
        toggles = self._switches(device).settings(intent, device)
        if not scripted(device):
            return AsusSettings(toggles)
        return AsusSettings(toggles, tuple(self._rules(intent, device, toggles)))

    def _rules(self, intent: Intent, device: Device, toggles: ToggleSettings) -> Iterator[Rule]:
        """Choose rules that drop only what is to be blocked, and something that is not yet."""
        asked = probes(intent, device)
        effects = self._switches(device).effects(toggles, _listing_only(device), asked)
        judged = [(wants(intent, effect.probe)[0], effect) for effect in effects]
        for rule in sorted(_candidates(intent), key=script.sort_key):
            covered = [(wanted, e) for wanted, e in judged if rule.covers(e.probe)]
            fits = all(wanted is Action.BLOCK for wanted, _ in covered) and speaks_for_all(
                effect.probe.flow for _, effect in covered
            )
            if fits and any(difference(wanted, effect) for wanted, effect in covered):
                yield rule

    def render(self, settings: AsusSettings, device: Device) -> Bundle:
        """Print ``nvram.txt``, ``apply.sh`` and, with rules, ``firewall-start``."""
        bundle = self._switches(device).render(settings.toggles, device)
        native = File(bundle.native, _native(settings).encode())
        files = [native if file.path == bundle.native else file for file in bundle.files]
        if settings.rules:
            files.append(File("firewall-start", script.script(settings.rules).encode(), 0o755))
        return Bundle(tuple(sorted(files, key=lambda file: file.path)), bundle.native)

    def parse(self, native: str, device: Device) -> AsusSettings:
        """Read ``nvram.txt`` or what the read step prints: the keys, then firewall-start."""
        listing, start = _split(native)
        toggles = self._switches(device).parse(listing, device)
        rules = script.parse(start) if start else ()
        return AsusSettings(toggles, rules if rules and _runs_scripts(listing) else ())

    def merge(self, settings: AsusSettings, native: str, device: Device) -> str:
        """Put switches into the listing and rules into firewall-start; all else stays."""
        if nvram.is_own(native):
            return _native(settings)
        listing, start = _split(native)
        listing = self._switches(device).merge(settings.toggles, listing, device)
        if settings.rules:
            listing = nvram.put(listing, {SCRIPTS_KEY: "1"})
            start = script.merge(start or "#!/bin/sh\n", settings.rules)
        elif start:
            start = script.merge(start, ()) if script.parse(start) else start
        return f"{listing}{MARK}\n{start}" if start else listing

    def effects(
        self, settings: AsusSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences: the rules come before the switches."""
        switches = self._switches(device)
        plain = switches.effects(settings.toggles, _listing_only(device), probes)
        return tuple(_ruled(settings.rules, effect) for effect in plain)

    def procedure(self, settings: AsusSettings, device: Device) -> Procedure:
        """Give the steps; on Merlin the read step also prints firewall-start."""
        plain = self._switches(device).procedure(settings.toggles, device)
        if self._switches(device) is self._stock:
            return plain
        keys = (*MERLIN.keys, SCRIPTS_KEY)
        start = f"if [ -f {script.PATH} ]; then echo {MARK}; cat {script.PATH}; fi\n"
        read = Step(
            StepName.READ,
            "prints the switches and firewall-start, and nothing else",
            nvram.reading(keys) + start,
        )
        steps = [read if step.name is StepName.READ else step for step in plain.steps]
        return Procedure(plain.transport, tuple(steps))

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what no deviation shows."""
        return self._switches(device).notes(intent, _listing_only(device))


def scripted(device: Device) -> bool:
    """Tell whether rules in firewall-start are allowed."""
    return device.facts.get("merlin") is True and device.options.get(_OPTION) is True


def _scripts(device: Device) -> Iterator[Finding]:
    allowed = device.options.get(_OPTION)
    if allowed is None or allowed is False:
        return
    if allowed is not True:
        message, hint = "passthru_scripts must be true or false", "write it without quotes"
    elif device.facts.get("merlin") is not True:
        message = "passthru_scripts needs Asuswrt-Merlin: stock firmware runs no user scripts"
        hint = "state `merlin: true` in passthru_facts, or leave passthru_scripts out"
    else:
        return
    yield Finding(Code.T404, message, place=device.place, hint=hint, host=device.name)


def _runs_scripts(listing: str) -> bool:
    keys = nvram.read(listing, (SCRIPTS_KEY,))
    if SCRIPTS_KEY not in keys:
        raise NativeError.of(
            Code.T407,
            f"the listing does not hold {SCRIPTS_KEY}, so it is open whether {script.PATH} runs",
            hint=f"add the line that `nvram get {SCRIPTS_KEY}` gives",
        )
    return keys[SCRIPTS_KEY] == "1"


def _candidates(intent: Intent) -> set[Rule]:
    """Give a rule for every flow, port by port, in both address families."""
    flows = {
        flow
        for decision in intent.decisions
        for flow in decision.flows
        if flow.layer4 in (TCP, UDP) or flow.layer4 not in PORTED
    }
    return {
        Rule(family, flow.layer4, ports)
        for flow in flows
        for family in Family
        for ports in (flow.ports or (None,))
    }


def _ruled(rules: tuple[Rule, ...], effect: Effect) -> Effect:
    rule = next((rule for rule in rules if rule.covers(effect.probe)), None)
    if rule is None:
        return effect
    because = f"firewall-start: {rule}"
    return replace(effect, verdict=Verdict.DROP, because=because, cuts_running=True)


def _native(settings: AsusSettings) -> str:
    """Print the native text: the keys, then, with rules, the firewall-start that holds them."""
    keys = nvram.texts(settings.toggles.as_dict())
    if not settings.rules:
        return nvram.write(keys)
    listing = nvram.write({**keys, SCRIPTS_KEY: "1"})
    return f"{listing}{MARK}\n{script.script(settings.rules)}"


def _split(native: str) -> tuple[str, str]:
    """Split a native text into the listing and the firewall-start after it."""
    listing, mark, start = native.partition(f"\n{MARK}\n")
    return (f"{listing}\n", start) if mark else (native, "")


def _listing_only(device: Device) -> Device:
    """Give the device with the listing alone of an observed text."""
    observed = device.options.get("observed")
    if not isinstance(observed, str):
        return device
    return replace(device, options={**device.options, "observed": _split(observed)[0]})
